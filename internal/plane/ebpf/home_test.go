package ebpf

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cilium/ebpf"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// Devices that are moved to another network namespace while there is no agent take their programs
// along, but those do not forward there. At home forwarding goes on.
func TestMovedAway(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) { testMovedAway(t, o) })
	}
}

func testMovedAway(t *testing.T, o Options) {
	w := newWorld(t)
	w.neighbour(peerIP)
	p := w.plane(o)
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	// As if that had been long ago.
	config, err := ebpf.LoadPinnedMap(filepath.Join(w.pins, filepath.Base(p.pins.Maps()), "config"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer config.Close()
	settings := p.settings
	settings.Alive = uint64(monotonic() - time.Hour)
	if err := config.Put(uint32(0), &settings); err != nil {
		t.Fatal(err)
	}
	w.forwards()

	other := testenv.Netns(t, "o")
	fd, err := os.Open(other.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	for dev, peer := range map[string]struct {
		at  *namespace.Namespace
		dev string
	}{"p0": {w.hosts, "h0"}, "p1": {w.hosts, "h1"}, "u0": {w.far, "r0"}} {
		index := w.index(dev)
		w.link(dev, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetNsFd(l, int(fd.Fd())) })
		w.links(other, func(h *netlink.Handle) error {
			l, err := h.LinkByName(dev)
			if err != nil {
				return err
			}
			if l.Attrs().Index != index {
				t.Errorf("%s has got another index: this test shows nothing", dev)
			}
			return setUp(h, dev)
		})
		testnet.Running(w.t, other, dev)
		testnet.Running(w.t, peer.at, peer.dev) // it had no carrier while the other one was on its way
	}
	w.tap(other, "p0")
	w.tap(other, "p1")
	w.address(other, "u0", "192.0.2.1/24")
	in := ipFrame(macA, macR, 64)
	w.send("r0", (&gateway{ns: other}).outerFrame(t, in))
	w.barrier()
	w.expectNothing("h0", in)
	for _, c := range []struct {
		from  string
		frame []byte
		to    string // where it would get
	}{
		{"0", frame(bcast, macA, "to all"), "h1"},
		{"1", ipFrame(macA, macB, 100), "h0"},
		{"1", ipFrame(macR, macB, 100), "r0"},
	} {
		w.send("h"+c.from, c.frame)
		w.expect("p"+c.from, c.frame) // it comes to whoever has the device now
		w.barrier()
		if c.to != "r0" {
			w.expectNothing(c.to, c.frame)
			continue
		}
		for b := w.taps["r0"].Read(); b != nil; b = w.taps["r0"].Read() {
			if o, ok := testnet.ParseOuter(b); ok && string(o.Inner) == string(c.frame) {
				t.Errorf("it leaves in a tunnel: %x", b)
			}
		}
	}
}
