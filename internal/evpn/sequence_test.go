package evpn

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// nextUpdate reads messages until one is of routes, and can be read: the library knows no community of elections.
func nextUpdate(t *testing.T, from io.Reader) *bgp.BGPUpdate {
	t.Helper()
	for {
		b := make([]byte, 4096)
		_, err := io.ReadFull(from, b[:19])
		if err == nil {
			_, err = io.ReadFull(from, b[19:binary.BigEndian.Uint16(b[16:])])
		}
		if err != nil {
			t.Fatal(err)
		}
		m, err := bgp.ParseBGPMessage(b[:binary.BigEndian.Uint16(b[16:])])
		if err != nil {
			continue
		}
		if u, ok := m.Body.(*bgp.BGPUpdate); ok {
			return u
		}
	}
}

// withdrawn is in the place of a sequence.
const withdrawn = -2

// sequences reads messages until one announces the other MAC, and returns the sequences of all routes of the first before, -1 for none.
func sequences(t *testing.T, from io.Reader, mac, until string) (all []int64) {
	t.Helper()
	for {
		u := nextUpdate(t, from)
		over := false
		of := func(paths []bgp.PathNLRI) (n int) {
			for _, p := range paths {
				k, _ := keyOf(p.NLRI)
				if over = over || k.mac == until; k.mac == mac {
					n++
				}
			}
			return n
		}
		for _, a := range u.PathAttributes {
			switch a := a.(type) {
			case *bgp.PathAttributeMpReachNLRI:
				sequence := int64(-1)
				if r := readAttributes(u.PathAttributes, true); r.moved {
					sequence = int64(r.sequence)
				}
				all = append(all, slices.Repeat([]int64{sequence}, of(a.Value))...)
			case *bgp.PathAttributeMpUnreachNLRI:
				all = append(all, slices.Repeat([]int64{withdrawn}, of(a.Value))...)
			}
		}
		if over {
			return all
		}
	}
}

// Sequences that are announced are the bridge's, from the first message on, and not of the library's making. What the library
// refuses is told, and changes nothing. A host that goes from port to port of its VTEP is announced as before, without a word.
func TestOwnSequences(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		here := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: "02:00:00:00:00:09", LogicalSwitch: ls, Locator: here})
	})
	told, w := io.Pipe()
	t.Cleanup(func() { _ = told.Close() })
	s.told = w
	s.up()
	r := hostAt(host1, high)
	r.moved, r.sequence = true, 5
	s.announce(r, nil)
	s.whole()
	s.rows(host1 + ">10.0.0.2")
	s.write(func(tx *hwvtep.Txn) {
		for row := range s.bridge.database.view.UcastMACsLocal() {
			row.MAC, row.IPAddr = host1, "192.0.2.1"
			tx.InsertUcastMACLocal(row)
		}
	})
	s.said(host1, map[string]int64{"": 6, "192.0.2.1": 6})
	if err := s.bridge.ask(t.Context(), func() {
		k := key{kind: MACIP, rd: "10.0.0.1:33", mac: host1}
		lower := *s.bridge.speaker.announced[k]
		lower.sequence = 3
		if err := s.bridge.speaker.announce(k, &lower); err == nil || !strings.Contains(err.Error(), "sequence number") {
			t.Errorf("a lower sequence: %v", err)
		}
		if got := s.bridge.speaker.announced[k].sequence; got != 6 {
			t.Errorf("%d is announced", got)
		}
	}); err != nil {
		t.Fatal(err)
	}
	change := func(f func(tx *hwvtep.Txn, row hwvtep.UcastMACLocal)) {
		s.write(func(tx *hwvtep.Txn) {
			for row := range s.bridge.database.view.UcastMACsLocal() {
				if row.MAC == host1 {
					f(tx, row)
				}
			}
		})
	}
	at := func(tx *hwvtep.Txn, number int64) hwvtep.UUID { // of a port
		return tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1", TunnelKey: hwvtep.Some(number)})
	}
	for port := range int64(2 * mostMoves) {
		change(func(tx *hwvtep.Txn, row hwvtep.UcastMACLocal) {
			if row.Locator = at(tx, 2*port+1); port%2 == 0 {
				tx.UpdateUcastMACLocal(row.UUID, row, hwvtep.UcastMACLocalLocator)
			} else { // as VTEPs of others may
				tx.DeleteUcastMACLocal(row.UUID)
				tx.InsertUcastMACLocal(row)
			}
		})
	}
	s.said(host1, map[string]int64{"": 6, "192.0.2.1": 6})
	change(func(tx *hwvtep.Txn, row hwvtep.UcastMACLocal) { tx.DeleteUcastMACLocal(row.UUID) })
	s.said(host1, map[string]int64{})
	s.hears("02:00:00:00:00:99", 1, true)
	if got := sequences(t, told, host1, "02:00:00:00:00:99"); !slices.Equal(got, []int64{6, 6, withdrawn, withdrawn}) {
		t.Errorf("announced with %d", got)
	}

	// A route can be withdrawn whose sequence is lower than that of another VTEP of ours.
	if err := s.bridge.ask(t.Context(), func() {
		for _, step := range []struct {
			rd       string
			sequence uint32
		}{{"10.0.0.1:33", 20}, {"10.0.0.7:33", 30}, {"10.0.0.1:33", 0}, {"10.0.0.7:33", 0}} {
			r := hostAt(host1, low)
			r.rd, r.moved, r.sequence, r.targets = step.rd, true, step.sequence, []target{{"65001", false, 33}}
			k := r.key
			if step.sequence == 0 {
				r = nil
			}
			if err := s.bridge.speaker.announce(k, r); err != nil {
				t.Errorf("%+v: %v", step, err)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
}

// A host that others take, and give up again, more often than a host goes to and fro is announced each time that nobody else has it.
func TestGivenUp(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		here := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: host1, LogicalSwitch: ls, Locator: here})
	})
	s.up()
	s.whole()
	r := hostAt(host1, high)
	for range mostMoves + 2 {
		r.moved, r.sequence = true, r.sequence+1
		s.announce(r, nil)
		s.said(host1, map[string]int64{})
		s.rows(host1 + ">10.0.0.2")
		s.withdraw(r)
		r.sequence++
		s.said(host1, map[string]int64{"": int64(r.sequence)})
		s.rows()
	}
}

// A host that is here, and was left to another VTEP, is announced again when the route of that one counts no more, by whatever that comes about: a
// withdraw is only one way.
func TestForsaken(t *testing.T) {
	var v1, ls, here hwvtep.UUID
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 = tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		ls = tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
		here = tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: host1, LogicalSwitch: ls, Locator: here})
	})
	s.up()
	s.whole()
	s.said(host1, map[string]int64{"": -1})
	s.write(func(*hwvtep.Txn) { // by which these are known from now on
		for row := range s.bridge.database.view.LogicalSwitches() {
			ls = row.UUID
		}
		for row := range s.bridge.database.view.PhysicalSwitches() {
			v1 = row.UUID
		}
	})
	tunnelIPs := func(ips ...string) {
		s.write(func(tx *hwvtep.Txn) {
			tx.UpdatePhysicalSwitch(v1, hwvtep.PhysicalSwitch{TunnelIPs: ips}, hwvtep.PhysicalSwitchTunnelIPs)
		})
	}
	r, attached := hostAt(host1, high), &route{key: key{kind: Discovery, rd: "10.0.0.2:1", tag: allTags, esi: seg1}, vtep: high, segment: seg1, targets: []target{{"65002", false, 33}}}
	for _, way := range []struct {
		name       string
		goes, back func()
	}{
		{"another target", func() {
			of := *r
			of.targets = []target{{"65002", false, 99}}
			s.announce(&of, nil)
		}, nil},
		{"another encapsulation", func() {
			s.announce(r, func(b []byte) []byte {
				return bytes.Replace(b, []byte{3, 0x0c, 0, 0, 0, 0, 0, 8}, []byte{3, 0x0c, 0, 0, 0, 0, 0, 2}, 1)
			})
		}, nil},
		{"a tunnel IP of ours", func() { tunnelIPs("10.0.0.1", "10.0.0.2") }, func() { tunnelIPs("10.0.0.1") }},
		{"another import", func() {
			s.write(func(tx *hwvtep.Txn) {
				tx.PutLogicalSwitchOtherConfig(ls, map[string]string{keyImport: "65009:1"})
			})
		}, func() { s.write(func(tx *hwvtep.Txn) { tx.RemoveLogicalSwitchOtherConfig(ls, keyImport) }) }},
		{"a segment of another target", func() {
			of := *attached
			of.targets = []target{{"65002", false, 99}}
			s.announce(&of, nil)
		}, nil},
	} {
		if way.name == "a segment of another target" {
			s.announce(attached, nil)
			r.segment = seg1
		}
		r.moved, r.sequence = true, r.sequence+5
		s.announce(r, nil)
		s.said(host1, map[string]int64{})
		s.rows(host1 + ">10.0.0.2")
		t.Log(way.name)
		way.goes()
		s.said(host1, map[string]int64{"": int64(r.sequence) + 1})
		s.rows()
		s.withdraw(r)
		if way.back != nil {
			way.back()
		}
	}
}

// The other VTEP of a segment is no longer attached, and has yet to withdraw the host that it has, which is here as well, at another port: the
// host is reached by the port of the segment. When that is gone, too, it is announced again.
func TestForsakenWithPort(t *testing.T) {
	s := newBed(t, Neighbor{}, ownSegment)
	s.up()
	s.whole()
	s.holds("p1", "1 [] ")
	other := discovery(high, allTags, false)
	other.targets = []target{{"65002", false, 33}}
	s.announce(other, nil)
	s.hears(host1, 0, true)
	s.said(host1, map[string]int64{"": -1})
	r := hostAt(host1, high)
	r.segment, r.moved, r.sequence = seg1, true, 5
	s.announce(r, nil)
	s.said(host1, map[string]int64{})
	s.rows(host1 + ">10.0.0.1 1")
	const behind = "02:00:00:00:00:02"
	s.withdraw(other)
	s.announce(hostAt(behind, high), nil)
	s.rows(host1+">10.0.0.1 1", behind+">10.0.0.2")
	s.port("p1", func(tx *hwvtep.Txn, row hwvtep.PhysicalPort) {
		row.PortFaultStatus = []string{portDown}
		tx.UpdatePhysicalPort(row.UUID, row, hwvtep.PhysicalPortPortFaultStatus)
	})
	s.said(host1, map[string]int64{"": 6})
	s.rows(behind + ">10.0.0.2") // the route of host1 has not gone with a session
}

// A host is heard here beside the row that places it elsewhere, and elsewhere again before the bridge has written that. The row, which
// is right again, comes anew: for one that stays the agent would not take back its own, and not tell when the host comes again.
func TestHeardBeside(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.1"}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
		tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls0", TunnelKey: hwvtep.Some[int64](33)})
	})
	s.up()
	r := hostAt(host1, high)
	r.moved, r.sequence = true, 5
	s.announce(r, nil)
	s.whole()
	s.rows(host1 + ">10.0.0.2")

	db := s.bridge.database
	row := func() (id hwvtep.UUID) {
		for row := range db.view.UcastMACsRemote() {
			id = row.UUID
		}
		return id
	}
	var before hwvtep.UUID
	r.sequence = 7
	m, err := bgp.ParseBGPMessage(s.update(r, nil))
	if err != nil {
		t.Fatal(err)
	}
	attrs := m.Body.(*bgp.BGPUpdate).PathAttributes
	update := &relay.Update{Attrs: attrs}
	for _, a := range attrs {
		if reach, ok := a.(*bgp.PathAttributeMpReachNLRI); ok {
			update.Announced = reach.Value
		}
	}
	if err := s.bridge.ask(t.Context(), func() { // between two transactions of the bridge
		before = row()
		tx := hwvtep.NewTxn(db.view.Layout())
		here := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1"})
		for ls := range db.view.LogicalSwitches() {
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: host1, LogicalSwitch: ls.UUID, Locator: here})
		}
		if _, err := db.replica.Transact(t.Context(), tx.Ops()); err != nil {
			t.Error(err)
		}
		db.take()
		for ls := range db.networks {
			if h := db.networks[ls].hosts[host1]; h == nil || h.here() == nil {
				t.Error("it is not here")
			}
		}
		if s.bridge.speaker.announced[key{kind: MACIP, rd: "10.0.0.1:33", mac: host1}] == nil {
			t.Error("it is not announced")
		}
		for neighbor, session := range s.bridge.sessions {
			s.bridge.update(neighbor, session, update)
		}
		for k := range s.bridge.speaker.announced { // at once: nothing waits for the database
			if k.mac == host1 {
				t.Errorf("%v is announced beside the better route of another VTEP", k)
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	testenv.Eventually(t, deadline, func() (err error) {
		if asked := s.bridge.ask(t.Context(), func() {
			if db.take(); row() == before {
				err = errors.New("the row has stayed")
			}
		}); asked != nil {
			return asked
		}
		return err
	})
	s.rows(host1 + ">10.0.0.2")
}
