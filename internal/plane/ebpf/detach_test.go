package ebpf

import (
	"context"
	"net"
	"net/netip"
	"testing"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"

	"github.com/vtep/vtep/internal/intent"
)

// onTCX gives the programs on a device of the vtep ns.
func (w *world) onTCX(dev string) []link.AttachedProgram {
	w.t.Helper()
	var programs []link.AttachedProgram
	err := w.vtep.Do(func() error {
		ifi, err := net.InterfaceByName(dev)
		if err != nil {
			return err
		}
		all, err := link.QueryPrograms(link.QueryOptions{Target: ifi.Index, Attach: ebpf.AttachTCXIngress})
		if err == nil {
			programs = all.Programs
		}
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return programs
}

// noTunnels is basic without its overlay: making and unmaking that takes so long that what the kernel
// does later than it should is done by then.
func noTunnels() *intent.State {
	s := basic()
	s.TunnelIP = netip.Addr{}
	s.Unicast.Clear()
	clear(s.Floods)
	s.Decap.Clear()
	return s
}

// TestDetachedAtOnce takes programs off devices. None may run there any longer: it would go on to
// decide about frames, and be a stranger to the plane that is started next.
func TestDetachedAtOnce(t *testing.T) {
	needTCX(t)
	w := newWorld(t)
	gone := func(after, dev string) {
		t.Helper()
		if n := len(w.onTCX(dev)); n != 0 {
			t.Errorf("after %s %d programs are on %s", after, n, dev)
		}
	}
	for range 3 {
		p := w.plane(Options{})
		s := noTunnels()
		w.apply(p, s, nil)
		less := s.Clone()
		delete(less.Ports, "p2")
		w.apply(p, less, intent.Diff(s, less))
		gone("the end of a port", "p2")
		w.apply(p, s, intent.Diff(less, s)) // no program can be twice on one device
		p.mu.Lock()
		for name, prt := range p.ports { // with nothing more to be done about it
			if err := p.attached.Detach(prt.Device); err != nil {
				t.Error(err)
			}
			gone("detaching", name)
		}
		p.mu.Unlock()
		if err := p.Destroy(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestFilterAfterTCX changes from TCX to tc filters, and back. What an earlier process has attached
// in the other way is the VTEP's own: nobody has disturbed anything.
func TestFilterAfterTCX(t *testing.T) {
	w := newWorld(t)
	s := basic()
	for _, mode := range []string{"direct", "tc filter", "direct", "tc filter", "vxlan device"} {
		p := w.plane(modes[mode])
		r, err := p.Apply(context.Background(), s, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Tunnels != nil || len(r.Ports) > 0 || len(r.Disturbed) > 0 {
			t.Errorf("%s: ports %v, disturbed %v, tunnels %v", mode, r.Ports, r.Disturbed, r.Tunnels)
		}
		b := frame(bcast, macA, "in "+mode)
		w.send("h0", b)
		w.expect("h1", b)
		w.expectTunnel(peerIP, 10, b)
		w.audit(p)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	p := w.plane(Options{})
	w.apply(p, s, nil)
	if err := p.Destroy(context.Background()); err != nil {
		t.Fatal(err)
	}
}
