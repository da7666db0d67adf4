package planetest

import (
	"errors"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

// Untraced is a Harness that may want no traces, for the time that they take.
type Untraced interface{ Untraced() bool }

// sendPort makes the host at a port send a frame. What a trace says of it before, expect compares with
// what comes out.
func (l *lab) sendPort(port string, frame []byte) {
	l.Helper()
	l.trace(plane.Arriving{Port: port, Frame: frame})
	l.harness.FromPort(l, port, frame)
}

// sendTunnel is the same for a peer.
func (l *lab) sendTunnel(from intent.Tunnel, tos uint8, inner []byte) {
	l.Helper()
	l.trace(plane.Arriving{Tunnel: from, TOS: tos, Frame: inner})
	l.harness.FromTunnel(l, from, tos, inner)
}

func (l *lab) trace(fr plane.Arriving) {
	l.Helper()
	p, ok := l.plane.(plane.Tracer)
	if h, limited := l.harness.(Untraced); !ok || l.closed || limited && h.Untraced() {
		return
	}
	out, err := memory.Rehearse(l.Context(), p, fr)
	if err != nil {
		l.Fatalf("trace: %v", err)
	}
	l.traced = &out
	l.rehearsed = nil
	if r, ok := p.(plane.Rehearser); ok && l.opened == 1 { // each plane has to load programs for it
		is, err := r.Rehearse(l.Context(), fr, out.Entries)
		switch {
		case errors.Is(err, plane.ErrNoRehearsal):
		case err != nil:
			l.Fatalf("rehearse: %v", err)
		default:
			l.rehearsed = &is
		}
	}
}

// expectTraced wants the last trace to have said what has come out.
func (l *lab) expectTraced(what string, want []Out) {
	l.Helper()
	if l.traced == nil {
		return
	}
	var said []Out
	for _, o := range l.traced.Outs {
		if Mine(o.Frame) {
			said = append(said, Out(o))
		}
	}
	if s, w := texts(said), texts(want); !slices.Equal(s, w) {
		l.Fatalf("%s: a trace says (%s)\n\t%s\nbut there came out\n\t%s", what, l.traced.Drop, strings.Join(s, "\n\t"), strings.Join(w, "\n\t"))
	}
	if l.rehearsed != nil {
		l.expectRehearsed(what, want)
	}
	l.traced, l.rehearsed = nil, nil
}

// expectRehearsed wants the dataplane to have decided so before, too, and for the reason that the trace says.
func (l *lab) expectRehearsed(what string, want []Out) {
	l.Helper()
	var said []Out
	for _, c := range l.rehearsed.Copies {
		if Mine(c.Frame) {
			said = append(said, Out(c))
		}
	}
	if s, w := texts(said), texts(want); !slices.Equal(s, w) {
		l.Fatalf("%s: the dataplane rehearsed (drops %v)\n\t%s\nbut there came out\n\t%s", what, l.rehearsed.Drops, strings.Join(s, "\n\t"), strings.Join(w, "\n\t"))
	}
	if why := string(l.traced.Drop); why != "" && !slices.Contains(l.rehearsed.Drops, why) {
		l.Fatalf("%s: dropped for %q by the trace, for %q by the dataplane", what, why, l.rehearsed.Drops)
	}
}
