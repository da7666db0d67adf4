package evpn

import (
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

const esi1 = "03:00:00:00:00:00:00:00:00:01" // seg1

// port changes a port, by its name.
func (s *bed) port(name string, change func(tx *hwvtep.Txn, row hwvtep.PhysicalPort)) {
	s.Helper()
	s.write(func(tx *hwvtep.Txn) {
		for row := range s.bridge.database.view.PhysicalPorts() {
			if row.Name == name {
				change(tx, row)
			}
		}
	})
}

// configures sets keys of a port, or with "" removes them.
func (s *bed) configures(name string, keys map[string]string) {
	s.Helper()
	s.port(name, func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
		row.OtherConfig = maps.Clone(row.OtherConfig)
		if row.OtherConfig == nil {
			row.OtherConfig = map[string]string{}
		}
		maps.Copy(row.OtherConfig, keys)
		maps.DeleteFunc(row.OtherConfig, func(_, v string) bool { return v == "" })
		tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortOtherConfig)
	})
}

// holds waits until the bridge has written this of a port: number, others, what is blocked.
func (s *bed) holds(name, want string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		got := "no port"
		err := s.bridge.ask(s.Context(), func() {
			for row := range s.bridge.database.view.PhysicalPorts() {
				if row.Name == name {
					got = fmt.Sprintf("%s [%s] %s", row.OtherConfig[hwvtep.KeySegment], row.OtherConfig[hwvtep.KeySegmentVTEPs], row.OtherConfig[hwvtep.KeyBlocked])
				}
			}
		})
		if err == nil && got != want {
			err = fmt.Errorf("port %s has %q, want %q", name, got, want)
		}
		return err
	})
}

// segmentRoutes waits until these are announced of segments: "TYPE ESI TAG".
func (s *bed) segmentRoutes(want ...string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		var got []string
		err := s.bridge.ask(s.Context(), func() {
			for k, r := range s.bridge.speaker.announced {
				if k.kind == Attached || k.kind == Discovery {
					got = append(got, fmt.Sprintf("%d %v %x %d %v", k.kind, k.esi, k.tag, r.election.Preference, r.targets))
				}
			}
		})
		slices.Sort(got)
		slices.Sort(want)
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("announced are %q, want %q", got, want)
		}
		return err
	})
}

func attachedAt(vtep netip.Addr, e relay.Election) *route {
	return &route{key: key{kind: Attached, rd: vtep.String() + ":9", ip: vtep, esi: seg1}, vtep: vtep, segment: seg1, election: e}
}

// ownSegment is a database with a VTEP whose port p1, with VLANs 0 and 10 of two switches, is to be a link of a segment, and p2 of none.
func ownSegment(tx *hwvtep.Txn) {
	ls0 := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	ls1 := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls1", TunnelKey: hwvtep.Some[int64](34)})
	p1 := tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: "p1", VLANBindings: map[int64]hwvtep.UUID{0: ls0, 10: ls1}, OtherConfig: map[string]string{hwvtep.KeyESI: esi1, "mac_limit": "7"}})
	p2 := tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: "p2", VLANBindings: map[int64]hwvtep.UUID{0: ls0}})
	v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}, Ports: []hwvtep.UUID{p1, p2}})
	tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
}

var announcedOfSegment = []string{"4 " + esi1 + " 0 32767 []", "1 " + esi1 + " ffffffff 0 [65001:33 65001:34]", "1 " + esi1 + " 0 0 [65001:33]", "1 " + esi1 + " 0 0 [65001:34]"}

// A port becomes a link of a segment: that is announced, the designated forwarder elected, and the VTEP held to it.
func TestOwnSegment(t *testing.T) {
	s := newBed(t, Neighbor{}, ownSegment)
	s.up()
	s.whole()
	s.segmentRoutes(announcedOfSegment...)
	s.holds("p1", "1 [] ")
	s.holds("p2", " [] ")

	better := relay.Election{Algorithm: relay.ByPreference, Preference: 40000}
	s.announce(attachedAt(high, better), nil)
	s.holds("p1", "1 [10.0.0.2] all")
	s.knows("10.0.0.2", "preference 40000 from 127.0.0.2: says who is attached to a segment of a port here")
	s.configures("p1", map[string]string{hwvtep.KeyDFPreference: "40000"}) // as high: then the address counts
	s.holds("p1", "1 [10.0.0.2] ")
	s.announce(attachedAt(high, relay.Election{}), nil) // by modulo: VNI 33, and VLAN 10
	s.holds("p1", "1 [10.0.0.2] 0")
	if got := fmt.Sprint(s.status().Ports); !strings.Contains(got, "p1: number 1, segment "+esi1+" (all-active), shared, elected by modulo of [10.0.0.1, 10.0.0.2], another VTEP is for VLANs 0") {
		t.Error(got)
	}
	s.withdraw(attachedAt(high, relay.Election{}))
	s.holds("p1", "1 [] ")

	// Of an identifier that is none, or that two ports have, the port is told, and nothing is flooded to it; keys of others stay.
	s.configures("p1", map[string]string{hwvtep.KeyDFPreference: "70000"})
	s.holds("p1", " [] all")
	s.segmentRoutes()
	if got := fmt.Sprint(s.status().Ports); !strings.Contains(got, `p1: other_config:evpn_df_preference: "70000" is not a number of 0 to 65535`) {
		t.Error(got)
	}
	s.configures("p1", map[string]string{hwvtep.KeyDFPreference: ""})
	s.configures("p2", map[string]string{hwvtep.KeyESI: esi1})
	s.holds("p1", "1 [] ")
	if got := fmt.Sprint(s.status().Ports); !strings.Contains(got, "p2: other_config:evpn_esi: the port p1 is in segment "+esi1+", too, and one port of a database can be") {
		t.Error(got)
	}
	s.holds("p2", " [] all")
	s.configures("p2", map[string]string{hwvtep.KeyESI: "03:00:00:00:00:00:00:00:00:02"})
	s.holds("p2", "2 [] ")
	s.configures("p1", map[string]string{hwvtep.KeyESI: "03:00:00:00:00:00:00:00:00:02"}) // who had it first keeps it
	s.holds("p1", " [] all")
	s.holds("p2", "2 [] ")
	s.configures("p1", map[string]string{hwvtep.KeyESI: esi1})
	s.holds("p1", "1 [] ")

	// Without link nothing of it is announced, and no flooded frame is sent until the next election.
	s.configures("p2", map[string]string{hwvtep.KeyESI: ""})
	s.holds("p2", " [] ")
	s.segmentRoutes(announcedOfSegment...)
	link := func(faults ...string) {
		s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
			row.PortFaultStatus = faults
			tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortPortFaultStatus)
		})
	}
	link(portDown)
	s.segmentRoutes()
	s.holds("p1", "1 [] all")
	link()
	s.segmentRoutes(announcedOfSegment...)
	s.holds("p1", "1 [] ")

	s.configures("p1", map[string]string{hwvtep.KeyESI: ""})
	s.holds("p1", " [] ")
	s.segmentRoutes()
	s.port("p1", func(_ *hwvtep.Txn, row hwvtep.PhysicalPort) {
		if !maps.Equal(row.OtherConfig, map[string]string{"mac_limit": "7"}) {
			t.Errorf("left are %v", row.OtherConfig)
		}
	})
}

func (s *bed) status() Status {
	s.Helper()
	status, err := s.bridge.Status(s.Context())
	if err != nil {
		s.Fatal(err)
	}
	return status
}

// hears has the VTEP report a host at a locator with a key, 0: none; without it, no more.
func (s *bed) hears(mac string, number int64, there bool) {
	s.Helper()
	s.write(func(tx *hwvtep.Txn) {
		view := s.bridge.database.view
		for row := range view.UcastMACsLocal() {
			if row.MAC == mac {
				tx.DeleteUcastMACLocal(row.UUID)
			}
		}
		if !there {
			return
		}
		l := hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"}
		if number != 0 {
			l.TunnelKey = hwvtep.Some(number)
		}
		at := hwvtep.UUID{}
		for row := range view.PhysicalLocators() {
			if row.DstIP == l.DstIP && row.TunnelKey == l.TunnelKey {
				at = row.UUID
			}
		}
		if at == (hwvtep.UUID{}) {
			at = tx.InsertPhysicalLocator(l)
		}
		for ls := range view.LogicalSwitches() {
			if ls.Name == "ls0" {
				tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, LogicalSwitch: ls.UUID, Locator: at})
			}
		}
	})
}

// Hosts that another VTEP of a segment has announced are at the own port. What both hear has not moved, and both announce it.
func TestHostsOfOwnSegment(t *testing.T) {
	s := newBed(t, Neighbor{}, ownSegment)
	s.up()
	s.whole()
	s.holds("p1", "1 [] ")
	other := discovery(high, allTags, false)
	other.targets = []target{{"65002", false, 33}}
	at := func(segment esi, sequence uint32) *route {
		r := hostAt(host1, high)
		r.segment, r.moved, r.sequence = segment, sequence > 0, sequence
		return r
	}
	s.announce(other, nil)
	s.announce(at(seg1, 0), nil)
	s.rows(host1 + ">10.0.0.1 1")
	s.knows(host1, ": row in ls0")
	s.said(host1, map[string]int64{}) // not by hearsay

	s.hears(host1, 1, true)
	s.said(host1, map[string]int64{"": -1})
	s.knows(host1, esi1+" "+host1+" at 10.0.0.1")
	s.rows(host1 + ">10.0.0.1 1")
	s.announce(at(seg1, 4), nil) // from elsewhere, and heard by the other VTEP first
	s.said(host1, map[string]int64{"": 4})
	s.hears(host1, 1, true) // anew
	s.said(host1, map[string]int64{"": 4})
	s.rows(host1 + ">10.0.0.1 1")
	s.hears(host1, 1, false)
	s.said(host1, map[string]int64{})
	s.rows(host1 + ">10.0.0.1 1")

	// At a port without the segment, or of another VTEP without it, it has moved.
	s.hears(host1, 0, true)
	s.said(host1, map[string]int64{"": 5})
	s.rows()
	s.announce(at(seg1, 6), nil)
	s.said(host1, map[string]int64{})
	s.rows(host1 + ">10.0.0.1 1")
	s.hears(host1, 1, true)
	s.said(host1, map[string]int64{"": 6})
	s.announce(at(esi{}, 7), nil)
	s.said(host1, map[string]int64{})
	s.rows(host1 + ">10.0.0.2")
	s.announce(at(seg1, 8), nil)
	s.hears(host1, 1, false)
	s.rows(host1 + ">10.0.0.1 1")

	// The link goes: it is reached by the other VTEP, while that is attached; and comes.
	fault := func(faults ...string) {
		s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
			row.PortFaultStatus = faults
			tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortPortFaultStatus)
		})
	}
	fault(portDown)
	s.rows(host1 + ">10.0.0.2")
	s.withdraw(other)
	s.rows()
	fault()
	s.rows(host1 + ">10.0.0.1 1")
	s.announce(other, nil)

	// Single-active: by the port of the designated forwarder.
	s.configures("p1", map[string]string{hwvtep.KeySingleActive: "true"})
	s.announce(attachedAt(high, relay.Election{Algorithm: relay.ByPreference, Preference: 65535}), nil)
	s.holds("p1", "1 [10.0.0.2] all")
	s.rows(host1 + ">10.0.0.2")
	s.announce(attachedAt(high, relay.Election{Algorithm: relay.ByPreference}), nil)
	s.rows(host1 + ">10.0.0.1 1")

	// The segment goes.
	s.configures("p1", map[string]string{hwvtep.KeyESI: ""})
	s.rows(host1 + ">10.0.0.2")
	s.withdraw(at(seg1, 8))
	s.rows()
}

// Nothing is sent to a port before others have had the time to tell that they are attached. A bridge that begins beside keys of before leaves blocked what was, and others attached that were, until all neighbors
// have told what they know.
func TestHoldsFormer(t *testing.T) {
	b, n := fabricOf(t)
	a := &attachment{port: hwvtep.PhysicalPort{UUID: hwvtep.UUID{9}, Name: "p1", VLANBindings: map[int64]hwvtep.UUID{0: n.row.UUID, 7: n.row.UUID},
		OtherConfig: map[string]string{hwvtep.KeyESI: esi1, hwvtep.KeySegment: "3", hwvtep.KeySegmentVTEPs: "10.0.0.3", hwvtep.KeyBlocked: "7, 9"}}, vtep: low, up: true, due: true}
	a.former = heldBy(&a.port)
	a.configure()
	b.database.ports[a.port.UUID], b.database.bySegment[seg1] = a, a
	expect := func(when, beside, blocked string) {
		t.Helper()
		if got := a.outcome.text(); got != blocked || fmt.Sprint(a.outcome.beside) != beside {
			t.Errorf("%s: %v, %q", when, a.outcome.beside, got)
		}
	}
	for _, waits := range []struct{ up, due, begun bool }{{false, true, true}, {true, false, true}, {true, true, false}} {
		a.up, a.due, b.begun = waits.up, waits.due, waits.begun
		b.hold(a)
		expect(fmt.Sprintf("not yet: %+v", waits), "[10.0.0.3]", "all")
	}
	a.up, a.due, b.begun = true, true, true
	b.hold(a)
	expect("nobody is heard yet", "[10.0.0.3]", "7,9")
	hears(b, true, attachedAt(high, relay.Election{Algorithm: relay.ByPreference}))
	expect("one is heard that was not there", "[10.0.0.2 10.0.0.3]", "7,9")
	b.settleAll()
	expect("all have told", "[10.0.0.2]", "")
	b.forget(high) // its session has ended: it may forward yet, but is not elected
	expect("gone without a word", "[10.0.0.2]", "")
	hears(b, true, attachedAt(high, relay.Election{Algorithm: relay.ByPreference, Preference: 65535}))
	expect("back", "[10.0.0.2]", "all")
	b.forget(high)
	expect("gone again", "[10.0.0.2]", "")
	b.unlinger(high)
	expect("back without the segment", "[]", "")
	if a.port.OtherConfig[hwvtep.KeyBlocked] = "x"; !heldBy(&a.port).all {
		t.Error("what can't be read is not taken for all")
	}
}

// The routes about whole segments have distinguishers that no network has, whatever comes first.
func TestSegmentDistinguishers(t *testing.T) {
	b := New(Options{Config: &Config{RouterID: low}})
	b.database = newDatabase(b, nil)
	a := &attachment{vtep: low, number: 1}
	first := b.segmentRD(a, 0)
	if first == b.segmentRD(a, 1) || first != b.segmentRD(a, 0) || !strings.HasPrefix(first, "10.0.0.1:") {
		t.Error(first)
	}
	for vni := range uint32(65535) {
		if rd := b.rd(low, vni+1); rd == first && len(b.numbers) < 65535 {
			t.Fatalf("VNI %d has %s", vni+1, rd)
		}
	}
}

// A port has lost its link: the first thing that others hear is the one that moves all hosts.
func TestMassWithdraw(t *testing.T) {
	s := newBed(t, Neighbor{}, ownSegment)
	told, w := io.Pipe()
	t.Cleanup(func() { _ = told.Close() })
	s.told = w
	gone := make(chan key, 64)
	go func() {
		defer close(gone)
		for {
			b := make([]byte, 4096)
			if _, err := io.ReadFull(told, b[:19]); err != nil {
				return
			}
			n := binary.BigEndian.Uint16(b[16:])
			if _, err := io.ReadFull(told, b[19:n]); err != nil {
				return
			}
			m, err := bgp.ParseBGPMessage(b[:n])
			if err != nil {
				continue // with the community of elections, which the library can't read
			}
			u, ok := m.Body.(*bgp.BGPUpdate)
			if !ok {
				continue
			}
			for _, a := range u.PathAttributes {
				if a, ok := a.(*bgp.PathAttributeMpUnreachNLRI); ok {
					for _, p := range a.Value {
						k, _ := keyOf(p.NLRI)
						gone <- k
					}
				}
			}
		}
	}()
	s.up()
	s.whole()
	s.hears(host1, 1, true)
	s.said(host1, map[string]int64{"": -1})
	s.segmentRoutes(announcedOfSegment...)
	s.write(func(tx *hwvtep.Txn) { // as the VTEP does then
		for row := range s.bridge.database.view.PhysicalPorts() {
			if row.Name == "p1" {
				row.PortFaultStatus = []string{portDown}
				tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortPortFaultStatus)
			}
		}
		for row := range s.bridge.database.view.UcastMACsLocal() {
			tx.DeleteUcastMACLocal(row.UUID)
		}
	})
	var got []string
	for k := range gone {
		got = append(got, fmt.Sprintf("%d %x", k.kind, k.tag))
		if k.kind == MACIP {
			break
		}
	}
	if want := []string{"1 ffffffff", "4 0", "1 0", "1 0", "2 0"}; !slices.Equal(got, want) {
		t.Errorf("withdrawn are %q, want %q", got, want)
	}
}

// A VTEP that was attached by the word of a neighbor whose session has ended counts as that for a time. What others withdraw at once
// they have lost by the same end; what they withdraw later has left.
func TestLingers(t *testing.T) {
	b, _ := fabricOf(t)
	other, vtep := netip.MustParseAddr("10.0.0.8"), netip.MustParseAddr("10.0.0.9")
	b.sessions[other] = newSession(Neighbor{Address: other, AS: 65002}, 65001)
	a := &attachment{port: hwvtep.PhysicalPort{UUID: hwvtep.UUID{9}, Name: "p1", OtherConfig: map[string]string{hwvtep.KeyESI: esi1}}, vtep: low, up: true, due: true}
	a.configure()
	b.begun, b.settled = true, true
	b.database.ports[a.port.UUID], b.database.bySegment[seg1] = a, a
	r := attachedAt(vtep, relay.Election{})
	says := func(peer netip.Addr) {
		one := *r
		one.epoch = b.sessions[peer].epoch
		id := path{peer, 0, r.key}
		b.drop(id)
		b.keep(id, &one)
		b.place(id, &one)
	}
	rd, err := bgp.ParseRouteDistinguisher(r.rd)
	if err != nil {
		t.Fatal(err)
	}
	nlri := bgp.PathNLRI{NLRI: &bgp.EVPNNLRI{RouteType: bgp.EVPN_ETHERNET_SEGMENT_ROUTE, RouteTypeData: &bgp.EVPNEthernetSegmentRoute{RD: rd, ESI: seg1.wire(), IPAddress: vtep}}}
	withdraws := func(peer netip.Addr) {
		b.update(peer, b.sessions[peer], &relay.Update{Withdrawn: []bgp.PathNLRI{nlri}})
	}
	expect := func(when string, beside bool) {
		t.Helper()
		if got := slices.Contains(a.outcome.beside, vtep); got != beside {
			t.Errorf("%s: attached are %v", when, a.outcome.beside)
		}
	}
	older := func(by time.Duration) {
		l := b.lingers[seg1][vtep]
		l.since = l.since.Add(-by)
		b.lingers[seg1][vtep] = l
	}
	says(high)
	says(other)
	b.forget(high)
	expect("one tells yet", true)
	withdraws(other)
	expect("and loses it, too", true)
	says(other)
	older(echoTime)
	withdraws(other)
	expect("it was back there, and has left", false)

	says(high)
	b.forget(high)
	b.expireLingering(time.Now().Add(-time.Hour))
	expect("not for long", true)
	b.expireLingering(time.Now())
	expect("for long", false)
	if len(b.lingers) > 0 {
		t.Errorf("left are %v", b.lingers)
	}
}
