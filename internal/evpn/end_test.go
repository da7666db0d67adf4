package evpn

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
)

// A VTEP whose VNI is another one is reached with that, by a locator of its own: where switches import by targets that are
// named, or by evpn_labels.
func TestLabels(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyImport: "65002:99"}})
	})
	s.up()
	s.whole()
	configure := func(config map[string]string) {
		t.Helper()
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.LogicalSwitches() {
				if row.Name == "ls0" {
					config[keyVTEPs] = row.OtherConfig[keyVTEPs]
					row.OtherConfig = config
					tx.UpdateLogicalSwitch(row.UUID, row, hwvtep.LogicalSwitchOtherConfig)
				}
			}
		})
	}
	with := func(r *route, label uint32) *route {
		r.vni, r.targets = label, []target{{"65002", false, 99}, {"65002", false, 33}}
		return r
	}
	host2 := "02:00:00:00:00:02"
	flood := func(vtep netip.Addr, rd string, label uint32) *route {
		return with(&route{key: key{kind: Multicast, rd: rd, ip: vtep}, vtep: vtep}, label)
	}
	s.announce(with(hostAt(host1, high), 99), nil)
	s.announce(flood(high, "10.0.0.2:99", 99), nil)
	s.rows(host1+">10.0.0.2 99", ">10.0.0.2 99")

	// Another network of that VTEP, one with the own VNI, and one with none.
	second := with(hostAt(host2, high), 98)
	second.rd = "10.0.0.2:98"
	s.announce(second, nil)
	s.announce(flood(high, "10.0.0.2:98", 98), nil)
	s.announce(flood(netip.MustParseAddr("10.0.0.3"), "10.0.0.3:33", 33), nil)
	s.announce(flood(netip.MustParseAddr("10.0.0.4"), "10.0.0.4:33", 0), nil)
	s.rows(host1+">10.0.0.2 99", host2+">10.0.0.2 98", ">10.0.0.2 98 10.0.0.2 99 10.0.0.3 10.0.0.4")
	s.withdraw(second)
	s.withdraw(flood(high, "10.0.0.2:98", 98))
	s.rows(host1+">10.0.0.2 99", ">10.0.0.2 99 10.0.0.3 10.0.0.4")

	// The VTEP gives its network another VNI.
	s.announce(with(hostAt(host1, high), 97), nil)
	s.announce(flood(high, "10.0.0.2:99", 97), nil)
	s.rows(host1+">10.0.0.2 97", ">10.0.0.2 97 10.0.0.3 10.0.0.4")

	configure(map[string]string{keyImport: "65002:99", keyLabels: "false"})
	s.rows(host1+">10.0.0.2", ">10.0.0.2 10.0.0.3 10.0.0.4")
	configure(map[string]string{})
	s.rows(host1+">10.0.0.2", ">10.0.0.2 10.0.0.3 10.0.0.4")
	configure(map[string]string{keyLabels: "true"})
	s.rows(host1+">10.0.0.2 97", ">10.0.0.2 97 10.0.0.3 10.0.0.4")

	// Somebody sets another key in the locator.
	var changed hwvtep.UUID
	s.write(func(tx *hwvtep.Txn) {
		for row := range s.bridge.database.view.PhysicalLocators() {
			if key, _ := row.TunnelKey.Get(); key == 97 {
				changed, row.TunnelKey = row.UUID, hwvtep.Some[int64](98)
				tx.UpdatePhysicalLocator(row.UUID, row, hwvtep.PhysicalLocatorTunnelKey)
			}
		}
	})
	testenv.Eventually(t, deadline, func() (err error) {
		if asked := s.bridge.ask(t.Context(), func() {
			if _, there := s.bridge.database.view.PhysicalLocator(changed); there {
				err = errors.New("the locator with the other key is still used")
			}
		}); asked != nil {
			return asked
		}
		return err
	})
	s.rows(host1+">10.0.0.2 97", ">10.0.0.2 97 10.0.0.3 10.0.0.4")
}

// A database of a schema in which locators have no tunnel_key: labels can't be told, and are not looked at.
func TestLabelsOfOldSchema(t *testing.T) {
	schema := string(hwvtep.Schema().AppendJSON(nil))
	for part, without := range map[string]string{
		`,"tunnel_key":{"type":{"key":"integer","min":0}}},"indexes":[["encapsulation_type"`: `},"indexes":[["encapsulation_type"`,
		`"dst_ip","tunnel_key"]]`: `"dst_ip"]]`,
	} {
		if strings.Count(schema, part) != 1 {
			t.Fatalf("it has not one %s", part)
		}
		schema = strings.Replace(schema, part, without, 1)
	}
	s := newBedOf(t, []byte(schema), server.Options{}, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyImport: "65002:33"}})
	})
	s.up()
	r := hostAt(host1, high)
	r.vni = 99
	s.announce(r, nil)
	s.whole()
	s.rows(host1 + ">10.0.0.2")
	r.mac = "02:00:00:00:00:02"
	s.announce(r, nil)
	s.rows(host1+">10.0.0.2", r.mac+">10.0.0.2")
	testenv.Eventually(t, deadline, func() error { // and that is all: rows are not made again and again
		p, err := s.bridge.Progress(t.Context())
		if err == nil && p.Pending > 0 {
			err = fmt.Errorf("%d rows are still to be looked at after %d transactions", p.Pending, p.Transactions)
		}
		return err
	})
}

// A database of a schema in which logical switches have no other_config can't remember whose rows are the bridge's: of VTEPs that the fabric
// announces, or has announced, they are. Those of others are left alone.
func TestForgetfulSchema(t *testing.T) {
	schema := string(hwvtep.Schema().AppendJSON(nil))
	table := strings.Index(schema, `"Logical_Switch":{`)
	at := table + strings.Index(schema[table:], `"other_config":`)
	end := at + strings.Index(schema[at:], `}},`) + len(`}},`)
	s := newBedOf(t, []byte(schema[:at]+schema[end:]), server.Options{}, Neighbor{}, func(tx *hwvtep.Txn) {
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		for mac, ip := range map[string]string{"02:00:00:00:00:88": "10.0.0.2", "02:00:00:00:00:99": "10.0.0.9"} {
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: ls,
				Locator: tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: ip})})
		}
	})
	s.up()
	r := hostAt(host1, high)
	s.announce(r, nil)
	m := &route{key: key{kind: Multicast, rd: "10.0.0.2:33", ip: high}, vtep: high, vni: 33, targets: r.targets}
	s.announce(m, nil)
	s.whole() // behind the routes, as of every neighbor: by then it is known whose the rows of before are
	s.rows(host1+">10.0.0.2", ">10.0.0.2", "02:00:00:00:00:99>10.0.0.9")
	s.withdraw(r)
	s.rows(">10.0.0.2", "02:00:00:00:00:99>10.0.0.9")
	s.withdraw(m)
	s.rows("02:00:00:00:00:99>10.0.0.9")
}

// A segment's VTEPs may have a VNI each; so may those of a VRF, where a router's MAC is at one of them in one.
func TestLabelsOfOthers(t *testing.T) {
	n := newNetwork()
	n.vni, n.labels = 33, true
	h := n.host(host1)
	third := netip.MustParseAddr("10.0.0.3")
	id := esi{1}
	for i, vtep := range []netip.Addr{high, third} {
		at := key{kind: Discovery, rd: vtep.String() + ":1", tag: allTags, esi: id}
		n.segment(id).attached[path{key: at}] = &route{key: at, vtep: vtep, segment: id}
		at.tag = 0
		n.segment(id).serving[path{key: at}] = &route{key: at, vtep: vtep, vni: uint32(91 + i), segment: id}
	}
	own := &route{key: key{kind: MACIP, mac: host1}, vtep: high, vni: 90, segment: id}
	h.paths = []*route{own}
	for vtep, want := range map[netip.Addr]uint32{high: 90, third: 92} {
		for _, r := range n.segments[id].attached { // leave that VTEP alone
			r.vtep = vtep
		}
		if got := n.endOf(h, own); got != (end{vtep, want}) {
			t.Errorf("%v, want %v with %d", got, vtep, want)
		}
	}

	l3 := newNetwork()
	l3.vni, l3.labels = 5000, true
	r := &router{net: l3, had: map[string]bool{}}
	l3.l3 = r
	for i, o := range []*route{
		{key: key{kind: Prefix, to: netip.MustParsePrefix("10.5.0.0/16")}, vtep: high, vni: 5001, routerMAC: host1},
		{key: key{kind: MACIP, ip: netip.MustParseAddr("10.6.0.1")}, vtep: high, vni: 33, l3vni: 5002, routerMAC: host1},
		{key: key{kind: Prefix, to: netip.MustParsePrefix("10.7.0.0/16")}, vtep: third, vni: 5000, routerMAC: "02:00:00:00:00:03"},
	} {
		l3.prefixes[path{id: uint32(i)}] = o
	}
	if got := r.owners(); len(got) != 2 || got[host1] != (end{high, 5001}) || got["02:00:00:00:00:03"] != (end{vtep: third}) {
		t.Errorf("routers' MACs are at %v", got)
	}
}

// A row whose locator gets another key leads elsewhere: what was remembered for where it led may not be needed any more.
func TestRekeyedFrees(t *testing.T) {
	ls, locator := hwvtep.UUID{1}, hwvtep.UUID{2}
	n := newNetwork()
	db := &database{networks: map[hwvtep.UUID]*network{ls: n}, marked: map[mark]struct{}{},
		ucast: map[hwvtep.UUID]map[string][]hwvtep.UcastMACRemote{ls: {host1: {{Locator: locator}}}}}
	for id, want := range map[hwvtep.UUID]bool{{3}: false, locator: true} {
		n.freed = false
		clear(db.marked)
		db.markUsers(map[hwvtep.UUID]bool{id: true})
		if _, marked := db.marked[mark{ls, host1}]; marked != want || n.freed != want {
			t.Errorf("locator %v: marked %v, freed %v", id, marked, n.freed)
		}
	}
}
