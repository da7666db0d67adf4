package ebpf

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// pseudoSum is that of the pseudo header of the packet in a frame, which is UDP, TCP or the like.
func pseudoSum(b []byte) (sum uint32, at int) {
	addresses, proto, length := b[26:34], b[23], binary.BigEndian.Uint16(b[16:])-20
	at = 34
	if b[12] == 0x86 {
		addresses, proto, length = b[22:54], b[20], binary.BigEndian.Uint16(b[18:])
		at = 54
	}
	for i := 0; i < len(addresses); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(addresses[i:]))
	}
	return sum + uint32(proto) + uint32(length), at
}

func folded(sum uint32) uint16 {
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return uint16(sum)
}

// sealed gives the frame with the checksum of its packet, at that place behind the IP header: finished, or as it is when
// the device is to finish it.
func sealed(b []byte, place int, finished bool) []byte {
	b = bytes.Clone(b)
	sum, at := pseudoSum(b)
	field := b[at+place:]
	binary.BigEndian.PutUint16(field, 0)
	if !finished {
		binary.BigEndian.PutUint16(field, folded(sum))
		return b
	}
	for rest := b[at:]; len(rest) > 0; rest = rest[min(2, len(rest)):] {
		sum += uint32(rest[0]) << 8
		if len(rest) > 1 {
			sum += uint32(rest[1])
		}
	}
	binary.BigEndian.PutUint16(field, ^folded(sum))
	return b
}

// as gives the frame another protocol.
func as(b []byte, proto byte) []byte {
	b = bytes.Clone(b)
	b[23] = proto
	b[24], b[25] = 0, 0
	return b
}

// Of veth devices frames may come with checksums that are not finished: none of these, and nothing that may have one inside,
// is taken by XDP.
func TestXDPUnfinished(t *testing.T) {
	w := nativeWorld(t)
	p := w.plane(Options{XDP: XDPRequire})
	w.apply(p, basic(), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	g := &gateway{ns: w.vtep}
	const udp, tcp = 6, 16 // where the checksum is
	for _, c := range []struct {
		name  string
		frame func(dst, src intent.MAC) []byte
		taken bool
	}{
		{"UDP", func(d, s intent.MAC) []byte { return sealed(ipFrame(d, s, 1001), udp, true) }, true},
		{"UDP, unfinished", func(d, s intent.MAC) []byte { return sealed(ipFrame(d, s, 1001), udp, false) }, false},
		{"UDP that does not add up", func(d, s intent.MAC) []byte {
			b := sealed(ipFrame(d, s, 1001), udp, true)
			b[len(b)-1]++
			return b
		}, false},
		{"UDP without a checksum", func(d, s intent.MAC) []byte { return ipFrame(d, s, 100) }, false},
		{"short UDP", func(d, s intent.MAC) []byte { return sealed(ipFrame(d, s, 18), udp, true) }, true},
		{"UDP over IPv6", func(d, s intent.MAC) []byte { return sealed(ip6Frame(d, s, 128), udp, true) }, true},
		{"UDP over IPv6, unfinished", func(d, s intent.MAC) []byte { return sealed(ip6Frame(d, s, 128), udp, false) }, false},
		{"TCP", func(d, s intent.MAC) []byte { return sealed(as(ipFrame(d, s, 100), unix.IPPROTO_TCP), tcp, true) }, true},
		{"TCP, unfinished", func(d, s intent.MAC) []byte { return sealed(as(ipFrame(d, s, 100), unix.IPPROTO_TCP), tcp, false) }, false},
		{"ICMP", func(d, s intent.MAC) []byte { return as(ipFrame(d, s, 100), unix.IPPROTO_ICMP) }, true},
		{"GRE", func(d, s intent.MAC) []byte { return as(ipFrame(d, s, 100), unix.IPPROTO_GRE) }, false},
		{"SCTP", func(d, s intent.MAC) []byte { return as(ipFrame(d, s, 100), unix.IPPROTO_SCTP) }, false},
	} {
		out, in := c.frame(macR, macA), g.outerFrame(t, c.frame(macA, macR))
		encap, _ := w.runXDP(p.veths().VtepXdpPort, "p0", out)
		decap, _ := w.runXDP(p.veths().VtepXdpUnderlay, "u0", in)
		if (encap == xdpRedirect) != c.taken || (decap == xdpRedirect) != c.taken {
			t.Errorf("%s: actions %d, %d", c.name, encap, decap)
		}
	}

	// What is shorter than a frame of Ethernet has to be padded where it leaves for a wire: not all drivers do it for XDP.
	short := func(d, s intent.MAC) []byte { return sealed(ipFrame(d, s, 17), udp, true) }
	encap, _ := w.runXDP(p.veths().VtepXdpPort, "p0", short(macR, macA))
	decap, _ := w.runXDP(p.veths().VtepXdpUnderlay, "u0", g.outerFrame(t, short(macA, macR)))
	if encap != xdpRedirect || decap == xdpRedirect {
		t.Errorf("a frame of 59 bytes: actions %d, %d", encap, decap)
	}
}

// TCP between hosts works with all the offloads that veth devices have, whatever of it takes XDP.
func TestXDPTCP(t *testing.T) {
	for name, off := range map[string]offloading{"offloads": offloads, "no segmentation": noSegmentation} {
		t.Run(name, func(t *testing.T) {
			w := nativeWorld(t)
			w.address(w.hosts, "h0", "198.51.100.1/24")
			w.address(w.far, "vx10", "198.51.100.2/24")
			if off == noSegmentation { // and every checksum is finished, so that frames take XDP
				w.plain(w.hosts, "h0")
				w.plain(w.far, "vx10")
				w.unsegmented(w.hosts, "h0")
				w.unsegmented(w.far, "vx10")
			}
			p := w.plane(Options{XDP: XDPRequire})
			s := basic()
			s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: w.mac(w.far, "vx10")}, intent.Tunnel{Peer: peerIP, VNI: 10})
			w.apply(p, s, nil)
			w.transfer(w.hosts, w.far, "198.51.100.2")
			w.transfer(w.far, w.hosts, "198.51.100.1")
			f := w.paths(p).Frames
			t.Log(f)
			if off == noSegmentation && (f["encapsulated"] < transferBytes/3000 || f["decapsulated"] < transferBytes/3000) {
				t.Errorf("frames by XDP: %v", f)
			}
			st, err := p.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if c := st.Bindings[intent.BindingKey{Port: "p0"}]; c.BytesFromLocal < transferBytes || c.BytesToLocal < transferBytes {
				t.Errorf("counters %+v", c)
			}
			for _, reason := range []string{"too_big", "failed"} {
				if st.Drops[reason] != 0 {
					t.Errorf("dropped %d frames: %s", st.Drops[reason], reason)
				}
			}
		})
	}
}

// thrown is a stream of numbered packets, each of which is to come out once.
type thrown struct {
	flow *flow
	wg   sync.WaitGroup
	stop atomic.Bool
}

const thrownMark = "thrown"

// throwFlow sends packets made of a frame, whose payload is numbered.
func (w *world) throwFlow(from *thrower, wrap func([]byte) []byte, dst, src intent.MAC, to string) *thrown {
	f := &flow{w: w, stop: make(chan struct{}), end: make(chan struct{}), got: map[uint32]int{}}
	th := &thrown{flow: f}
	th.wg.Go(func() {
		for !th.stop.Load() {
			b := ipFrame(dst, src, 40)
			copy(b[42:], thrownMark)
			binary.BigEndian.PutUint32(b[50:], f.sent.Add(1))
			if err := from.try(wrap(b), 1); err != nil {
				w.t.Errorf("throw: %v", err)
				return
			}
			time.Sleep(100 * time.Microsecond)
		}
	})
	f.wg.Go(func() {
		for {
			b := w.taps[to].Receive(time.Now().Add(20 * time.Millisecond))
			if len(b) >= 54 && string(b[42:48]) == thrownMark && bytes.Equal(b[:6], dst[:]) {
				f.mu.Lock()
				f.got[binary.BigEndian.Uint32(b[50:])]++
				f.mu.Unlock()
			}
			select {
			case <-f.end:
				if b == nil {
					return
				}
			default:
			}
		}
	})
	return th
}

func (th *thrown) mustBeWhole(name string) {
	th.stop.Store(true)
	th.wg.Wait()
	th.flow.mustBeWhole(name)
}

// A new process, with another mode too, and one that was killed, disturb nothing that takes XDP.
func TestXDPRestart(t *testing.T) {
	w := nativeWorld(t)
	w.bigBuffers("h0", "vx10")
	w.takesXDP(w.vtep, "p0") // what is thrown at them is taken without a program, too
	w.takesXDP(w.vtep, "u0")
	cmd := w.child("VTEP_TEST_XDP=1")
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	g := &gateway{ns: w.vtep}
	outer := g.outerFrame(t, nil)
	out := w.throwFlow(newThrower(t, w.hosts, "h0"), func(b []byte) []byte { return b }, macR, macA, "vx10")
	in := w.throwFlow(newThrower(t, w.far, "r0"), func(b []byte) []byte { return g.around(outer, b) }, macA, macR, "h0")
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	var frames map[string]uint64
	for _, o := range []Options{{XDP: XDPRequire, wired: true}, {XDP: XDPRequire, wired: true}, {}, {XDP: XDPRequire, wired: true}} {
		p := w.plane(o)
		w.apply(p, basic(), nil)
		if o.XDP != XDPOff {
			w.waitFor("frames by XDP", func() bool {
				frames = w.paths(p).Frames
				return frames["encapsulated"] > 20 && frames["decapsulated"] > 20
			})
			p.mu.Lock()
			err := p.grow(map[string]uint32{"locals": 2 * p.objs.Locals.MaxEntries()}, p.growing())
			p.mu.Unlock()
			if err != nil {
				t.Fatal(err)
			}
			was := frames["encapsulated"]
			w.waitFor("frames by XDP with larger maps", func() bool { return w.paths(p).Frames["encapsulated"] > was+20 })
		}
		w.audit(p)
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
	}
	in.mustBeWhole("from the peer")
	out.mustBeWhole("to the peer")
}

// The MACs on the way to a peer follow the kernel's neighbour table, and what is said of them there stays.
func TestXDPAdjacency(t *testing.T) {
	w := nativeWorld(t)
	p := w.plane(Options{XDP: XDPRequire, wired: true})
	natively(w, p)
	send := func() (ret uint32, dst []byte) {
		ret, out := w.runXDP(p.nics().VtepXdpPort, "p0", ipFrame(macR, macA, 64))
		return ret, out[:6]
	}
	peer := w.mac(w.far, "r0")
	if ret, dst := send(); ret != xdpRedirect || !bytes.Equal(dst, peer[:]) {
		t.Fatalf("action %d, to %x", ret, dst)
	}
	p.mu.Lock() // a look as every second: it must not make the entry another one
	for _, pr := range p.contents.Peers {
		p.keepNeighbour(pr)
	}
	p.mu.Unlock()
	if ret, _ := send(); ret != xdpRedirect {
		t.Fatalf("action %d", ret)
	}
	moved := intent.MAC{2, 1, 1, 1, 1, 1}
	w.neighbourAt(moved)
	w.waitFor("the new MAC", func() bool { ret, dst := send(); return ret == xdpRedirect && bytes.Equal(dst, moved[:]) })
	w.noNeighbour()
	w.waitFor("no MAC", func() bool { ret, _ := send(); return ret == xdpPass })
	w.neighbour(peerIP)
	w.waitFor("the MAC again", func() bool { ret, dst := send(); return ret == xdpRedirect && bytes.Equal(dst, peer[:]) })
}

// neighbourAt says that the peer has that MAC, noNeighbour that it is not known.
func (w *world) neighbourAt(mac intent.MAC) {
	w.t.Helper()
	testnet.Neighbour(w.t, w.vtep, "u0", peerIP, mac[:])
}

func (w *world) noNeighbour() {
	w.t.Helper()
	testnet.Link(w.t, w.vtep, "u0", func(h *netlink.Handle, l netlink.Link) error {
		return h.NeighDel(&netlink.Neigh{LinkIndex: l.Attrs().Index, IP: peerIP.AsSlice()})
	})
}
