package evpn

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/hwvtep"
)

var (
	seg1 = esi{0: 3, 9: 1}
	pes  = []netip.Addr{netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("10.0.0.3"), netip.MustParseAddr("10.0.0.4")}
)

// fabricOf is a bridge with one network, that is told of routes.
func fabricOf(t *testing.T) (*Bridge, *network) {
	t.Helper()
	b := New(Options{Config: &Config{AS: 65001, RouterID: low, Neighbors: []Neighbor{{Address: high}}}})
	b.database = newDatabase(b, nil)
	n := newNetwork()
	n.configure(hwvtep.LogicalSwitch{UUID: hwvtep.UUID{1}, Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	n.serve(n.wants, nil, 65001)
	b.database.networks[n.row.UUID] = n
	b.imports.add(n)
	return b, n
}

// hears has a route come from the neighbor, or go.
func hears(b *Bridge, there bool, r *route) {
	r.targets = []target{{"65002", false, 33}}
	id := path{high, 0, r.key}
	if !there {
		b.drop(id)
		return
	}
	b.drop(id)
	b.keep(id, r)
	b.place(id, r)
}

func discovery(vtep netip.Addr, tag uint32, single bool) *route {
	return &route{key: key{kind: Discovery, rd: fmt.Sprintf("%v:%d", vtep, tag&0xf), tag: tag, esi: seg1}, vtep: vtep, segment: seg1, single: single}
}

func macRoute(vtep netip.Addr, mac string, sequence uint32) *route {
	return &route{key: key{kind: MACIP, rd: vtep.String() + ":33", mac: mac}, vtep: vtep, segment: seg1, moved: sequence > 0, sequence: sequence}
}

// The VTEPs of a segment reach its hosts, each while it is attached.
func TestSegment(t *testing.T) {
	b, n := fabricOf(t)
	at := func(mac string) string {
		t.Helper()
		h := n.hosts[mac]
		if h == nil {
			return "none"
		}
		best := h.best()
		if best == nil {
			return "none"
		}
		return n.reach(h, best).String()
	}
	expect := func(when, want string) {
		t.Helper()
		if got := at(host1); got != want {
			t.Errorf("%s: the host is at %s, want %s", when, got, want)
		}
	}
	hears(b, true, macRoute(pes[0], host1, 0))
	expect("no VTEP says that it is attached", "none")
	hears(b, true, discovery(pes[1], 0, false))
	expect("a route of a network does not say it either", "none")
	hears(b, true, discovery(pes[0], allTags, false))
	expect("one is attached", "10.0.0.2")
	hears(b, true, discovery(pes[1], allTags, false))
	where := map[string]int{}
	for i := range 100 {
		mac := fmt.Sprintf("02:00:00:00:01:%02x", i)
		hears(b, true, macRoute(pes[0], mac, 0))
		where[at(mac)]++
	}
	if len(where) != 2 || where["10.0.0.2"] < 30 || where["10.0.0.3"] < 30 {
		t.Errorf("hosts are spread as %v", where)
	}
	clear(b.database.marked)
	hears(b, false, discovery(pes[0], allTags, false))
	for i := range 100 {
		if mac := fmt.Sprintf("02:00:00:00:01:%02x", i); at(mac) != "10.0.0.3" {
			t.Errorf("%s is at %s after the first VTEP has lost the segment", mac, at(mac))
		}
	}
	if len(b.database.marked) != 101 {
		t.Errorf("%d MACs are looked at, want all 101 at once", len(b.database.marked))
	}
	hears(b, false, discovery(pes[1], allTags, false))
	expect("no VTEP has the segment", "none")

	// Single-active: the VTEP that has announced the host, and then the only other one.
	b, n = fabricOf(t)
	for _, vtep := range pes[:2] {
		hears(b, true, discovery(vtep, allTags, vtep == pes[1]))
		hears(b, true, discovery(vtep, 0, false))
	}
	hears(b, true, macRoute(pes[0], host1, 0))
	expect("single-active", "10.0.0.2")
	hears(b, false, discovery(pes[0], allTags, false))
	expect("the other one is the backup", "10.0.0.3")
	hears(b, true, discovery(pes[0], allTags, true))
	expect("back", "10.0.0.2")
	hears(b, true, discovery(pes[2], allTags, true))
	hears(b, true, discovery(pes[2], 0, true))
	hears(b, false, discovery(pes[0], allTags, false))
	expect("of two others none is known to forward", "none")
	hears(b, true, macRoute(pes[2], host1, 0))
	expect("until it announces the host", "10.0.0.4")

	// A host that has moved to a VTEP without the segment, and all is gone at the end.
	r := macRoute(pes[1], host1, 1)
	r.segment, r.rd = esi{}, "10.0.0.3:34"
	hears(b, true, r)
	expect("moved away", "10.0.0.3")
	for id := range b.routes {
		b.drop(id)
	}
	if len(n.segments) != 0 || len(n.vteps) != 0 || len(b.routes) != 0 {
		t.Errorf("left: %v %v %v", n.segments, n.vteps, b.routes)
	}
}

// Routes of segments are read.
func TestSegmentWire(t *testing.T) {
	rd, err := bgp.ParseRouteDistinguisher("10.0.0.2:1")
	if err != nil {
		t.Fatal(err)
	}
	id := bgp.EthernetSegmentIdentifier{Type: 3, Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, 1}}
	attrs := func(nlri *bgp.EVPNNLRI) []bgp.PathAttributeInterface {
		reach, err := bgp.NewPathAttributeMpReachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: nlri}}, pes[0])
		if err != nil {
			t.Fatal(err)
		}
		return []bgp.PathAttributeInterface{reach, bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{
			bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN), bgp.NewESILabelExtended(7, true)})}
	}
	nlri := bgp.NewEVPNEthernetAutoDiscoveryRoute(rd, id, allTags, 0)
	r, err := decode(nlri, readAttributes(attrs(nlri), true))
	if err != nil || r.key != (key{kind: Discovery, rd: "10.0.0.2:1", tag: allTags, esi: seg1}) || r.segment != seg1 || !r.single || r.vtep != pes[0] {
		t.Errorf("%+v, %v", r, err)
	}
	if seg1.String() != "03:00:00:00:00:00:00:00:00:01" || (esi{}).String() != "" {
		t.Error(seg1)
	}
	nlri = bgp.NewEVPNEthernetAutoDiscoveryRoute(rd, bgp.EthernetSegmentIdentifier{Value: make([]byte, 9)}, 0, 0)
	if _, err := decode(nlri, readAttributes(attrs(nlri), true)); !errors.Is(err, refusal(whyNoES)) {
		t.Error(err)
	}
	if nlri, err = bgp.NewEVPNEthernetSegmentRoute(rd, id, pes[0]); err != nil {
		t.Fatal(err)
	}
	if r, err = decode(nlri, readAttributes(attrs(nlri), true)); err != nil || r.key != (key{kind: Attached, rd: "10.0.0.2:1", ip: pes[0], esi: seg1}) || r.segment != seg1 || r.vtep != pes[0] {
		t.Errorf("%+v, %v", r, err)
	}
	if nlri, err = bgp.NewEVPNMacIPAdvertisementRoute(rd, id, 0, host1, netip.Addr{}, []uint32{33}); err != nil {
		t.Fatal(err)
	}
	if r, err = decode(nlri, readAttributes(attrs(nlri), true)); err != nil || r.segment != seg1 || r.key.esi != (esi{}) {
		t.Errorf("%+v, %v", r, err)
	}
}

// The bridge has come back, and the routes of a segment only in part: what its rows were stays till all have come.
func TestSegmentReturns(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyVTEPs: "10.0.0.2"}})
		l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.2"})
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: host1, LogicalSwitch: ls, Locator: l})
	})
	s.rows(host1 + ">10.0.0.2")
	s.up()
	s.announce(hostAt(host1, high), func(update []byte) []byte {
		first := strings.Index(string(update), string([]byte{0, 25, 70, 4, 10, 0})) + 9
		update[first+2+8] = 3 // the type of its segment
		return update
	})
	s.announce(hostAt("02:00:00:00:00:02", high), nil)
	s.knows("02:00:00:00:00:02", "row in ls0")
	if err := s.bridge.ask(t.Context(), s.bridge.begin); err != nil { // as after a time without End-of-RIB
		t.Fatal(err)
	}
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.2")
	s.whole()
	s.rows("02:00:00:00:00:02>10.0.0.2")
}
