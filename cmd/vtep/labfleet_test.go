package main

import (
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// TestFleetGivesUp waits for what does not come: that ends, and tells what is missing, and on which VTEP.
func TestFleetGivesUp(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	err := withFleet(t.Context(), fleetOptions{vteps: 2}, io.Discard, func(m *fleetMeasure) error {
		if err := errors.Join(m.start(), m.cold()); err != nil {
			return err
		}
		m.patience = time.Millisecond
		m.mu.Lock()
		m.at[1] = 0 // and nobody tells
		m.mu.Unlock()
		_, err := m.until(m.ctx, "a move", m.right, m.astray, func() error { return nil })
		return err
	})
	want := "a move: after 1ms it is not in force on 2 of 2 VTEPs; on v1 the host of v"
	if err == nil || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "; on v2 the host of v") {
		t.Errorf("%v, not %s...", err, want)
	}

	f := newFleet(t.TempDir(), 2)
	f.vteps[0].wrong = 1
	if got, want := f.astray(f.vteps[0]), "the host of v2 (02:4c:41:42:00:02), which is at v2 (10.2.0.2), is not known"; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	f.patience = time.Millisecond
	never := func(*fleetVTEP, *intent.State) bool { return false }
	if _, err := f.until(t.Context(), "start", never, func(*fleetVTEP) string { return "all is missing" }, func() error { return nil }); err == nil ||
		err.Error() != "start: after 1ms it is not in force on 2 of 2 VTEPs; on v1 all is missing; on v2 all is missing" {
		t.Error(err)
	}
}

// TestFleetAdmits has as many sessions begin as may, and more when one of them has.
func TestFleetAdmits(t *testing.T) {
	f := &fleetFabric{fleet: newFleet(t.TempDir(), 2), reflector: &fleetBeside{}}
	f.fleet.patience = time.Millisecond
	if err := f.admit(t.Context(), fleetBegins-1); err != nil {
		t.Error(err)
	}
	if err := f.admit(t.Context(), fleetBegins); err == nil || !strings.Contains(err.Error(), "only 0 of 64 sessions") {
		t.Error(err)
	}
	f.reflector.sessions.Add(1)
	if err := f.admit(t.Context(), fleetBegins); err != nil {
		t.Error(err)
	}
}

// TestSmallFleets measures the smallest ones, in which there are few VTEPs that a host can move to.
func TestSmallFleets(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	for n, rows := range map[int]string{2: "4", 3: "9"} {
		var out strings.Builder
		err := withFleet(t.Context(), fleetOptions{vteps: n}, &out, func(m *fleetMeasure) error {
			m.patience = time.Minute
			return m.run()
		})
		if err != nil || !strings.Contains(out.String(), "0 lost, 0 stale, of "+rows+" ") {
			t.Errorf("%v:\n%s", err, &out)
		}
	}
}
