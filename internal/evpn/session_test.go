package evpn

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// graceful is the capability of a neighbour that means to be back within so many seconds.
func graceful(seconds uint16) *bgp.CapGracefulRestart {
	return bgp.NewCapGracefulRestart(false, false, seconds, []*bgp.CapGracefulRestartTuple{bgp.NewCapGracefulRestartTuple(bgp.RF_EVPN, false)})
}

func newSwitch(tx *hwvtep.Txn) {
	tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
}

// Routes of a neighbour that restarts gracefully stay until it has sent everything, or has not come back in time; those of
// one that says that it goes, or does not restart so, go at once.
func TestGracefulRestart(t *testing.T) {
	const first, second = "02:00:00:00:00:01", "02:00:00:00:00:02"
	s := newBed(t, Neighbor{}, newSwitch)
	begin := func(restart *bgp.CapGracefulRestart, hosts ...string) {
		t.Helper()
		s.opens(65002, restart)
		s.established(true)
		for _, mac := range hosts {
			s.announce(hostAt(mac, high), nil)
			s.knows(mac, ": row in ls0")
		}
	}
	begin(graceful(4000), first, second)
	s.whole()
	_ = s.conn.Close()
	s.established(false)
	s.rows(first+">10.0.0.2", second+">10.0.0.2")
	begin(graceful(4000), first)
	s.rows(first+">10.0.0.2", second+">10.0.0.2")
	s.whole()
	s.rows(first + ">10.0.0.2")

	s.send(bgp.NewBGPNotificationMessage(bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN, nil))
	_ = s.conn.Close()
	s.rows()

	begin(graceful(1), first)
	s.whole()
	s.rows(first + ">10.0.0.2")
	_ = s.conn.Close()
	s.rows() // in time

	begin(graceful(4000), first)
	s.whole()
	s.rows(first + ">10.0.0.2")
	_ = s.conn.Close()
	s.established(false)
	begin(bgp.NewCapGracefulRestart(false, false, 0, nil))
	s.rows()
	s.announce(hostAt(first, high), nil)
	s.whole()
	s.rows(first + ">10.0.0.2")
	_ = s.conn.Close()
	s.rows()
}

// A neighbour of another AS than it should be is refused, with whatever it says.
func TestWrongNeighbor(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.opens(65003, graceful(0), s.update(hostAt("02:00:00:00:00:01", high), nil)...)
	s.up()
	s.announce(hostAt("02:00:00:00:00:02", high), nil)
	s.whole()
	s.rows("02:00:00:00:00:02>10.0.0.2")
	s.knows("02:00:00:00:00:01", "")
}

// The status says why there is no session, by what the neighbor or the kernel has said, and what is missing in one.
func TestWhyNoSession(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	reason := func(want string) {
		t.Helper()
		testenv.Eventually(t, deadline, func() error {
			status, err := s.bridge.Status(t.Context())
			if err == nil && (status.Neighbors[0].Reason != want || !strings.Contains(status.String(), want)) {
				err = fmt.Errorf("the session is %s (%s), want (%s)", status.Neighbors[0].State, status.Neighbors[0].Reason, want)
			}
			return err
		})
	}
	reason("")
	conn, err := s.listener.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	reason("the neighbor ends connections without a word, as where it has no neighbor of this address")
	s.opens(65003, graceful(0))
	reason("this side has sent NOTIFICATION code 2(open) subcode 2(bad peer as): the neighbor is of AS 65003")
	s.up()
	reason("")
	s.send(bgp.NewBGPNotificationMessage(bgp.BGP_ERROR_CEASE, bgp.BGP_ERROR_SUB_ADMINISTRATIVE_SHUTDOWN, append([]byte{5}, "at 9h"...)))
	down := `the neighbor has sent NOTIFICATION code 6(cease) subcode 2(administrative shutdown) "at 9h"`
	reason(down)
	_ = s.conn.Close()
	conn, err = s.listener.Accept() // a session without the family
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	s.conn = conn
	open, err := bgp.NewBGPOpenMessage(65002, 90, high, nil)
	if err != nil {
		t.Fatal(err)
	}
	s.send(open)
	s.send(bgp.NewBGPKeepAliveMessage())
	s.established(true)
	reason("the neighbor does not offer the address family l2vpn evpn: it has to be activated there")
	_ = s.listener.Close()
	_ = conn.Close()
	at := s.listener.Addr().String()
	reason("the neighbor has closed the connection; can't connect: dial tcp " + at + ": connect: connection refused")
}

// A route that has come from here is none, nor is one with attributes that mean nothing; the session goes on.
func TestAttributes(t *testing.T) {
	const mac = "02:00:00:00:00:01"
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	attribute := func(which string, at int, value byte) func([]byte) []byte {
		return func(b []byte) []byte {
			i := strings.Index(string(b), which)
			if i < 0 {
				t.Fatalf("%x", b)
			}
			b[i+at] = value
			return b
		}
	}
	for name, wrong := range map[string]func([]byte) []byte{
		"own AS": attribute("\x02\x01\x00\x00\xfd\xea", 5, 0xe9), // 65002, then 65001
		"origin": attribute("\x40\x01\x01\x00", 3, 9),
	} {
		s.announce(hostAt(mac, high), nil)
		s.knows(mac, ": row in ls0")
		s.announce(hostAt(mac, high), wrong)
		s.knows(mac, "")
		s.announce(hostAt("02:00:00:00:00:02", high), nil)
		s.knows("02:00:00:00:00:02", ": row in ls0")
		status, err := s.bridge.Status(t.Context())
		if n := status.Neighbors[0]; err != nil || n.Flaps != 0 || n.Routes != 1 || name == "origin" && n.Ignored["malformed attribute"] != 1 {
			t.Errorf("%s: %+v, %v", name, n, err)
		}
	}

	// Flags are those of the address (RFC 9047, section 3.2).
	for ip, want := range map[string]string{"": "", "192.0.2.1": " ND flags immutable", "2001:db8::1": " ND flags router,override,immutable"} {
		r := hostAt("02:00:00:00:00:03", high)
		r.ip, _ = netip.ParseAddr(ip)
		r.flags = relay.Present | relay.Router | relay.Override | relay.Immutable
		s.announce(r, nil)
		s.knows(r.mac, strings.TrimSpace(" "+ip)+" at 10.0.0.2 VNI 33 targets 65002:33"+want+" from 127.0.0.2: row in ls0")
	}
	r := hostAt(mac, high)
	p, err := encode(r)
	if err != nil {
		t.Fatal(err)
	}
	attrs := append(p.Attrs, bgp.NewPathAttributeLocalPref(7))
	originator, err := bgp.NewPathAttributeOriginatorId(low)
	if err != nil {
		t.Fatal(err)
	}
	attrs = append(attrs, originator)
	c := &Config{AS: 65001, RouterID: low}
	if a := readAttributes(attrs, false); a.preference != 7 || !a.loops(c) {
		t.Errorf("of the same AS: %+v", a)
	}
	if a := readAttributes(attrs, true); a.preference != 0 || a.loops(c) {
		t.Errorf("of another AS: %+v", a)
	}
}

// A message may have more than 4,096 octets (RFC 8654).
func TestLongMessage(t *testing.T) {
	const hosts = 500
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	p, err := encode(hostAt("02:00:00:00:00:01", high))
	if err != nil {
		t.Fatal(err)
	}
	var all []bgp.PathNLRI
	for i := range hosts {
		of, err := encode(hostAt(fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&0xff), high))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bgp.PathNLRI{NLRI: of.Nlri})
	}
	reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, all, high)
	if err != nil {
		t.Fatal(err)
	}
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAs4PathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint32{65002})}), reach}
	for _, a := range p.Attrs {
		if a, ok := a.(*bgp.PathAttributeExtendedCommunities); ok {
			attrs = append(attrs, a)
		}
	}
	b, err := bgp.NewBGPUpdateMessage(nil, attrs, nil).Serialize(&bgp.MarshallingOption{ExtendedMessage: true})
	if err != nil || len(b) < 3*4096 {
		t.Fatalf("%d octets, %v", len(b), err)
	}
	s.raw(b)
	s.whole()
	testenv.Eventually(t, deadline, func() error {
		status, err := s.bridge.Status(t.Context())
		if n := status.Neighbors[0]; err == nil && (n.Routes != hosts || n.Flaps > 0) {
			err = fmt.Errorf("%+v", n)
		}
		return err
	})
	s.knows("02:00:00:00:01:07", ": row in ls0")
}
