package test

import (
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

// peer3 and peer4 are two more addresses of r1: peers of which only the wire is looked at.
var (
	peer3 = netip.MustParseAddr("10.2.2.3")
	peer4 = netip.MustParseAddr("10.2.2.4")
)

func (w *world) morePeers() {
	w.t.Helper()
	for _, ip := range []netip.Addr{peer3, peer4} {
		w.address(lab.R1, "u0", ip.String()+"/24")
	}
}

// repeat sends a frame every few milliseconds until stop, or the end of the test: its tap is closed
// then, and the next test may get the number of its socket.
func (w *world) repeat(tp *testnet.Tap, f []byte) (stop func()) {
	end := make(chan struct{})
	var done sync.WaitGroup
	done.Go(func() {
		for tick := time.NewTicker(5 * time.Millisecond); ; {
			select {
			case <-tick.C:
				_ = tp.TrySend(f)
			case <-end:
				tick.Stop()
				return
			}
		}
	})
	stop = sync.OnceFunc(func() { close(end); done.Wait() })
	w.t.Cleanup(stop)
	return stop
}

// TestVNIChange gives a live switch another VNI: both directions follow, the old one is dead.
func TestVNIChange(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	const vni = 6000
	w.ctl(fmt.Sprintf("set Logical_Switch ls0 tunnel_key=%d", vni))
	w.floods(vni, lab.RemoteIP)
	f := frame(lab.Host3.MAC, lab.Host1.MAC, "known unicast")
	stop := w.repeat(w.h1(), f)
	w.underlay().Until("a frame under the new VNI", func(b []byte) bool {
		d, _ := testnet.ParseOuter(b)
		return d.VNI == vni
	})
	w.expectTunnelled(lab.RemoteIP, vni, f)
	stop()

	w.fromPeer(lab.RemoteIP, lab.VNIUntagged, frame(broadcast, lab.Host3.MAC, "under the old VNI"))
	marker := frame(broadcast, lab.Host3.MAC, "under the new VNI")
	w.fromPeer(lab.RemoteIP, vni, marker)
	if count(w.h1().Expect(marker), "under the old VNI") > 0 {
		t.Error("a frame under the old VNI came in")
	}
	w.ctl(fmt.Sprintf("set Logical_Switch ls0 tunnel_key=%d", lab.VNIUntagged))
	w.reach(lab.Host1, lab.Host3)
}

// TestNoVNI takes the VNI away, as OVN does when it ends: hosts of the box still reach each
// other, nothing goes into or comes out of a tunnel.
func TestNoVNI(t *testing.T) {
	for _, key := range []string{"[]", "0"} {
		t.Run("tunnel_key="+key, func(t *testing.T) {
			w := newWorld(t)
			w.basic()
			w.reach(lab.Host1, lab.Host3)
			traffic := w.startPing(lab.H1, lab.Host2)
			w.ctl("set Logical_Switch ls0 tunnel_key=" + key)
			w.floods(lab.VNIUntagged)
			w.fromPeer(lab.RemoteIP, lab.VNIUntagged, frame(broadcast, lab.Host3.MAC, "from the overlay"))
			marker := frame(broadcast, lab.Host1.MAC, "local")
			w.h1().Send(marker)
			if count(w.h2().Expect(marker), "from the overlay") > 0 {
				t.Error("a frame came in from the overlay")
			}
			traffic()
			w.ctl(fmt.Sprintf("set Logical_Switch ls0 tunnel_key=%d", lab.VNIUntagged))
			w.reach(lab.Host1, lab.Host3)
		})
	}
}

// TestUnicastMoves moves a remote MAC to another peer in one commit, as OVN does: delete and
// insert; and then away, so that it is flooded.
func TestUnicastMoves(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	mac := station(0x81)
	send := func(peer netip.Addr) {
		t.Helper()
		end := time.Now().Add(patience)
		for n := 0; ; n++ {
			payload := fmt.Sprintf("to %v, try %d.", peer, n)
			f := frame(mac, lab.Host1.MAC, payload)
			w.h1().Send(f)
			_, b := w.underlay().Until("the frame in a tunnel", says(payload))
			if d, _ := testnet.ParseOuter(b); d.Dst == peer {
				w.underlay().Drain()
				return
			}
			if time.Now().After(end) {
				t.Fatalf("frames to %v do not go to %v", mac, peer)
			}
		}
	}
	w.ctl(fmt.Sprintf("add-ucast-remote ls0 %v %v", mac, peer3))
	send(peer3)
	w.ctl(fmt.Sprintf(`
		del-ucast-remote ls0 %v
		add-ucast-remote ls0 %[1]v %v`, mac, peer4))
	send(peer4)
	w.ctl(fmt.Sprintf("del-ucast-remote ls0 %v", mac))
	send(lab.RemoteIP) // unknown now
}

// TestSplitHorizon sends, from a peer, frames to a MAC behind another one, and broadcasts:
// nothing goes back into any tunnel. And a source that is no peer is not heard.
func TestSplitHorizon(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	w.ctl(fmt.Sprintf(`
		set-replication-mode ls0 source_node
		add-mcast-remote ls0 unknown-dst %v
		add-ucast-remote ls0 %v %[1]v`, peer3, station(0x83)))
	w.floods(lab.VNIUntagged, lab.RemoteIP, peer3)
	w.fromPeer(peer3, lab.VNIUntagged, frame(lab.Host3.MAC, station(0x83), "reflected?"))
	w.fromPeer(lab.RemoteIP, lab.VNIUntagged, frame(station(0x83), lab.Host3.MAC, "reflected?"))
	w.fromPeer(peer3, lab.VNIUntagged, frame(broadcast, station(0x83), "reflected?"))
	w.fromPeer(peer4, lab.VNIUntagged, frame(broadcast, station(0x84), "a stranger"))
	w.fromPeer(lab.RemoteIP, lab.VNITagged, frame(broadcast, station(0x84), "a stranger's VNI"))
	marker := frame(broadcast, station(0x83), "marker")
	w.fromPeer(peer3, lab.VNIUntagged, marker)
	before := w.h1().Expect(marker)
	if n := count(before, "reflected?"); n != 1 {
		t.Errorf("h1 got %d frames, want the broadcast alone", n)
	}
	if count(before, "a stranger") > 0 {
		t.Error("h1 got a frame from a source that is no peer of the network")
	}
	f := frame(broadcast, lab.Host1.MAC, "marker")
	w.h1().Send(f)
	if _, before := w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f); count(before, "reflected?") > 0 {
		t.Error("a frame from a peer went into a tunnel")
	}
	// No MAC is learned from a tunnel.
	w.learned("ls0", lab.Host1.MAC.String())
}

// TestMoveBinding moves a (port, VLAN) from one network to another, in one commit: no frame
// of the one is ever seen in the other.
func TestMoveBinding(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.ctl(fmt.Sprintf(`
		add-ls ls1
		set Logical_Switch ls1 tunnel_key=%d
		add-mcast-remote ls1 unknown-dst %v`, lab.VNITagged, lab.RemoteIP))
	mac := station(0x85)
	w.h2().Send(frame(broadcast, mac, "hello"))
	w.learned("ls0", mac.String())
	w.h1().Drain()

	// Frames of ls0 from the peer and from h1, to all and to the MAC that will be gone. After
	// "moved" is known none of them may come to h2.
	stops := []func(){
		w.repeat(w.h3(), frame(broadcast, lab.Host3.MAC, "in ls0, to all")),
		w.repeat(w.h1(), frame(mac, lab.Host1.MAC, "in ls0, to h2")),
		w.repeat(w.h4(), frame(broadcast, lab.Host4.MAC, "in ls1, to all")),
	}
	w.h2().Until("a frame in ls0", says("in ls0, to h2"))
	w.ctl(fmt.Sprintf("unbind-ls %s p1 0 -- bind-ls %[1]s p1 0 ls1", w.name))
	w.h2().Until("a frame in ls1", says("in ls1"))
	marker := frame(broadcast, lab.Host4.MAC, "marker 1")
	w.h4().Send(marker)
	// One frame may have been on its way at the change; from the first of ls1 on, none.
	if before := w.h2().Expect(marker); count(before, "in ls0") > 0 {
		t.Errorf("after the first frame of ls1, %d of ls0 came to h2", count(before, "in ls0"))
	}
	for _, stop := range stops {
		stop()
	}
	if before := sendThrough(w.h3(), w.h1(), frame(broadcast, lab.Host3.MAC, "marker 2")); count(before, "in ls1") > 0 {
		t.Error("frames of ls1 came to h1, which is in ls0")
	}
	w.learned("ls0", lab.Host1.MAC.String())

	// What h2 sends is in ls1 alone.
	w.h2().Send(frame(broadcast, mac, "from h2"))
	w.learned("ls1", mac.String())
	w.h4().Until("the broadcast of h2", says("from h2"))
	if before := sendThrough(w.h3(), w.h1(), frame(broadcast, lab.Host3.MAC, "marker 3")); count(before, "from h2") > 0 {
		t.Error("a frame of ls1 came to h1, which is in ls0")
	}
}

// sendThrough sends a frame and waits for it at another tap. It returns what came before.
func sendThrough(from, to *testnet.Tap, f []byte) (before [][]byte) {
	from.Send(f)
	return to.Expect(f)
}

// TestManyVLANs binds several VLANs of one port to one network: they reach each other through
// that port, each with its own tag.
func TestManyVLANs(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	w.ctl(fmt.Sprintf(`
		add-ls ls0
		bind-ls %s p0 0 ls0
		bind-ls %[1]s p1 10 ls0
		bind-ls %[1]s p1 20 ls0
		bind-ls %[1]s p1 4094 ls0`, w.name))
	f := frame(broadcast, lab.Host1.MAC, "to all VLANs")
	stop := w.repeat(w.h1(), f)
	tag := func(b []byte, vlan uint16) []byte {
		return append(append(append([]byte{}, b[:12]...), 0x81, 0, byte(vlan>>8), byte(vlan)), b[12:]...)
	}
	for _, vlan := range []uint16{10, 20, 4094} {
		w.h2().Expect(tag(f, vlan))
	}
	stop()
	mac := station(0x86)
	f = frame(broadcast, mac, "from VLAN 10", 10)
	w.h2().Send(f)
	w.h1().Expect(untagged(f))
	w.h2().Expect(tag(untagged(f), 20))
	w.learned("ls0", lab.Host1.MAC.String(), mac.String())

	// Known now, in VLAN 10 alone.
	inner := frame(mac, lab.Host1.MAC, "to VLAN 10")
	w.h1().Send(inner)
	w.h2().Expect(tag(inner, 10))
	marker := frame(broadcast, lab.Host1.MAC, "marker")
	w.h1().Send(marker)
	if n := count(w.h2().Expect(tag(marker, 4094)), "to VLAN 10"); n != 0 {
		t.Errorf("h2 got %d more copies of a frame that was for VLAN 10", n)
	}
}
