package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// ovsEnd is a port of Open vSwitch in the far namespace, at the other end of a session.
type ovsEnd struct {
	w *world
	v *testenv.VSwitch
	p *Plane
	s *intent.State

	peer netip.Addr // its tunnel IP
}

func (w *world) ovsEnd(p *Plane, peer netip.Addr) *ovsEnd {
	w.t.Helper()
	w.removeLink(w.far, "vx10") // it has the UDP port
	e := &ovsEnd{w: w, v: testenv.NewVSwitch(w.t, w.far), p: p, s: withBFDOf(peer, usualBFD()), peer: peer}
	w.links(w.far, func(h *netlink.Handle) error {
		l, err := h.LinkByName("r0")
		if err != nil {
			return err
		}
		addrs, err := h.AddrList(l, netlink.FAMILY_ALL)
		for i := range addrs {
			if err := h.AddrDel(l, &addrs[i]); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) { // it went with the first
				return err
			}
		}
		return err
	})
	e.v.Vsctl(w.t, "add-br", "phy", "--", "set", "Bridge", "phy", "datapath_type=netdev", "--", "add-port", "phy", "r0")
	length := "/24"
	if peer.Is6() {
		length = "/64"
		w.useIPv6(w.far, "phy")
	}
	w.address(w.far, "phy", peer.String()+length)
	testnet.Up(w.t, w.far, "phy")
	e.v.Vsctl(w.t, "add-br", "int", "--", "set", "Bridge", "int", "datapath_type=netdev",
		"--", "add-port", "int", "vx", "--", "set", "Interface", "vx", "type=vxlan", "options:remote_ip="+e.s.Source(peer).String())
	return e
}

// set changes keys of the port's column bfd.
func (e *ovsEnd) set(pairs ...string) {
	e.w.t.Helper()
	for i := range pairs {
		pairs[i] = "bfd:" + pairs[i]
	}
	e.v.Vsctl(e.w.t, append([]string{"set", "Interface", "vx"}, pairs...)...)
}

// ours changes our session.
func (e *ovsEnd) ours(edit func(*intent.BFD)) {
	e.w.t.Helper()
	old := e.s.BFD[e.peer]
	now := old
	edit(&now)
	e.s.BFD[e.peer] = now
	e.w.apply(e.p, e.s, &intent.Delta{BFD: []intent.Change[netip.Addr, intent.BFD]{{Key: e.peer, Old: &old, New: &now}}})
}

// says waits until Open vSwitch says all of that of the session, in bfd/show.
func (e *ovsEnd) says(what string, lines ...string) {
	e.w.t.Helper()
	testenv.Eventually(e.w.t, patience, func() error {
		text := e.v.Appctl(e.w.t, "bfd/show", "vx")
		said := strings.Split(text, "\n")
		for i := range said {
			said[i] = strings.TrimSpace(said[i])
		}
		for _, line := range lines {
			if !slices.Contains(said, line) {
				return fmt.Errorf("%s: Open vSwitch does not say %q:\n%s", what, line, text)
			}
		}
		return nil
	})
}

// weSay waits until our session is as it should be.
func (e *ovsEnd) weSay(what string, right func(bfd.Status) bool) {
	e.w.t.Helper()
	testenv.Eventually(e.w.t, patience, func() error {
		e.p.watchman.work.Lock()
		defer e.p.watchman.work.Unlock()
		session := e.p.watchman.set.Get(e.peer)
		if session == nil {
			return fmt.Errorf("%s: there is no session yet", what)
		}
		if st := session.Status(monotonic()); !right(st) {
			return fmt.Errorf("%s: our session is %+v", what, st)
		}
		return nil
	})
}

func up(st bfd.Status) bool {
	return st.State == bfd.Up && st.Peer.State == bfd.Up && st.Forwarding && !st.Polling
}

func down(st bfd.Status) bool { return st.State != bfd.Up && !st.Forwarding }

func (e *ovsEnd) bothUp(what string) {
	e.w.t.Helper()
	e.weSay(what, up)
	e.says(what, "Local Session State: up", "Remote Session State: up", "Forwarding: true")
}

// TestBFDWithOpenVSwitchIPv6 has the real one at the other end of a tunnel of IPv6: what differs there, with
// and without UDP checksums, and restarts.
func TestBFDWithOpenVSwitchIPv6(t *testing.T) {
	w := newWorld(t)
	w.underlay6()
	w.plain(w.vtep, "u0") // no NIC would fill in the checksums that Open vSwitch looks at
	p := w.plane(Options{})
	e := w.ovsEnd(p, peerIP6)
	w.apply(p, e.s, nil)
	e.set("enable=true", "min_rx=3000", "min_tx=300")
	e.bothUp("enable")
	for _, sums := range []string{"true", "false"} {
		e.v.Vsctl(t, "set", "Interface", "vx", "options:csum="+sums)
		marked := monotonic()
		e.weSay("csum="+sums, func(st bfd.Status) bool { return up(st) && st.Heard > marked && st.Sent > marked })
	}
	e.ours(func(b *intent.BFD) { b.CPathDown = true })
	e.says("cpath_down of ours", "Remote Diagnostic: Concatenated Path Down", "Forwarding: false", "Local Session State: up")
	// Its database has what it says some time later, and all at once: what is not forwarded, and is, counts as a flap.
	written := func(forwarding string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if got := e.v.Vsctl(t, "get", "Interface", "vx", "bfd_status:forwarding"); !strings.Contains(got, forwarding) {
				return fmt.Errorf("its database says that forwarding is %s", got)
			}
			return nil
		})
	}
	written("false")
	e.ours(func(b *intent.BFD) { b.CPathDown = false })
	e.bothUp("no cpath_down of ours")
	written("true")

	// Our restart is not noticed, theirs is.
	flaps := e.v.Vsctl(t, "get", "Interface", "vx", "bfd_status:flap_count")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	e.p = p
	w.apply(p, e.s, nil)
	marked := monotonic()
	e.weSay("after our restart", func(st bfd.Status) bool { return up(st) && st.Heard > marked })
	e.bothUp("after our restart")
	if now := e.v.Vsctl(t, "get", "Interface", "vx", "bfd_status:flap_count"); now != flaps {
		t.Errorf("flap_count was %s, is %s", flaps, now)
	}
	e.v.KillDaemon(t)
	e.weSay("Open vSwitch is dead", func(st bfd.Status) bool { return down(st) && st.Diag == bfd.TimeExpired })
	e.v.StartDaemon(t)
	e.bothUp("Open vSwitch is back")

	e.v.Vsctl(t, "set", "Interface", "vx", "options:key=10")
	e.says("a key without bfd_vni", "Local Session State: down")
	e.ours(func(b *intent.BFD) { b.AnswerVNI = true })
	e.bothUp("bfd_vni=auto")
	w.audit(p)
}

// TestBFDWithOpenVSwitch has the real one at the other end: every key, in each of the two roles.
func TestBFDWithOpenVSwitch(t *testing.T) {
	w := newWorld(t)
	p := w.plane(Options{})
	e := w.ovsEnd(p, peerIP)
	w.apply(p, e.s, nil)
	bothUp := e.bothUp
	millis := func(n int) time.Duration { return time.Duration(n) * time.Millisecond }

	e.set("enable=true", "min_rx=2000", "min_tx=300")
	bothUp("enable")
	e.weSay("min_rx, min_tx of theirs", func(st bfd.Status) bool {
		return up(st) && st.TxInterval == millis(2000) && st.RxInterval == millis(3000) && st.Peer.MinTx == millis(300)
	})
	e.says("min_rx, min_tx of ours", "RX Interval: Approx 2000ms", "Remote Minimum TX Interval: 200ms", "Remote Minimum RX Interval: 3000ms")

	e.set("min_rx=1500", "min_tx=4000")
	e.weSay("theirs change", func(st bfd.Status) bool {
		return up(st) && st.TxInterval == millis(1500) && st.RxInterval == millis(4000)
	})
	e.ours(func(b *intent.BFD) { b.MinRx, b.MinTx = 2500, 1700 })
	e.says("ours change", "RX Interval: Approx 1700ms", "Remote Minimum RX Interval: 2500ms", "Remote Minimum TX Interval: 1700ms")
	e.set("min_tx=300")
	bothUp("after changes of times")

	e.ours(func(b *intent.BFD) { b.CPathDown = true })
	e.says("cpath_down of ours", "Remote Diagnostic: Concatenated Path Down", "Forwarding: false", "Local Session State: up")
	e.ours(func(b *intent.BFD) { b.CPathDown = false })
	e.set("cpath_down=true")
	e.weSay("cpath_down of theirs", func(st bfd.Status) bool {
		return st.State == bfd.Up && st.Peer.Diag == bfd.ConcatenatedPathDown && !st.Forwarding
	})
	e.set("cpath_down=false")
	bothUp("cpath_down no more")

	e.set("check_tnl_key=true")
	e.ours(func(b *intent.BFD) { b.CheckKey = true })
	bothUp("check_tnl_key")
	mac := intent.MAC{2, 0, 0x5e, 0, 0, 9}
	e.set(`bfd_local_dst_mac="02:00:5e:00:00:08"`, `bfd_remote_dst_mac="02:00:5e:00:00:09"`, "bfd_src_ip=169.254.3.1", "bfd_dst_ip=169.254.3.2")
	e.ours(func(b *intent.BFD) {
		b.Remote = intent.BFDEnd{MAC: mac, IP: netip.MustParseAddr("169.254.3.1")}
		b.Local = intent.BFDEnd{MAC: intent.MAC{2, 0, 0x5e, 0, 0, 8}, IP: netip.MustParseAddr("169.254.3.2")}
	})
	marked := monotonic()
	e.weSay("addresses", func(st bfd.Status) bool { return up(st) && st.Heard > marked && st.Sent > marked })
	bothUp("addresses")

	e.set("decay_min_rx=5000")
	e.weSay("decay_min_rx of theirs", func(st bfd.Status) bool { return up(st) && st.TxInterval == millis(5000) })
	e.set("decay_min_rx=0")
	e.weSay("decay_min_rx of theirs no more", func(st bfd.Status) bool { return up(st) && st.TxInterval == millis(1700) })
	e.ours(func(b *intent.BFD) { b.DecayMinRx = 5000 })
	e.says("decay_min_rx of ours", "Remote Minimum RX Interval: 5000ms")
	e.ours(func(b *intent.BFD) { b.DecayMinRx = 0 })
	e.says("decay_min_rx of ours no more", "Remote Minimum RX Interval: 2500ms")
	e.set("forwarding_if_rx=true")
	e.ours(func(b *intent.BFD) { b.ForwardingIfRx = true })
	bothUp("forwarding_if_rx")
	e.ours(func(b *intent.BFD) { b.ForwardingIfRx = false })

	// Our restart is not noticed.
	flaps := e.v.Vsctl(t, "get", "Interface", "vx", "bfd_status:flap_count")
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.plane(Options{})
	e.p = p
	w.apply(p, e.s, nil)
	e.weSay("after our restart", func(st bfd.Status) bool { return up(st) && monotonic()-st.Heard < 2*time.Second })
	bothUp("after our restart")
	if now := e.v.Vsctl(t, "get", "Interface", "vx", "bfd_status:flap_count"); now != flaps {
		t.Errorf("flap_count was %s, is %s", flaps, now)
	}
	// Theirs is.
	e.v.KillDaemon(t)
	e.weSay("Open vSwitch is dead", func(st bfd.Status) bool { return down(st) && st.Diag == bfd.TimeExpired })
	e.v.StartDaemon(t)
	bothUp("Open vSwitch is back")

	// A port with a key of its own sends and wants its VNI.
	e.set("check_tnl_key=false")
	e.ours(func(b *intent.BFD) { b.CheckKey = false })
	e.v.Vsctl(t, "set", "Interface", "vx", "options:key=10")
	e.says("a key without bfd_vni", "Local Session State: down")
	e.ours(func(b *intent.BFD) { b.AnswerVNI = true })
	bothUp("bfd_vni=auto")

	e.set("enable=false")
	e.weSay("disabled", down)
	if st := p.watchman.states()[peerIP]; st == (plane.PeerState{}) {
		t.Error("our session ends with theirs")
	}
	w.audit(p)
}

// TestBFDBetweenPlanes has this plane at both ends.
func TestBFDBetweenPlanes(t *testing.T) { bfdFamilies(t, testBFDBetweenPlanes) }

func testBFDBetweenPlanes(t *testing.T, w *world, peerIP, _ netip.Addr) {
	w.removeLink(w.far, "vx10") // it has the UDP port
	b := usualBFD()
	near := withBFDOf(peerIP, b)
	tunnelIP := near.Source(peerIP)
	b.Local, b.Remote = b.Remote, b.Local
	far := intent.NewState()
	if peerIP.Is6() {
		far.TunnelIP6 = peerIP
	} else {
		far.TunnelIP = peerIP
	}
	far.BFD = map[netip.Addr]intent.BFD{tunnelIP: b}
	p := w.plane(Options{})
	w.apply(p, near, nil)
	start := func() (q *Plane) {
		t.Helper()
		err := w.far.Do(func() (err error) {
			q, err = New(Options{Name: "ps2", PinDir: w.pins + "2"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { q.Close() })
		w.apply(q, far, nil)
		return q
	}
	says := func(what string, p *Plane, peer netip.Addr, right func(plane.PeerState) bool) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if s := p.watchman.states()[peer]; !right(s) {
				return fmt.Errorf("%s: the session with %v is %+v", what, peer, s)
			}
			return nil
		})
	}
	q := start()
	says("at first", p, peerIP, isUp)
	says("at first", q, tunnelIP, isUp)
	for range 2 {
		if err := q.Close(); err != nil {
			t.Fatal(err)
		}
		q = start()
	}
	says("after restarts", q, tunnelIP, isUp)
	text, err := p.ShowBFD(peerIP)
	if err != nil || !strings.Contains(text, "\tFlap Count: 0\n") || !strings.Contains(text, "\tLocal Session State: up\n") {
		t.Errorf("restarts of the other end were noticed: %s, %v", text, err)
	}
	if _, err := p.ShowBFD(peerIP3); err == nil {
		t.Error("there is something to say of a session that is not there")
	}
	w.audit(q)
	if err := q.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	says("after the end", p, peerIP, func(s plane.PeerState) bool {
		return s.Diagnostic == "Neighbor Signaled Session Down" && s.RemoteState == "admin_down" && !s.Forwarding
	})
}
