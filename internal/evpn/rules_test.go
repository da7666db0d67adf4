package evpn

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// withdraw takes a route back, with another label than it had, as others do.
func (s *bed) withdraw(r *route) {
	s.Helper()
	of := *r
	of.vni = 0
	p, err := encode(&of)
	if err != nil {
		s.Fatal(err)
	}
	unreach, err := bgp.NewPathAttributeMpUnreachNLRI(bgp.RF_EVPN, []bgp.PathNLRI{{NLRI: p.Nlri}})
	if err != nil {
		s.Fatal(err)
	}
	s.send(bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{unreach}, nil))
}

// rows waits until these are the remote rows, "MAC>IP KEY" of Ucast_Macs_Remote and ">IP ..." of unknown-dst.
func (s *bed) rows(want ...string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		var got []string
		err := s.bridge.ask(s.Context(), func() {
			view := s.bridge.database.view
			if view == nil {
				return // it is not read yet
			}
			end := func(id hwvtep.UUID) string {
				l, _ := view.PhysicalLocator(id)
				if key, ok := l.TunnelKey.Get(); ok {
					return fmt.Sprintf("%s %d", l.DstIP, key)
				}
				return l.DstIP
			}
			for row := range view.UcastMACsRemote() {
				got = append(got, row.MAC+">"+end(row.Locator))
			}
			for row := range view.McastMACsRemote() {
				set, _ := view.PhysicalLocatorSet(row.LocatorSet)
				var all []string
				for _, id := range set.Locators {
					all = append(all, end(id))
				}
				slices.Sort(all)
				got = append(got, ">"+strings.Join(all, " "))
			}
		})
		slices.Sort(got)
		slices.Sort(want)
		if err == nil && !slices.Equal(got, want) {
			err = fmt.Errorf("rows %q, want %q", got, want)
		}
		return err
	})
}

// stay is rows when all is done that the neighbor has said, as it is when there is the row of a host that it announces behind that.
func (s *bed) stay(want ...string) {
	s.Helper()
	last := hostAt("02:00:00:00:00:fd", netip.MustParseAddr("10.0.0.253"))
	s.announce(last, nil)
	s.rows(append(want, last.mac+">10.0.0.253")...)
	s.withdraw(last)
	s.rows(want...)
}

// said is what is announced of a MAC, by its IP address: the sequence, -1 for none.
func (s *bed) said(mac string, want map[string]int64) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		all, err := s.bridge.Routes(s.Context(), mac)
		got := map[string]int64{}
		for _, r := range all {
			if r.Neighbor == "" {
				got[r.IP] = r.Sequence
			}
		}
		if err == nil && !maps.Equal(got, want) {
			err = fmt.Errorf("%s is announced as %v, want %v", mac, got, want)
		}
		return err
	})
}

// What becomes of routes and rows, rule by rule.
func TestRules(t *testing.T) {
	other := netip.MustParseAddr("10.0.0.3")
	var ls, here hwvtep.UUID
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		// A locator with a key, of another writer, is not what a route means.
		keyed := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.2", TunnelKey: hwvtep.Some[int64](77)})
		own := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		stray := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "stray"})
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: "02:00:00:00:77:77", LogicalSwitch: stray, Locator: keyed})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: "02:00:00:00:88:88", LogicalSwitch: stray, Locator: own})
	})
	s.up()
	s.whole()
	const stray = "02:00:00:00:77:77>10.0.0.2 77"
	flood := func(vtep netip.Addr, rd string) *route {
		return &route{key: key{kind: Multicast, rd: rd, ip: vtep}, vtep: vtep, vni: 33, targets: []target{{"65002", false, 33}}}
	}
	at := func(vtep netip.Addr, change func(*route)) *route {
		r := hostAt(host1, vtep)
		if r.rd = vtep.String() + ":33"; change != nil {
			change(r)
		}
		return r
	}

	// The label is not looked at, and any Ethernet tag is one, which tells routes from one another.
	odd := at(high, func(r *route) { r.tag, r.vni = 33, 999 })
	s.announce(odd, nil)
	s.rows(stray, host1+">10.0.0.2")
	s.announce(at(high, nil), nil)
	s.withdraw(at(high, nil))
	s.stay(stray, host1+">10.0.0.2")
	s.withdraw(odd)
	s.rows(stray)

	// A MAC alone and with its address are one row, until the last goes.
	with := at(high, func(r *route) { r.ip = netip.MustParseAddr("192.0.2.1") })
	s.announce(at(high, nil), nil)
	s.announce(with, nil)
	s.rows(stray, host1+">10.0.0.2")
	s.knows(host1, " 192.0.2.1 ")
	s.withdraw(at(high, nil))
	s.rows(stray, host1+">10.0.0.2")

	// Of several the lower address is chosen, and anew when one goes; a higher sequence comes first, and before that what may not move.
	s.announce(at(other, nil), nil)
	s.knows(host1, "the one of 10.0.0.2 is better: ")
	s.rows(stray, host1+">10.0.0.2")
	s.withdraw(with)
	s.rows(stray, host1+">10.0.0.3")
	s.announce(at(high, func(r *route) { r.moved, r.sequence = true, 5 }), nil)
	s.rows(stray, host1+">10.0.0.2")
	for _, fixed := range []func(*route){func(r *route) { r.moved, r.sticky = true, true }, func(r *route) { r.gateway = true }} {
		s.announce(at(other, fixed), nil)
		s.rows(stray, host1+">10.0.0.3")
		s.announce(at(other, nil), nil)
		s.rows(stray, host1+">10.0.0.2")
	}
	s.withdraw(at(high, nil))
	s.rows(stray, host1+">10.0.0.3")

	// Type 3 makes members, one for each VTEP, and type 2 hosts: neither the other.
	s.announce(flood(other, "10.0.0.3:33"), nil)
	s.announce(flood(other, "10.0.0.3:34"), nil)
	s.rows(stray, host1+">10.0.0.3", ">10.0.0.3")
	s.withdraw(flood(other, "10.0.0.3:33"))
	s.stay(stray, host1+">10.0.0.3", ">10.0.0.3")
	s.withdraw(flood(other, "10.0.0.3:34"))
	s.rows(stray, host1+">10.0.0.3")

	// Somebody deletes the row by its MAC: it comes back. Each VTEP is to get its own copy of what is flooded.
	s.write(func(tx *hwvtep.Txn) {
		view := s.bridge.database.view
		for row := range view.UcastMACsRemote() {
			if row.MAC == host1 {
				tx.DeleteUcastMACRemote(row.UUID)
			}
		}
		for row := range view.LogicalSwitches() {
			if row.Name == "ls0" {
				ls = row.UUID
			}
		}
		for row := range view.PhysicalLocators() {
			if row.DstIP == "10.0.0.1" {
				here = row.UUID
			}
		}
	})
	s.rows(stray, host1+">10.0.0.3")
	if err := s.bridge.ask(t.Context(), func() {
		if mode := s.bridge.database.networks[ls].row.ReplicationMode; mode != hwvtep.ReplicationModeSourceNode {
			t.Errorf("replication_mode is %q", mode)
		}
	}); err != nil {
		t.Fatal(err)
	}

	// A host that others have, or have had, is announced with the next sequence; one of here only with none, and with none
	// when it goes from port to port. No host is one of a group, or at another locator than a switch's.
	const fresh = "02:00:00:00:00:09"
	insert := func(mac, ip string, locator func(tx *hwvtep.Txn) hwvtep.UUID) {
		s.write(func(tx *hwvtep.Txn) {
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: mac, IPAddr: ip, LogicalSwitch: ls, Locator: locator(tx)})
		})
	}
	own := func(*hwvtep.Txn) hwvtep.UUID { return here }
	insert(host1, "", own)
	s.said(host1, map[string]int64{"": 6})
	s.rows(stray)
	insert(fresh, "", own)
	s.said(fresh, map[string]int64{"": -1})
	s.write(func(tx *hwvtep.Txn) { // as an agent may that hears it at another port
		for row := range s.bridge.database.view.UcastMACsLocal() {
			if row.MAC == fresh {
				row.IPAddr = "192.0.2.9"
				tx.UpdateUcastMACLocal(row.UUID, row, hwvtep.UcastMACLocalIPAddr)
			}
		}
	})
	s.said(fresh, map[string]int64{"": -1, "192.0.2.9": -1})
	insert("01:00:5e:00:00:05", "", own)
	insert("00:00:00:00:00:00", "", own)
	insert("02:00:00:00:00:0b", "", func(tx *hwvtep.Txn) hwvtep.UUID {
		return tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.50"})
	})
	insert("02:00:00:00:00:0c", "", own)
	s.said("02:00:00:00:00:0c", map[string]int64{"": -1})
	for _, mac := range []string{"01:00:5e:00:00:05", "00:00:00:00:00:00", "02:00:00:00:00:0b", "02:00:00:00:88:88"} {
		s.said(mac, map[string]int64{})
	}
}

// Rows of other writers stay, and come first, at a VTEP of the fabric, too: those of before the bridge, and those that come later.
func TestRowsOfOthers(t *testing.T) {
	const early, late = "02:00:00:00:00:e1", "02:00:00:00:00:e2"
	var ls, at hwvtep.UUID
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.2"})
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: early, LogicalSwitch: ls, Locator: at, IPAddr: "192.0.2.1"})
	})
	s.up()
	s.announce(hostAt(host1, high), nil)
	s.whole()
	s.rows(early+">10.0.0.2", host1+">10.0.0.2")
	s.write(func(tx *hwvtep.Txn) {
		for row := range s.bridge.database.view.UcastMACsRemote() {
			ls, at = row.LogicalSwitch, row.Locator
		}
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: late, LogicalSwitch: ls, Locator: at, IPAddr: "192.0.2.2"})
	})
	for _, mac := range []string{early, late} {
		s.announce(hostAt(mac, high), nil)
		s.knows(mac, "another writer has a row of it")
		s.withdraw(hostAt(mac, high))
	}
	s.announce(hostAt(host1, high), nil) // behind all of that
	s.withdraw(hostAt(host1, high))
	s.rows(early+">10.0.0.2", late+">10.0.0.2")
	s.remembers("ls0", "") // or those that are left would be the bridge's at its next start
	s.knowsAddress(early, "192.0.2.1")
	s.knowsAddress(late, "192.0.2.2")
}

// A row of another writer comes while the bridge makes one for the same MAC, without having seen it: the bridge's own goes again.
func TestRowAtOnce(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	})
	s.up()
	s.whole()
	const before = "02:00:00:00:00:02"
	s.announce(hostAt(before, high), nil) // so that the switch's row remembers the VTEP
	s.rows(before + ">10.0.0.2")
	if err := s.bridge.ask(t.Context(), func() {
		db := s.bridge.database
		tx := hwvtep.NewTxn(db.view.Layout())
		for ls := range db.networks {
			at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.9"})
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: host1, LogicalSwitch: ls, Locator: at})
		}
		if _, err := db.replica.Transact(t.Context(), tx.Ops()); err != nil {
			t.Error(err)
		}
		hears(s.bridge, true, hostAt(host1, high))
		db.write()
		if db.writer.Idle() {
			t.Error("nothing is written")
		}
	}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, deadline, func() (err error) {
		failed := s.bridge.ask(t.Context(), func() {
			if db := s.bridge.database; db.rows < 3 || !db.writer.Idle() {
				err = fmt.Errorf("%d rows are written", db.rows)
			}
		})
		return cmp.Or(failed, err)
	})
	s.rows(before+">10.0.0.2", host1+">10.0.0.9")
}

// knowsAddress looks whether the row of a MAC has an address.
func (s *bed) knowsAddress(mac, want string) {
	s.Helper()
	if err := s.bridge.ask(s.Context(), func() {
		for row := range s.bridge.database.view.UcastMACsRemote() {
			if row.MAC == mac && row.IPAddr != want {
				s.Errorf("%s has the address %q, want %q", mac, row.IPAddr, want)
			}
		}
	}); err != nil {
		s.Fatal(err)
	}
}

// What a neighbor has announced and withdrawn goes at once, also before all neighbors have sent their routes; what is left of before a
// start waits for them.
func TestWithdrawnEarly(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33), OtherConfig: map[string]string{keyVTEPs: "10.0.0.9"}})
		at := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.9"})
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: "02:00:00:00:00:09", LogicalSwitch: ls, Locator: at})
		tx.InsertMcastMACRemote(hwvtep.McastMACRemote{MAC: unknownDst, LogicalSwitch: ls, LocatorSet: tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []hwvtep.UUID{at}})})
	})
	s.opens(65002, bgp.NewCapGracefulRestart(true, false, 60, []*bgp.CapGracefulRestartTuple{bgp.NewCapGracefulRestartTuple(bgp.RF_EVPN, true)}))
	flood := &route{key: key{kind: Multicast, rd: "10.0.0.2:33", ip: high}, vtep: high, vni: 33, targets: []target{{"65002", false, 33}}}
	s.announce(hostAt(host1, high), nil)
	s.announce(flood, nil)
	s.rows("02:00:00:00:00:09>10.0.0.9", host1+">10.0.0.2", ">10.0.0.2 10.0.0.9")
	s.withdraw(hostAt(host1, high))
	s.withdraw(flood)
	s.rows("02:00:00:00:00:09>10.0.0.9", ">10.0.0.9")
	s.whole()
	s.rows()
}
