package ebpf

import (
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

var ls1 = intent.SwitchID{1}

// basic is the State of most tests: p0 and p1 untagged in ls1 (VNI 10), p2 unbound, macR
// behind the peer.
func basic() *intent.State {
	s := intent.NewState()
	s.TunnelIP = tunnelIP
	s.Ports["p0"], s.Ports["p1"], s.Ports["p2"] = intent.Port{}, intent.Port{}, intent.Port{}
	s.Switches[ls1] = intent.Switch{Name: "ls1", VNI: 10}
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: ls1}
	s.Bindings[intent.BindingKey{Port: "p1"}] = intent.Binding{Switch: ls1}
	far := intent.Tunnel{Peer: peerIP, VNI: 10}
	s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: macR}, far)
	s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{far}
	s.Decap.Set(far, ls1)
	return s
}

func TestUntagged(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	w.audit(p)

	// Broadcast: the other port, and the tunnel.
	b := frame(bcast, macA, "who has B?")
	w.send("h0", b)
	w.expect("h1", b)
	w.expectTunnel(peerIP, 10, b)
	w.expect("vx10", b)
	w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macA}, At: intent.BindingKey{Port: "p0"}})

	// From the peer: known unicast to one port, broadcast to both, never back.
	u := frame(macA, macR, "to A")
	w.send("vx10", u)
	w.expect("h0", u)
	marker := frame(bcast, macR, "to all")
	w.send("vx10", marker)
	if got := w.until("h1", marker); len(got) != 0 {
		t.Errorf("h1 got %d frames that were for h0", len(got))
	}
	w.expect("h0", marker)

	// To the peer: known unicast, one copy in one tunnel.
	u = frame(macR, macA, "to R")
	w.send("h0", u)
	w.expect("vx10", u)
	marker = frame(bcast, macA, "marker")
	w.send("h0", marker)
	if got := w.until("h1", marker); len(got) != 0 {
		t.Errorf("h1 got %d frames that were for the peer", len(got))
	}

	// Local known unicast.
	w.send("h1", frame(bcast, macB, "here is B"))
	w.seen(p, plane.Seen{Key: intent.MACKey{Switch: ls1, MAC: macB}, At: intent.BindingKey{Port: "p1"}})
	u = frame(macB, macA, "A to B")
	w.send("h0", u)
	w.expect("h1", u)
	marker = frame(bcast, macA, "marker 2")
	w.send("h0", marker)
	for _, f := range w.until("vx10", marker) {
		if string(f[14:20]) == "A to B" {
			t.Error("the tunnel got a frame that was for h1")
		}
	}
	w.audit(p)
}

// seen waits for the event.
func (w *world) seen(p *Plane, want plane.Seen) {
	w.t.Helper()
	deadline := time.After(patience)
	for {
		select {
		case e := <-p.Events():
			if e == want {
				return
			}
		case <-deadline:
			w.t.Fatalf("no event %+v", want)
		}
	}
}
