package evpn

import (
	"bytes"
	"cmp"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v4/api"
	"github.com/osrg/gobgp/v4/pkg/apiutil"
	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// A session that ends has the rows go that its neighbor gave, in few transactions, and leaves what another one gives.
func TestSessionEndsAtOnce(t *testing.T) {
	const hosts = 60
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.whole()
	var all []string
	for i := range hosts {
		mac := fmt.Sprintf("02:00:00:00:01:%02x", i)
		s.announce(hostAt(mac, high), nil)
		all = append(all, mac+">10.0.0.2")
	}
	s.rows(all...)
	before := s.status().Transactions
	_ = s.conn.Close()
	s.rows()
	if n := s.status().Transactions - before; n > hosts/4 {
		t.Errorf("%d hosts go in %d transactions", hosts, n)
	}

	b, n := fabricOf(t)
	other := netip.MustParseAddr("10.0.0.8")
	b.sessions[other] = newSession(Neighbor{Address: other, AS: 65002}, 65001)
	for _, peer := range []netip.Addr{high, other} {
		r := hostAt(host1, high)
		r.epoch = b.sessions[peer].epoch
		id := path{peer, 0, r.key}
		b.keep(id, r)
		b.place(id, r)
	}
	b.forget(high)
	if n.hosts[host1].best() == nil {
		t.Error("what another neighbor tells has gone, too")
	}
	b.forget(other)
	if n.hosts[host1].best() != nil {
		t.Error("the session has ended, and the route is there")
	}
}

// Somebody else writes a key of a logical switch which the bridge has not seen yet when it writes its own: both stay.
func TestWritesBesideOthers(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.whole()
	s.stay()
	if err := s.bridge.ask(t.Context(), func() {
		db := s.bridge.database
		db.take()
		tx := hwvtep.NewTxn(db.view.Layout())
		for row := range db.view.LogicalSwitches() {
			tx.PutLogicalSwitchOtherConfig(row.UUID, map[string]string{"theirs": "1"})
		}
		if _, err := db.replica.Transact(t.Context(), tx.Ops()); err != nil {
			t.Error(err)
		}
		for peer := range s.bridge.sessions {
			r := hostAt(host1, high)
			r.epoch = s.bridge.sessions[peer].epoch
			id := path{peer, 0, r.key}
			s.bridge.sessions[peer].routes++
			s.bridge.keep(id, r)
			s.bridge.place(id, r)
		}
	}); err != nil {
		t.Fatal(err)
	}
	s.rows(host1 + ">10.0.0.2")
	s.remembers("ls0", "10.0.0.2")
	if err := s.bridge.ask(t.Context(), func() {
		for row := range s.bridge.database.view.LogicalSwitches() {
			if row.OtherConfig["theirs"] != "1" {
				t.Errorf("the key of another writer has gone: %v", row.OtherConfig)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// Nothing is announced at an address that is none of the database's switches, whatever row has it.
func TestAnnouncesOwnVTEPs(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		red := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "red", TunnelKey: hwvtep.Some[int64](5000)})
		tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]hwvtep.UUID{"10.1.0.1/24": ls, "169.254.0.1/16": red}, OtherConfig: map[string]string{keyL3Switch: "red", keyGateway: "true"}})
		var locators []hwvtep.UUID
		for i, ip := range []string{"10.0.0.1", "10.0.0.50"} {
			l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ip})
			locators = append(locators, l)
			tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: fmt.Sprintf("02:00:00:00:99:%02x", i+1), Locator: l})
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: fmt.Sprintf("02:00:00:00:00:%02x", i+1), LogicalSwitch: ls, Locator: l})
		}
		set := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: locators})
		tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: unknownDst, LogicalSwitch: ls, LocatorSet: set})
	})
	s.up()
	s.whole()
	s.announces("2 10.0.0.1", "2 10.0.0.1", "3 10.0.0.1", "5 10.0.0.1") // the host, and the gateway
}

// A MAC that goes to and fro is left to the other VTEP in time, which the status and the log say.
func TestDuplicateIsTold(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		newSwitch(tx)
	})
	s.up()
	s.whole()
	var log bytes.Buffer
	if err := s.bridge.ask(t.Context(), func() { s.bridge.log = slog.New(slog.NewTextHandler(&log, nil)) }); err != nil {
		t.Fatal(err)
	}
	r := hostAt(host1, high)
	for i := range 5 {
		r.moved, r.sequence = i > 0, uint32(2*i)
		s.announce(r, nil)
		s.rows(host1 + ">10.0.0.2")
		if s.hears(host1, 0, true); i < 4 {
			s.said(host1, map[string]int64{"": int64(2*i + 1)})
		}
	}
	s.stay(host1 + ">10.0.0.2")
	s.said(host1, map[string]int64{})
	if got := s.status().Switches[0].Duplicates; !slices.Equal(got, []string{host1}) {
		t.Errorf("duplicates: %q", got)
	}
	if err := s.bridge.ask(t.Context(), func() {
		if got := log.String(); strings.Count(got, "to and fro") != 1 || !strings.Contains(got, "level=WARN") || !strings.Contains(got, "switch=ls0 mac="+host1) {
			t.Errorf("the log is\n%s", got)
		}
		for _, n := range s.bridge.database.networks {
			if h := n.hosts[host1]; time.Until(h.until) <= 0 || len(s.bridge.timers) == 0 {
				t.Error("it is not tried again")
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// What a neighbor has said that is away, to be back, comes behind what others say, until it says it again.
func TestAwayComesLast(t *testing.T) {
	b, n := fabricOf(t)
	t.Cleanup(b.stopTimers)
	other := netip.MustParseAddr("10.0.0.8")
	b.sessions[other] = newSession(Neighbor{Address: other, AS: 65002}, 65001)
	to := netip.MustParsePrefix("10.2.0.0/16")
	says := func(peer, vtep netip.Addr, sequence uint32) {
		r := hostAt(host1, vtep)
		r.moved, r.sequence, r.epoch = sequence > 0, sequence, b.sessions[peer].epoch
		id := path{peer, 0, r.key}
		b.drop(id)
		b.keep(id, r)
		b.place(id, r)
	}
	expect := func(when string, vtep netip.Addr) {
		t.Helper()
		if best := n.hosts[host1].best(); best == nil || best.vtep != vtep {
			t.Errorf("%s: the best is %+v", when, best)
		}
		if _, marked := b.database.marked[mark{n.row.UUID, host1}]; !marked {
			t.Errorf("%s: its row is not looked at", when)
		}
		clear(b.database.marked)
	}
	b.heard(relay.Event{Neighbor: high, What: relay.Opened})
	b.heard(relay.Event{Neighbor: other, What: relay.Opened})
	says(high, pes[0], 5)
	says(other, pes[1], 0)
	expect("both are there", pes[0])
	b.heard(relay.Event{Neighbor: high, What: relay.Ended, Keep: time.Hour})
	expect("one is away", pes[1])
	b.heard(relay.Event{Neighbor: other, What: relay.Ended, Keep: time.Hour})
	expect("both are", pes[0])
	b.heard(relay.Event{Neighbor: high, What: relay.Opened, Keep: time.Hour})
	says(high, pes[0], 5)
	expect("the first is back", pes[0])

	near, away := &route{key: key{kind: Prefix, to: to}, vtep: pes[1], hops: 2}, &route{key: key{kind: Prefix, to: to}, vtep: pes[0], hops: 1, stale: true}
	if !near.nearer(away, low) || away.nearer(near, low) || near.equal(away) || near.nearerBy(away) != whyThere || near.betterBy(away) != whyThere {
		t.Error("a prefix of a neighbor that is away comes first")
	}
}

// A switch gets another VNI, and none: all that was announced of it is withdrawn, and announced as of the new one, and rows are those of its routes.
func TestOtherVNI(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: "02:00:00:00:00:09", IPAddr: "192.0.2.9", LogicalSwitch: ls, Locator: l})
		tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: unknownDst, LogicalSwitch: ls, LocatorSet: tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []hwvtep.UUID{l}})})
	})
	s.up()
	other := hostAt("02:00:00:00:00:02", high)
	other.targets = []target{{"65002", false, 44}}
	s.announce(hostAt(host1, high), nil)
	s.announce(other, nil)
	s.whole()
	for _, step := range []struct {
		key  int64
		rows []string
	}{{33, []string{host1 + ">10.0.0.2"}}, {44, []string{other.mac + ">10.0.0.2"}}, {0, nil}, {33, []string{host1 + ">10.0.0.2"}}} {
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.LogicalSwitches() {
				tx.UpdateLogicalSwitch(row.UUID, hwvtep.LogicalSwitch{TunnelKey: hwvtep.Some(step.key)}, hwvtep.LogicalSwitchTunnelKey)
			}
		})
		s.rows(step.rows...)
		var want []string
		for _, kind := range []Kind{MACIP, MACIP, Multicast} {
			if step.key != 0 {
				want = append(want, fmt.Sprintf("%d 10.0.0.1:%d VNI %[2]d [65001:%[2]d]", kind, step.key))
			}
		}
		testenv.Eventually(t, deadline, func() (err error) {
			failed := s.bridge.ask(t.Context(), func() {
				var got []string
				for k, r := range s.bridge.speaker.announced {
					got = append(got, fmt.Sprintf("%d %s VNI %d %v", k.kind, k.rd, r.vni, r.targets))
				}
				if slices.Sort(got); !slices.Equal(got, want) {
					err = fmt.Errorf("announced are %q, want %q", got, want)
				}
			})
			return cmp.Or(failed, err)
		})
	}
}

// What neighbors announce does not get to the library, which would pass it on with itself as next hop.
func TestPassesNothingOn(t *testing.T) {
	s := newBed(t, Neighbor{}, newSwitch)
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.whole()
	s.rows(host1 + ">10.0.0.2")
	hears := func(mac string) (found bool) {
		if err := s.bridge.speaker.bgp.ListPath(apiutil.ListPathRequest{TableType: api.TableType_TABLE_TYPE_GLOBAL, Family: bgp.RF_EVPN}, func(nlri bgp.NLRI, _ []*apiutil.Path) {
			k, _ := keyOf(nlri)
			found = found || k.mac == mac
		}); err != nil {
			t.Fatal(err)
		}
		return found
	}
	const own = "02:00:00:00:00:09"
	if err := s.bridge.ask(t.Context(), func() {
		r := hostAt(own, low)
		if err := s.bridge.speaker.announce(r.key, r); err != nil {
			t.Error(err)
		}
	}); err != nil {
		t.Fatal(err)
	}
	if !hears(own) || hears(host1) {
		t.Errorf("the library has the own route: %v, that of the neighbor: %v", hears(own), hears(host1))
	}
}

// A second label is announced with the router's MAC alone: without it FRR has a neighbor of no MAC, for all that is behind that VTEP.
func TestSecondLabelNeedsMAC(t *testing.T) {
	b, n := fabricOf(t)
	n.router = &router{net: newNetwork()}
	n.router.net.vni = 5000
	for _, source := range []string{"", "02:00:00:00:99:01"} {
		if source != "" {
			b.database.sources[low] = source
		}
		all := b.withRouter(n, host1, []*route{{key: key{kind: MACIP, mac: host1, ip: netip.MustParseAddr("192.0.2.1")}, vtep: low, vni: 33}})
		if len(all) != 1 || all[0].routerMAC != source || (all[0].l3vni != 0) != (source != "") || len(all[0].labels()) != map[bool]int{false: 1, true: 2}[source != ""] {
			t.Errorf("with the router's MAC %q: %+v", source, all)
		}
	}
}
