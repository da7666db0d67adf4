package main

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/testenv"
)

// ovnPrograms is the directory of an OVN that tells VTEPs of the MACs that others learn.
func ovnPrograms(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(testenv.Tree(t), ".cache/ovn/bin")
	if _, err := os.Stat(filepath.Join(dir, "../.complete")); err != nil {
		dir = filepath.Dir(testenv.Program(t, "ovn-northd"))
	}
	text, err := exec.Command(filepath.Join(dir, "ovn-northd"), "--version").Output()
	if err != nil {
		t.Fatal(err)
	}
	var year, month int
	if _, err := fmt.Sscanf(string(text), "ovn-northd %d.%d", &year, &month); err != nil {
		t.Fatalf("version %q: %v", text, err)
	}
	if year < 26 || year == 26 && month < 9 {
		testenv.Skip(t, "needs OVN 26.09: run scripts/testovn")
	}
	return dir
}

// TestFleetOfOVN runs a small one with the real OVN.
func TestFleetOfOVN(t *testing.T) {
	testenv.NoLeaks(t)
	t.Setenv("TMPDIR", t.TempDir())
	var out strings.Builder
	if err := runFleet(t.Context(), fleetOptions{vteps: 4, ovn: ovnPrograms(t)}, &out); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{`4 VTEPs .*, OVN: northd, and an ovn-controller-vtep for each`, `full mesh from cold +\S+s, 12 rows`, `sessions +14`,
		`a MAC move, on all +p50 \S+s, slowest of 2 \S+s`, `a tenth restarts at once +\S+s until all is in force, 1 hosts moved`,
		`  rows after it +0 lost, 0 stale, of 16 +none: reached`, `  of OVN +[1-9]\S* MiB for each VTEP`} {
		if !regexp.MustCompile("(?m)^" + line + "$").MatchString(out.String()) {
			t.Errorf("it prints no %q:\n%s", line, out.String())
		}
	}
	if left, err := os.ReadDir(os.Getenv("TMPDIR")); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// What is asked for wrongly is refused, and an OVN that is not there.
func TestFleetOfNoOVN(t *testing.T) {
	for want, o := range map[string]fleetOptions{
		"find OVN": {vteps: 2, ovn: t.TempDir()}, "fleets of their own": {vteps: 2, ovn: "PATH", evpn: true}, "of their own": {vteps: 2, ovnRows: true, evpn: true},
	} {
		if err := runFleet(t.Context(), o, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	if _, err := labMain([]string{"up", "--ovn=PATH"}); err == nil || !strings.Contains(err.Error(), "are for a fleet") {
		t.Errorf("up --ovn: %v", err)
	}
}

// TestOVNRows compares what OVN writes with what the controller does that writes as OVN does: the same rows, which a move has
// the same of replaced.
func TestOVNRows(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	want, got := ovnRows(t, fleetOptions{vteps: 4, ovn: ovnPrograms(t)}), ovnRows(t, fleetOptions{vteps: 4, ovnRows: true})
	for i, state := range []string{"after cold", "after a move", "after an end"} {
		if want[i] != got[i] {
			t.Errorf("%s OVN has written\n%sand the controller\n%s", state, want[i], got[i])
		}
	}
	if n := strings.Count(want[1], "replaced"); n != 3 { // in the databases of VTEPs that had the MAC behind another one, and have
		t.Errorf("a move replaces %d rows:\n%s", n, want[1])
	}
}

// ovnRows are the remote rows of a fleet after cold, when a host has moved, and when another one has gone.
func ovnRows(t *testing.T, o fleetOptions) (states []string) {
	t.Helper()
	err := withFleet(t.Context(), o, io.Discard, func(m *fleetMeasure) error {
		if err := errors.Join(m.start(), m.cold()); err != nil {
			return err
		}
		lost, stale, err := m.settled()
		if err != nil || lost+stale > 0 {
			return fmt.Errorf("%d rows are lost, %d stale: %w", lost, stale, err)
		}
		rows := m.remoteRows(nil)
		states = append(states, text(rows))

		_, err = m.until(m.ctx, "a move", func(v *fleetVTEP, s *intent.State) bool { return m.placed(v, s, 0) }, func(v *fleetVTEP) string { return m.strayed(v, 0) },
			func() error { m.move(0, 2); return nil })
		if err == nil {
			lost, stale, err = m.settled()
		}
		if err != nil || lost+stale > 0 {
			return fmt.Errorf("%d rows are lost, %d stale: %w", lost, stale, err)
		}
		states = append(states, text(m.remoteRows(rows)))

		m.vteps[3].fabric.RemoveDevice("p0")
		mac := m.vteps[3].host.String()
		testenv.Eventually(t, time.Minute, func() error {
			rows = m.remoteRows(nil)
			for row := range rows {
				if strings.Contains(row, mac) {
					return fmt.Errorf("there is still %s", row)
				}
			}
			return nil
		})
		states = append(states, text(rows))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return states
}

// remoteRows are the rows of a controller in all databases, with their UUIDs; those that were there with another one say so.
func (m *fleetMeasure) remoteRows(before map[string]hwvtep.UUID) map[string]hwvtep.UUID {
	rows := map[string]hwvtep.UUID{}
	for _, v := range m.vteps {
		view := hwvtep.NewView[*idl.Table](v.replica.Snapshot())
		at := func(id hwvtep.UUID) string {
			l, _ := view.PhysicalLocator(id)
			return fmt.Sprint(l.EncapsulationType, " ", l.DstIP, " ", l.TunnelKey)
		}
		add := func(id hwvtep.UUID, format string, args ...any) {
			row := v.name + " " + fmt.Sprintf(format, args...)
			rows[row] = id
		}
		for row := range view.LogicalSwitches() {
			add(row.UUID, "Logical_Switch %s %v %s %v", row.Name, row.TunnelKey, row.ReplicationMode, row.OtherConfig)
		}
		for row := range view.UcastMACsRemote() {
			replaced := ""
			if before != nil && !slices.Contains(slices.Collect(maps.Values(before)), row.UUID) {
				replaced = " replaced"
			}
			add(row.UUID, "Ucast_Macs_Remote %s %q %s%s", row.MAC, row.IPAddr, at(row.Locator), replaced)
		}
		for row := range view.McastMACsRemote() {
			set, _ := view.PhysicalLocatorSet(row.LocatorSet)
			var ends []string
			for _, id := range set.Locators {
				ends = append(ends, at(id))
			}
			slices.Sort(ends)
			replaced := ""
			if before != nil && !slices.Contains(slices.Collect(maps.Values(before)), row.UUID) {
				replaced = " replaced"
			}
			add(row.UUID, "Mcast_Macs_Remote %s %q%s", row.MAC, ends, replaced)
		}
	}
	return rows
}

func text(rows map[string]hwvtep.UUID) string {
	return strings.Join(slices.Sorted(maps.Keys(rows)), "\n") + "\n"
}
