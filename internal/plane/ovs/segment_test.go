package ovs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
)

// TestSegmentFlows compares the flows of a switch with ports of segments with a text that a person has read.
func TestSegmentFlows(t *testing.T) {
	vtep := func(n byte) netip.Addr { return netip.AddrFrom4([4]byte{192, 0, 2, n}) }
	s := newSite()
	ls := s.lswitch(red)
	ls.active, ls.name, ls.vni, ls.overlay = true, "red", 5000, true
	ls.floods[intent.UnknownDst] = intent.FloodSet{{Peer: vtep(2), VNI: 5000}}
	for n := byte(2); n < 5; n++ {
		ls.decap[intent.Tunnel{Peer: vtep(n), VNI: 5000}] = true
	}
	ls.attached[intent.MAC{2, 5: 9}] = at("p0", 0)
	ls.attached[intent.MAC{2, 5: 8}] = at("p9", 0) // not there yet
	l := &logical{ls: ls, egress: 20, anyPeer: true, tunnels: []tunnelEnd{{tunnelPort{vni: 5000}, 20}}, members: []patch{
		{at: at("p0", 0), inner: 1}, {at: at("p1", 0), inner: 2, role: intent.NotDesignated}, {at: at("p2", 7), inner: 3, role: intent.Standby}, {at: at("p3", 0), inner: 4},
	}, segments: []intent.Segment{{vtep(2), vtep(3)}, {vtep(3)}, {vtep(2)}, {vtep(3), vtep(7), netip.MustParseAddr("2001:db8::3")}}}
	golden(t, "segment.txt", l.flows().String())
	golden(t, "standby.txt", (&physical{ports: map[string]uint32{"p2": 1}, bindings: []patch{
		{at: at("p2", 7), port: 1, outer: 11, strict: true, role: intent.Standby}, {at: at("p2", 0), port: 1, outer: 12, strict: true, role: intent.Standby},
	}}).flows().String())
}

// However many ports have a segment, there is a flow more for each VTEP at most, and two.
func TestSegmentsAreBounded(t *testing.T) {
	ls := newSite().lswitch(red)
	for n := range 50 { // these do not count
		ls.floods[intent.MAC{1, 5: byte(n)}] = intent.FloodSet{}
	}
	l := &logical{ls: ls, egress: 1}
	const vteps = 7
	for n := range 1000 {
		l.members = append(l.members, patch{at: at(fmt.Sprint("p", n), 0), inner: uint32(n + 2)})
		var seg intent.Segment
		for i := range byte(vteps) {
			if n>>i&1 != 0 || n == 0 {
				seg = append(seg, netip.AddrFrom4([4]byte{192, 0, 2, i}))
			}
		}
		l.segments = append(l.segments, seg)
	}
	count := func() (n int) {
		for k := range l.flows() {
			if k.table == tableCopies {
				n++
			}
		}
		return n
	}
	if n := count(); n != vteps+2 {
		t.Errorf("%d flows for %d VTEPs", n, vteps)
	}
	for i := range l.segments { // all have all: what one has sent nobody gets
		l.segments[i] = l.segments[0]
	}
	if n := count(); n != 3 {
		t.Errorf("%d flows for VTEPs that are all alike", n)
	}
	l.segments = nil
	if n := count(); n != 0 {
		t.Errorf("%d flows without segments", n)
	}
}

// While what bindings do for their segments changes, no other binding loses a frame, or gets one twice.
func TestSegmentsChangeWithoutLoss(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	s.Bindings[at("p1", 0)] = intent.Binding{Switch: red}
	w.apply(p, s, nil)
	w.settled(t)
	from := intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}
	stop := make(chan struct{})
	var sending sync.WaitGroup
	got, atP1 := map[string]int{}, 0
	copies := func(f planetest.Frame) (p0, p1, p2 int) {
		tagged := f
		tagged.Tags = []uint16{100}
		return got["p0 "+string(f.Bytes())], got["p1 "+string(f.Bytes())], got["p2 "+string(tagged.Bytes())]
	}
	collect := func() {
		for _, o := range w.collect(t) {
			got[o.Port+" "+string(o.Frame)]++
		}
	}
	var frames []planetest.Frame
	var arrived atomic.Int32
	sending.Go(func() { // one after the other: however slow the machine is, no queue is too short
		for {
			select {
			case <-stop:
				return
			case <-time.After(time.Millisecond):
			}
			f := frameFrom(0x21, all)
			if w.taps["r0"].TrySend(encapsulated(from, f.Bytes())) != nil {
				continue
			}
			frames = append(frames, f)
			for end := time.Now().Add(longest); ; time.Sleep(100 * time.Microsecond) {
				collect()
				if p0, _, p2 := copies(f); p0 > 0 && p2 > 0 {
					arrived.Add(1)
					break
				}
				if time.Now().After(end) {
					return
				}
			}
		}
	})
	end := sync.OnceFunc(func() {
		close(stop)
		sending.Wait()
	})
	defer end()
	change := func(role intent.Role, segment ...netip.Addr) {
		t.Helper()
		next := s.Clone()
		next.Bindings[at("p1", 0)] = intent.Binding{Switch: red, Role: role}
		delete(next.Segments, "p1")
		if len(segment) > 0 {
			next.Segments["p1"] = segment
		}
		w.apply(p, next, intent.Diff(s, next))
		s = next
		n := arrived.Load()
		testenv.Eventually(t, longest, func() error {
			if arrived.Load() < n+4 {
				return errors.New("no frames arrive")
			}
			return nil
		})
	}
	for range 5 {
		change(intent.NotDesignated, planetest.Peers[1])
		change(intent.Designated, planetest.Peers[0])
		change(intent.Standby, planetest.Peers[0])
		change(intent.Designated, planetest.Peers[1])
		change(intent.Designated)
	}
	end()
	w.forwarded(t)
	collect()
	for n, f := range frames {
		p0, p1, p2 := copies(f)
		if p0 != 1 || p2 != 1 || p1 > 1 {
			t.Errorf("frame %d of %d has come %d times at p0, %d at p1 and %d at p2", n, len(frames), p0, p1, p2)
		}
		atP1 += p1
	}
	if atP1 == 0 || atP1 == len(frames) {
		t.Errorf("of %d frames p1 has got %d", len(frames), atP1)
	}
}

// The next process finds which bindings nothing passes, and that is all that Open vSwitch tells it of roles. Without flows, or where
// they can't be read, that is all of them.
func TestAdoptsStandby(t *testing.T) {
	w := newWorld(t)
	first := w.newPlane(t)
	s := twoTenants()
	s.Bindings[at("p0", 0)] = intent.Binding{Switch: red, Role: intent.Standby}
	s.Bindings[at("p2", 100)] = intent.Binding{Switch: red, Role: intent.Standby}
	w.apply(first, s, nil)
	w.send(t, "h0", frameFrom(1, all).Bytes())
	testenv.Eventually(t, longest, func() error {
		drops, err := first.DropsByPlace(context.Background())
		if err != nil {
			return err
		}
		for _, d := range drops {
			if d == (plane.PlaceDrops{Reason: "not_designated", Port: "p0", Count: 1}) {
				return nil
			}
		}
		return fmt.Errorf("drops %v", drops)
	})
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	adopted := func(want map[intent.BindingKey]intent.Binding) {
		t.Helper()
		left, err := w.newPlane(t).Adopted(t.Context(), false)
		if err != nil || left == nil {
			t.Fatal(left, err)
		}
		if !maps.Equal(left.Bindings, want) {
			t.Errorf("adopted bindings are %v, want %v", left.Bindings, want)
		}
	}
	adopted(s.Bindings)
	w.Ofctl(t, "del-flows", "br0") // as after a restart of ovs-vswitchd
	none := maps.Clone(s.Bindings)
	for k, b := range none {
		b.Role = intent.Standby
		none[k] = b
	}
	adopted(none)
	w.KillDaemon(t)
	adopted(none)
	w.StartDaemon(t)
}
