package test

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

// shortly is how long copies of a frame may take that has arrived elsewhere. If one takes
// longer, the test tries again.
const shortly = 50 * time.Millisecond

// floods waits until a broadcast of h1 goes out to exactly these peers, once to each, under
// the VNI.
func (w *world) floods(vni uint32, peers ...netip.Addr) {
	w.t.Helper()
	h1, u := w.h1(), w.underlay()
	end := time.Now().Add(patience)
	for n := 0; ; n++ {
		payload := fmt.Sprintf("flood %p %d.", w.t, n)
		f := frame(broadcast, lab.Host1.MAC, payload)
		h1.Send(f)
		w.h2().Expect(f)
		got := map[netip.Addr]int{}
		for _, b := range u.Within(shortly) {
			if d, ok := testnet.ParseOuter(b); ok && d.VNI == vni && says(payload)(d.Inner) {
				got[d.Dst]++
			}
		}
		ok := len(got) == len(peers)
		for _, p := range peers {
			ok = ok && got[p] == 1
		}
		if ok {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("a broadcast went to %v under VNI %d, want one copy to each of %v", got, vni, peers)
		}
	}
}

// TestReplicationMode flips the mode of a live switch: one copy, or one to each peer.
func TestReplicationMode(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	w.ctl(fmt.Sprintf(`
		set-replication-mode ls0 source_node
		add-mcast-remote ls0 unknown-dst %v
		add-mcast-remote ls0 unknown-dst %v`, peer3, peer4))
	w.floods(lab.VNIUntagged, lab.RemoteIP, peer3, peer4)

	traffic := w.startPing(lab.H1, lab.Host3)
	w.ctl("set-replication-mode ls0 service_node")
	w.oneCopy()
	w.ctl("set-replication-mode ls0 source_node")
	w.floods(lab.VNIUntagged, lab.RemoteIP, peer3, peer4)
	w.ctl("clear Logical_Switch ls0 replication_mode") // means service_node
	w.oneCopy()
	traffic()
}

// oneCopy waits until a broadcast goes to one peer, whichever.
func (w *world) oneCopy() {
	w.t.Helper()
	h1, u := w.h1(), w.underlay()
	end := time.Now().Add(patience)
	for n := 0; ; n++ {
		payload := fmt.Sprintf("one copy %d.", n)
		f := frame(broadcast, lab.Host1.MAC, payload)
		h1.Send(f)
		w.h2().Expect(f)
		copies := 0
		for _, b := range u.Within(shortly) {
			if d, ok := testnet.ParseOuter(b); ok && says(payload)(d.Inner) {
				copies++
			}
		}
		if copies == 1 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("%d copies of a broadcast, want one", copies)
		}
	}
}

// startPing pings as fast as 200 times in a second; the result ends it, and wants all replies.
func (w *world) startPing(from lab.Node, to lab.Station) (stop func()) {
	w.t.Helper()
	p, err := w.lab.StartPing(from, to.IP.Addr(), 5*time.Millisecond)
	if err != nil {
		w.t.Fatal(err)
	}
	stop = sync.OnceFunc(func() {
		w.t.Helper()
		if r := p.Stop(); r.Lost() > 0 {
			w.t.Errorf("%s -> %s: %d of %d packets lost, longest silence %v", from, to.Node, r.Lost(), r.Sent, r.Gap)
		}
	})
	w.t.Cleanup(stop)
	return stop
}

// TestFloodSetChange changes the members of a flood set while broadcasts go to it: the member
// that stays loses none.
func TestFloodSetChange(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	w.ctl("set-replication-mode ls0 source_node")
	w.reach(lab.Host1, lab.Host3)
	w.floods(lab.VNIUntagged, lab.RemoteIP)

	// Numbered broadcasts, while the set changes back and forth.
	end := make(chan struct{})
	var sender sync.WaitGroup
	sent := 0
	h1 := w.h1()
	sender.Go(func() {
		tick := time.NewTicker(2 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				if h1.TrySend(frame(broadcast, lab.Host1.MAC, numbered(sent))) == nil {
					sent++
				}
			case <-end:
				return
			}
		}
	})
	// A Tunnel row comes when its peer is in force, and stays for a while when it is not any more.
	for range 10 {
		w.ctl(fmt.Sprintf("add-mcast-remote ls0 unknown-dst %v", peer3))
		w.tunnel(peer3.String())
		w.ctl(fmt.Sprintf("add-mcast-remote ls0 unknown-dst %v -- del-mcast-remote ls0 unknown-dst %v", peer4, peer3))
		w.tunnel(peer4.String())
		w.ctl(fmt.Sprintf("del-mcast-remote ls0 unknown-dst %v", peer4))
	}
	close(end)
	sender.Wait()

	marker := frame(broadcast, lab.Host1.MAC, "marker")
	h1.Send(marker)
	_, frames := w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, marker)
	times := make([]int, sent)
	others := map[netip.Addr]int{}
	for _, b := range frames {
		d, ok := testnet.ParseOuter(b)
		if !ok {
			continue
		}
		if n, ok := number(d.Inner); ok && d.Dst == lab.RemoteIP {
			times[n]++
		} else if ok {
			others[d.Dst]++
		}
	}
	bad := 0
	for _, n := range times {
		if n != 1 {
			bad++
		}
	}
	if bad > 0 {
		t.Errorf("%d of %d broadcasts did not reach the lasting member exactly once", bad, sent)
	}
	if others[peer3] == 0 || others[peer4] == 0 {
		t.Errorf("the members for a time got %v broadcasts: the test shows nothing", others)
	}
}

// numbered is the payload of a frame with a number, and number reads it.
func numbered(n int) string {
	return string(binary.BigEndian.AppendUint32([]byte("numbered"), uint32(n)))
}

func number(b []byte) (int, bool) {
	if len(b) < 26 || string(b[14:22]) != "numbered" {
		return 0, false
	}
	return int(binary.BigEndian.Uint32(b[22:])), true
}
