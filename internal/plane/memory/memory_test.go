package memory_test

import (
	"context"
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
	"github.com/vtep/vtep/internal/plane/planetest"
)

var _ plane.Plane = (*memory.Plane)(nil)

// harness is the suite's view of a fabric, whose frames come out at once.
type harness struct {
	fabric *memory.Fabric
	outs   []planetest.Out
}

func newHarness(*testing.T) planetest.Harness {
	h := &harness{}
	h.fabric = memory.New(memory.Options{LocalAddrs: []netip.Addr{planetest.TunnelIP}, Sent: func(outs []memory.Out) { h.take(outs, memory.Forwarded) }})
	for _, p := range planetest.Ports {
		h.fabric.AddDevice(p)
	}
	return h
}

func (h *harness) take(outs []memory.Out, _ memory.Drop) {
	for _, o := range outs {
		h.outs = append(h.outs, planetest.Out(o))
	}
}

func (h *harness) Open(testing.TB) plane.Plane { return h.fabric.Open() }
func (h *harness) FromPort(_ testing.TB, port string, frame []byte) {
	h.take(h.fabric.FromPort(port, frame))
}
func (h *harness) FromTunnel(_ testing.TB, from intent.Tunnel, tos uint8, inner []byte) {
	h.take(h.fabric.FromTunnelTOS(from.Peer, from.VNI, tos, inner))
}
func (h *harness) AddDevice(_ testing.TB, port string)    { h.fabric.AddDevice(port) }
func (h *harness) RemoveDevice(_ testing.TB, port string) { h.fabric.RemoveDevice(port) }
func (h *harness) Receive(testing.TB, int) []planetest.Out {
	outs := h.outs
	h.outs = nil
	return outs
}

func TestConformance(t *testing.T) { planetest.Run(t, newHarness) }

// A slow agent is told that it lost something, and loses nothing but events.
func TestLostEvents(t *testing.T) {
	f := memory.New(memory.Options{Events: 4})
	p := f.Open()
	for range 10 {
		f.AddDevice("p0")
	}
	var got []plane.Event
	for range 4 {
		got = append(got, <-p.Events())
	}
	device := plane.PortChanged{Name: "p0", Exists: true, Up: true}
	if want := []plane.Event{device, device, device, plane.Lost{Count: 1}}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
	f.AddDevice("p0")
	if e := <-p.Events(); e != (plane.Lost{Count: 6}) {
		t.Errorf("event %+v, want the count of what was lost since", e)
	}
	if e := <-p.Events(); e != device {
		t.Errorf("event %+v", e)
	}
}

func TestTunnelIPNotLocal(t *testing.T) {
	f := memory.New(memory.Options{LocalAddrs: []netip.Addr{planetest.TunnelIP}})
	s := intent.NewState()
	s.TunnelIP = netip.MustParseAddr("192.0.2.77")
	r, err := f.Open().Apply(context.Background(), s, nil)
	if err != nil || r.Tunnels == nil {
		t.Errorf("report %+v, %v: the tunnel IP is not local", r, err)
	}
}

func TestMisuse(t *testing.T) {
	f := memory.New(memory.Options{})
	first := f.Open()
	if _, err := first.Apply(context.Background(), intent.NewState(), &intent.Delta{}); err == nil {
		t.Error("a delta is taken before any State is known")
	}
	f.Open()
	if _, err := first.Apply(context.Background(), intent.NewState(), nil); err == nil {
		t.Error("a plane that was closed can be used")
	}
	if err := first.Destroy(context.Background()); err != nil {
		t.Error(err)
	}
}

func TestDestroy(t *testing.T) {
	f := memory.New(memory.Options{})
	p := f.Open()
	s := intent.NewState()
	s.Ports["p0"] = intent.Port{}
	if _, err := p.Apply(context.Background(), s, nil); err != nil {
		t.Fatal(err)
	}
	if err := p.Destroy(context.Background()); err != nil {
		t.Fatal(err)
	}
	if !intent.Diff(intent.NewState(), f.Installed()).Empty() {
		t.Errorf("left behind:\n%v", f.Installed())
	}
}
