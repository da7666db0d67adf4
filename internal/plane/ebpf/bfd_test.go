package ebpf

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/testenv"
)

// Packets of BFD have the priority in tunnels that others with their TOS have, without a new session.
func TestBFDPriority(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	s := withBFD(usualBFD())
	h := w.bfdHand(peerIP, time.Second)
	w.apply(p, s, nil)
	h.until(p, isUp)
	flaps := h.status().Flaps
	for _, c := range []struct {
		dscp intent.Priority
		tos  uint8
	}{{intent.Priority{From: intent.Inner}, 0xc0}, {intent.Priority{Value: 34}, 34 << 2}, {intent.Priority{From: intent.Outer}, 0}} {
		next := s.Clone()
		next.TunnelDSCP = c.dscp
		w.apply(p, next, intent.Diff(s, next))
		s = next
		testenv.Eventually(t, patience, func() error {
			all := h.got()
			if len(all) == 0 || all[len(all)-1].outer.TOS != c.tos {
				return fmt.Errorf("with the DSCP %v: got %+v", c.dscp, all)
			}
			return nil
		})
	}
	if st := h.status(); st.State != bfd.Up || st.Flaps != flaps {
		t.Errorf("the session is another: %+v", st)
	}
}

// A session from its begin to its end: what is on the wire, what is said of it, and that none of
// it comes to hosts.
func TestBFD(t *testing.T) { bfdFamilies(t, testBFD) }

func testBFD(t *testing.T, w *world, peerIP, _ netip.Addr) {
	p := w.plane(Options{})
	fast := usualBFD()
	fast.MinRx = 500 // it hears nothing for three times that before it says so: the other end may have to wait for a processor
	s := withBFDOf(peerIP, fast)
	source := s.Source(peerIP)
	h := w.bfdHand(peerIP, time.Second)
	w.apply(p, s, nil)
	h.until(p, isUp)
	early := w.drops(p) // of before there was a session
	lastTold(t, p, peerIP, p.watchman.states()[peerIP])
	w.audit(p)

	h.got()
	testenv.Eventually(t, patience, func() error {
		if st := h.status(); st.State != bfd.Up || st.Polling {
			return fmt.Errorf("the other end is %+v", st)
		}
		return nil
	})
	for n := 0; n < 3; n++ {
		var one heardBFD
		testenv.Eventually(t, patience, func() error {
			all := h.got()
			if len(all) == 0 {
				return fmt.Errorf("no packet")
			}
			one = all[len(all)-1]
			return nil
		})
		o := one.outer
		if o.Src != source || o.TTL != 64 || !o.DF || o.TOS != 0 || (o.Sum == 0) == peerIP.Is6() || o.SrcPort < 49152 || o.Flags != 8 || o.VNI != 0 || !o.SumOK {
			t.Errorf("outer headers %+v", o)
		}
		in := o.Inner
		if !bytes.Equal(in[:6], []byte{0, 0x23, 0x20, 0, 0, 1}) || in[6]&3 != 2 || in[15] != 0xc0 || in[22] != 255 ||
			!bytes.Equal(in[26:34], []byte{169, 254, 1, 0, 169, 254, 1, 1}) || in[34] < 0xc0 || len(in) != 66 || in[39] != 32 {
			t.Errorf("inner headers % x", in[:42])
		}
		if !bytes.Equal(sumHeader(append(make([]byte, 8), in[:42]...))[8:], in[:42]) {
			t.Errorf("the checksum of % x is wrong", in[14:34])
		}
		pseudo := append(append([]byte{}, in[26:34]...), 0, 17, in[38], in[39])
		if internetSum(append(pseudo, in[34:]...), 0) != 0 {
			t.Errorf("the checksum of % x is wrong", in[34:])
		}
		if one.Mult != 3 || one.MinRx != 500*time.Millisecond || one.Your != 4711 {
			t.Errorf("it says %+v", one.Packet)
		}
	}
	if d := w.drops(p); d["bfd"]+d["unknown_tunnel"] != early["bfd"]+early["unknown_tunnel"] {
		t.Errorf("drops: %v, were %v", d, early)
	}

	// With a UDP checksum or without one: either is taken.
	for _, right := range []bool{false, true} {
		h.sums(right)
		began := monotonic()
		testenv.Eventually(t, patience, func() error {
			p.watchman.work.Lock()
			defer p.watchman.work.Unlock()
			at := p.watchman.peers[peerIP]
			var heard layout.BFDTraffic
			if err := p.objs.BfdHeard.Lookup(at.number, &heard); err != nil || time.Duration(heard.At) < began {
				return fmt.Errorf("checksums %v: heard %+v, %v", right, heard, err)
			}
			return nil
		})
	}

	h.set(func() { h.silent = true })
	h.until(p, func(s plane.PeerState) bool { return s.State == "down" })
	if st := p.watchman.states()[peerIP]; st.Diagnostic != "Control Detection Time Expired" || st.Forwarding || st.RemoteState != "down" {
		t.Errorf("says %+v", st)
	}
	h.set(func() { h.silent = false })
	h.until(p, isUp)

	// The end: the peer is told, and nothing stays.
	h.got()
	s.BFD = nil
	w.apply(p, s, &intent.Delta{BFD: []intent.Change[netip.Addr, intent.BFD]{{Key: peerIP, Old: &fast}}})
	lastTold(t, p, peerIP, plane.PeerState{})
	testenv.Eventually(t, patience, func() error {
		if st := h.status(); st.Diag != bfd.NeighborDown {
			return fmt.Errorf("the other end is %+v", st)
		}
		return nil
	})
	if n := len(contentsOf[uint32, layout.BFDSession](t, p.objs.BfdSessions)) + len(contentsOf[uint32, layout.BFDTraffic](t, p.objs.BfdHeard)); n != 0 {
		t.Errorf("%d elements stay", n)
	}
	w.audit(p)
	for _, dev := range []string{"h0", "h1"} {
		for b := w.taps[dev].Read(); b != nil; b = w.taps[dev].Read() {
			if bytes.HasPrefix(b, []byte{0, 0x23, 0x20, 0, 0, 1}) {
				t.Errorf("%s got % x", dev, b)
			}
		}
	}
}

func contentsOf[K comparable, V any](t testing.TB, m *ebpf.Map) map[K]V {
	t.Helper()
	all := map[K]V{}
	if err := kernel.Scan(m, func(k K, v V) { all[k] = v }); err != nil {
		t.Fatal(err)
	}
	return all
}

// A restart: the peer does not notice. Also one from another tunnel IP does not.
func TestBFDRestart(t *testing.T) { bfdFamilies(t, testBFDRestart) }

func testBFDRestart(t *testing.T, w *world, peerIP, _ netip.Addr) {
	p := w.plane(Options{})
	s := withBFDOf(peerIP, usualBFD())
	h := w.bfdHand(peerIP, 20*time.Second) // however slow the machine is
	w.apply(p, s, nil)
	h.until(p, isUp)
	before := h.status()
	h.got()
	for range 3 {
		if err := p.Close(); err != nil {
			t.Fatal(err)
		}
		p = w.plane(Options{})
		if !isUp(p.watchman.states()[peerIP]) {
			t.Fatalf("after a restart it says %+v", p.watchman.states()[peerIP])
		}
		// Before anything is known of the database it goes on.
		testenv.Eventually(t, patience, func() error {
			if len(h.got()) == 0 {
				return fmt.Errorf("no packet after the restart")
			}
			return nil
		})
		r, err := p.Apply(t.Context(), s, nil)
		if err != nil || !isUp(r.BFD[peerIP]) {
			t.Fatalf("after a restart it reports %+v, %v", r.BFD, err)
		}
		w.audit(p)
	}
	if got := states(h.got()); len(got) > 1 || len(got) == 1 && got[0] != bfd.Up {
		t.Errorf("the peer has heard %v", got)
	}
	after := h.status()
	if after.State != bfd.Up || after.Flaps != 0 || after.Peer.Discriminator != before.Peer.Discriminator {
		t.Errorf("the peer was %+v, is %+v", before, after)
	}

	// For longer than the peer's patience it is another matter.
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	h.set(func() {
		saved := h.s.Save()
		saved.Rx = 50 * time.Millisecond
		h.s = bfd.Restore(monotonic(), bfd.Config{MinTx: 100 * time.Millisecond, MinRx: saved.Rx, Mult: 3}, saved, monotonic(), rand.New(rand.NewPCG(2, 2)))
	})
	testenv.Eventually(t, patience, func() error {
		if st := h.status(); st.Diag != bfd.TimeExpired {
			return fmt.Errorf("the peer is %+v", st)
		}
		return nil
	})
	p = w.plane(Options{})
	w.apply(p, s, nil)
	h.until(p, isUp)

	// An end for good is told. The peer soon forgets who has said so.
	h.got()
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	var last []bfd.State
	testenv.Eventually(t, patience, func() error {
		if last = append(last, states(h.got())...); !slices.Contains(last, bfd.AdminDown) {
			return fmt.Errorf("the peer has heard %v, and is %+v", last, h.status())
		}
		return nil
	})
}

// With bfd_vni=auto packets go out with the VNI that they come with, as Open vSwitch wants it on
// ports with a key. Without it they have VNI 0, and those of others are taken all the same; with
// check_tnl_key they are not.
func TestBFDInVNI(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	b := usualBFD()
	s := withBFD(b)
	h := w.bfdHand(peerIP, 3*time.Second)
	h.set(func() { h.vni = 10 })
	change := func(edit func(*intent.BFD)) {
		t.Helper()
		old := s.BFD[peerIP]
		now := old
		edit(&now)
		s.BFD[peerIP] = now
		w.apply(p, s, &intent.Delta{BFD: []intent.Change[netip.Addr, intent.BFD]{{Key: peerIP, Old: &old, New: &now}}})
	}
	sends := func(vni uint32) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if got := h.got(); len(got) == 0 || got[len(got)-1].outer.VNI != vni {
				return fmt.Errorf("%d packets, not in VNI %d", len(got), vni)
			}
			return nil
		})
	}
	w.apply(p, s, nil)
	h.until(p, isUp)
	sends(0)
	change(func(b *intent.BFD) { b.AnswerVNI = true })
	h.set(func() { h.vni = 0 })
	sends(0)
	h.set(func() { h.vni = 10 })
	sends(10)
	w.audit(p)
	change(func(b *intent.BFD) { b.CheckKey = true })
	sends(0)
	testenv.Eventually(t, patience, func() error {
		if w.drops(p)["bfd"] == 0 {
			return fmt.Errorf("none is refused")
		}
		return nil
	})
	h.set(func() { h.vni = 0 })
	h.until(p, isUp)

	// A VNI of no switch is nobody's.
	h.set(func() { h.vni = 99 })
	testenv.Eventually(t, patience, func() error {
		if w.drops(p)["unknown_tunnel"] == 0 {
			return fmt.Errorf("none is dropped")
		}
		return nil
	})
}

// Hosts may run BFD of their own.
func TestBFDOfHosts(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, withBFD(usualBFD()), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	w.barrier()
	h := &bfdHand{w: w}
	control := h.packet(bfd.Packet{State: bfd.Down, Mult: 3, My: 5, MinTx: time.Second, MinRx: time.Second})[8:]
	copy(control, macA[:])
	copy(control[6:], macR[:])
	copy(control[26:], []byte{10, 0, 0, 2, 10, 0, 0, 1})
	control = sumHeader(append(make([]byte, 8), control...))[8:]
	w.send("vx10", control)
	w.expect("h0", control)
	copy(control, macB[:]) // to a host that is not known
	w.send("vx10", control)
	w.expect("h1", control)
}

// Data counts as a sign of life with forwarding_if_rx: by the long way and by the short one.
func TestBFDForwardingIfRx(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	b := usualBFD()
	b.MinRx, b.ForwardingIfRx = 100, true
	h := w.bfdHand(peerIP, time.Second)
	w.apply(p, withBFD(b), nil)
	w.send("h0", frame(bcast, macA, "here is A"))
	h.until(p, isUp)
	h.set(func() { h.silent = true })
	h.until(p, func(s plane.PeerState) bool { return s.State == "down" && !s.Forwarding })
	for _, data := range [][]byte{frame(bcast, macR, "long way"), ipFrame(macA, macR, 100)} {
		testenv.Eventually(t, patience, func() error {
			w.send("vx10", data)
			if s := p.watchman.states()[peerIP]; s.State != "down" || !s.Forwarding {
				return fmt.Errorf("it says %+v", s)
			}
			return nil
		})
		h.until(p, func(s plane.PeerState) bool { return !s.Forwarding })
	}
}

// A version with fewer reasons to drop frames has left a smaller map.
func TestFewerDropReasons(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, basic(), nil)
	spec, err := loadVtep()
	if err != nil {
		t.Fatal(err)
	}
	old := spec.Maps["drops"].Copy()
	old.MaxEntries, old.Pinning = 16, ebpf.PinNone
	m, err := ebpf.NewMap(old)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	cpus := make([]uint64, ebpf.MustPossibleCPU())
	cpus[0] = 7
	if err := m.Put(uint32(1), cpus); err != nil {
		t.Fatal(err)
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	pin := filepath.Join(p.pins.Maps(), "drops")
	if err := os.Remove(pin); err != nil {
		t.Fatal(err)
	}
	if err := m.Pin(pin); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	w.apply(p, basic(), nil)
	d := w.drops(p)
	if _, ok := d["bfd_rate"]; !ok || d[dropReasons[1]] != 7 {
		t.Errorf("drops are %v", d)
	}
	w.audit(p)
}
