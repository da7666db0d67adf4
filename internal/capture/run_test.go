package capture

import (
	"context"
	"encoding/binary"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vtep/vtep/internal/plane"
)

// stream is a plane that shows what a test has it show.
type stream struct{ show func(*plane.Captured) }

func (s *stream) StartCapture(_ context.Context, _ plane.CaptureFilter, show func(*plane.Captured)) (plane.Capture, error) {
	s.show = show
	return s, nil
}
func (s *stream) DropReasons() []string { return nil }
func (s *stream) Lost() uint64          { return 0 }
func (s *stream) Close() error          { return nil }
func (s *stream) ShowsAround() bool     { return true }

func start(t *testing.T, s *stream, words ...string) *Capture {
	t.Helper()
	q, err := Parse(words)
	if err != nil {
		t.Fatal(err)
	}
	names := func(context.Context) (Names, error) { return Names{Ports: map[string]bool{"p0": true}}, nil }
	c, err := Start(t.Context(), Source{Plane: s, Names: names}, q)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// came is the nth frame that comes in.
func came(n int) *plane.Captured {
	b := make([]byte, 60)
	binary.BigEndian.PutUint32(b[14:], uint32(n))
	return &plane.Captured{At: time.Now(), Frame: uint64(n), What: plane.CameIn, From: plane.CapturePlace{Port: "p0"}, Data: b, Inner: b, Length: len(b)}
}

// TestSteadyStream wants frames written though there is never a pause between them.
func TestSteadyStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &stream{}
		c := start(t, s, "--count=5")
		done := make(chan time.Duration)
		began := time.Now()
		go func() {
			if total, err := c.Write(t.Context(), io.Discard); err != nil || total.Written != 5 {
				t.Errorf("%+v, %v", total, err)
			}
			done <- time.Since(began)
		}()
		for n := 1; n <= 1000; n++ {
			s.show(came(n))
			time.Sleep(time.Millisecond)
			select {
			case took := <-done:
				if took > 3*patience {
					t.Errorf("took %v", took)
				}
				return
			default:
			}
		}
		<-done
		t.Error("nothing was written in a second")
	})
}

// TestSightingsBounded wants no more noted than has a bound, whatever is written.
func TestSightingsBounded(t *testing.T) {
	r := &run{inner: map[uint64]sighting{}}
	at := time.Now()
	for n := range uint64(5 * mostKnown) {
		r.see(n, sighting{n, at})
	}
	if n := len(r.inner) + len(r.before); n > 2*mostKnown {
		t.Errorf("%d are noted", n)
	}
	last := uint64(5*mostKnown - 1)
	for _, n := range []uint64{last, last - mostKnown + 1} {
		if s, ok := r.seen(n); !ok || s.frame != n {
			t.Errorf("%d is not known: %+v", n, s)
		}
	}
	r.see(1, sighting{1, at.Add(known)})
	r.see(2, sighting{2, at.Add(2 * known)})
	if _, ok := r.seen(last); ok {
		t.Error("what was seen long ago is known")
	}
}
