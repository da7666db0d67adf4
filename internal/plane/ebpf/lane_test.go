package ebpf

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// numberedARP is a question for the MAC of an address, with a number.
func numberedARP(src intent.MAC, n int) []byte {
	f := append(append([]byte{}, bcast[:]...), src[:]...)
	f = append(f, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	f = append(append(f, src[:]...), 198, 51, 100, 1, 0, 0, 0, 0, 0, 0, 198, 51, byte(n>>8), byte(n))
	return append(f, make([]byte, 18)...) // as long as Ethernet wants it
}

// lane says whether copies to the peer may go past the vxlan device at present.
func (p *Plane) lane(ip netip.Addr) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	pr := p.contents.Peers[ip]
	return pr != nil && atomic.LoadUint32(&p.paths[pr.Number].Until) > uint32(monotonic()>>layout.PathUntilShift) &&
		atomic.LoadUint32(&p.paths[pr.Number].State) == layout.PathUsed
}

// longCopies is how many frames the vxlan device of the plane has sent.
func (w *world) longCopies(p *Plane) (n uint64) {
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName(p.vxlanName())
		if err == nil {
			n = l.Attrs().Statistics.TxPackets
		}
		return err
	})
	return n
}

// toPeers is what is counted of frames in tunnels.
func (w *world) toPeers(p *Plane) map[netip.Addr]plane.Traffic {
	st, err := p.Stats(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	return st.Tunnels
}

// byLanes sends frames, each of which make makes another, until one has gone past the vxlan device to all of these peers.
// It gives what came of that one at r0, as it came.
func (w *world) byLanes(p *Plane, make func(int) []byte, peers ...netip.Addr) (outer [][]byte) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		w.barriers++
		f := make(w.barriers)
		ready := !slices.ContainsFunc(peers, func(ip netip.Addr) bool { return !p.lane(ip) })
		before, counted := w.longCopies(p), w.toPeers(p)
		w.taps["r0"].Drain()
		w.send("h0", f)
		w.expect("h1", f)
		w.barrier()
		if n := w.longCopies(p) - before; n > 0 || !ready {
			return fmt.Errorf("%d copies took the long way", n)
		}
		got := map[netip.Addr]int{}
		outer = nil
		for _, b := range w.taps["r0"].Drain() {
			if o, ok := testnet.ParseOuter(b); ok && bytes.Equal(o.Inner, f) {
				got[o.Dst]++
				outer = append(outer, b)
				o.Inner, o.ID, o.Dst = nil, 0, netip.Addr{}
				want := testnet.Outer{Src: tunnelIP, TTL: 64, DF: true, SrcPort: o.SrcPort, DstPort: vxlanPort, Flags: 8, VNI: 10,
					IPLen: len(f) + 36, UDPLen: len(f) + 16, SumOK: true}
				if o.SrcPort < 0xc000 || fmt.Sprintf("%+v", o) != fmt.Sprintf("%+v", want) {
					w.t.Errorf("outer headers\n%+v\nwant\n%+v", o, want)
				}
			}
		}
		for _, ip := range peers {
			if got[ip] != 1 {
				w.t.Errorf("%v got %d copies", ip, got[ip])
			}
			if n := w.toPeers(p)[ip].OutPackets - counted[ip].OutPackets; n != 1 {
				w.t.Errorf("of a copy to %v %d were counted", ip, n)
			}
		}
		return nil
	})
	return outer
}

// Copies of what is flooded go past the vxlan device: of ARP, of IP, of others, of unicast whose destination is unknown. They have
// the same headers as by it, and follow the MACs of next hops at once; a peer of whose next hop that is not known gets its
// copy all the same.
func TestLanes(t *testing.T) {
	w := newWorld(t)
	w.bigBuffers("h1", "r0", "vx10")
	p := w.plane(Options{})
	s := basic()
	s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{{Peer: peerIP, VNI: 10}, {Peer: peerIP3, VNI: 10}}
	w.neighbour(peerIP)
	w.neighbour(peerIP3)
	w.apply(p, s, nil)
	arp := func(n int) []byte { return numberedARP(macA, n) }
	numbered := func(f []byte, n int) []byte {
		binary.BigEndian.PutUint32(f[len(f)-4:], uint32(n))
		return f
	}
	for name, make := range map[string]func(int) []byte{
		"arp":     arp,
		"udp":     func(n int) []byte { return numbered(ipFrame(bcast, macA, 64), n) },
		"other":   func(n int) []byte { return frame(bcast, macA, fmt.Sprint("neither IP nor ARP ", n)) },
		"large":   func(n int) []byte { return numbered(ipFrame(bcast, macA, 1400), n) },
		"unknown": func(n int) []byte { return numbered(ipFrame(intent.MAC{2, 9, 9}, macA, 100), n) },
	} {
		t.Run(name, func(t *testing.T) { w.byLanes(p, make, peerIP, peerIP3) })
	}

	// Whoever has the address of the next hop has another MAC.
	other := net.HardwareAddr{2, 0xaa, 0, 0, 0, 1}
	testnet.Neighbour(t, w.vtep, "u0", peerIP3, other)
	testenv.Eventually(t, patience, func() error {
		for _, b := range w.byLanes(p, arp, peerIP, peerIP3) {
			if o, _ := testnet.ParseOuter(b); o.Dst == peerIP3 && !bytes.Equal(b[:6], other) {
				return fmt.Errorf("a copy to %v is for % x", o.Dst, b[:6])
			}
		}
		return nil
	})

	// It is not known any more: that copy takes the long way, and the kernel asks for the address.
	testnet.Link(t, w.vtep, "u0", func(h *netlink.Handle, l netlink.Link) error {
		return h.NeighDel(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: peerIP3.AsSlice()})
	})
	for n := range 3 {
		f := numberedARP(macA, 5000+n)
		w.send("h0", f)
		w.expectTunnel(peerIP3, 10, f)
	}
	// It asks, and it is an ordinary neighbor from now on.
	w.byLanes(p, arp, peerIP, peerIP3)

	// Nobody looks after lanes when there is no process.
	number := p.contents.Peers[peerIP].Number
	paths, err := p.objs.Paths.Clone()
	if err != nil {
		t.Fatal(err)
	}
	defer paths.Close()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	var path layout.Path
	if err := paths.Lookup(number, &path); err != nil || path.Until != 0 {
		t.Errorf("after the end of the process %+v, %v", path, err)
	}
	f := numberedARP(macA, 6000)
	w.send("h0", f)
	w.expectTunnel(peerIP, 10, f)
}

// A frame of which nobody gets a copy leaves the lanes of its CPU to the next one.
func TestLanesWithoutCopy(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := basic()
	w.neighbour(peerIP)
	w.apply(p, s, nil)
	var lists []layout.ChunkKey
	if err := kernel.Scan(p.objs.Chunks, func(k layout.ChunkKey, _ layout.Chunk) { lists = append(lists, k) }); err != nil || len(lists) == 0 {
		t.Fatalf("%d lists, %v", len(lists), err)
	}
	for _, k := range lists { // as if there were no room for them
		if err := p.objs.Chunks.Delete(&k); err != nil {
			t.Fatal(err)
		}
	}
	if ret, _ := runAt(t, w.vtep, p.objs.VtepPort, "p0", frame(bcast, macA, "to nobody")); ret != actDrop {
		t.Errorf("action %d", int32(ret))
	}
	var cpus []layout.Lanes
	if err := p.objs.Lanes.Lookup(uint32(0), &cpus); err != nil {
		t.Fatal(err)
	}
	for cpu := range cpus {
		if cpus[cpu].Busy != 0 {
			t.Errorf("the lanes of CPU %d are busy", cpu)
		}
	}
}

// Nor do copies of a flooded frame spoil the checksum that its NIC gave it (runAt fails otherwise), whatever way they take.
func TestChecksumsFlooded(t *testing.T) {
	frames := map[string][]byte{"IPv4": ipFrame(bcast, macA, 100), "IPv6": ip6Frame(bcast, macA, 101), "ARP": numberedARP(macA, 1)}
	for way, c := range map[string]struct {
		o     Options
		outer int // bytes that the frame has been given when the program ends
	}{"lanes": {Options{}, 50}, "vxlan device": {Options{Direct: DirectOff}, 0}} {
		t.Run(way, func(t *testing.T) {
			w := newWorld(t)
			p := w.plane(c.o)
			s := basic()
			s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{{Peer: peerIP, VNI: 10}, {Peer: peerIP3, VNI: 10}}
			w.neighbour(peerIP)
			w.neighbour(peerIP3)
			w.apply(p, s, nil)
			for name, f := range frames {
				testenv.Eventually(t, patience, func() error {
					if ret, out := runAt(t, w.vtep, p.objs.VtepPort, "p0", f); ret != actRedirect || len(out) != len(f)+c.outer {
						return fmt.Errorf("%s: action %d, %d bytes come out, not %d", name, int32(ret), len(out), len(f)+c.outer)
					}
					return nil
				})
			}
		})
	}
}
