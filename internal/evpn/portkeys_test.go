package evpn

import (
	"errors"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// Neighbors may have told all that they know before the database is read: then what keys of before say counts no more, but the
// port need not wait for an election either.
func TestHoldsFormerBeforeRead(t *testing.T) {
	for _, settled := range []bool{false, true} {
		s := newBed(t, Neighbor{}, ownSegment)
		s.up()
		s.whole()
		s.holds("p1", "1 [] ")
		err := s.bridge.ask(t.Context(), func() {
			db := s.bridge.database
			for id, row := range db.segmentPorts {
				row.OtherConfig = map[string]string{hwvtep.KeyESI: esi1, hwvtep.KeySegment: "1", hwvtep.KeySegmentVTEPs: "10.0.0.3", hwvtep.KeyBlocked: "10"}
				db.segmentPorts[id] = row
			}
			s.bridge.settled, db.read, db.ports = settled, false, map[hwvtep.UUID]*attachment{} // as before the first look
			db.readPorts(map[*network]bool{})
			db.read = true
			for _, a := range db.ports {
				if (a.former == nil) != settled || !a.due {
					t.Errorf("settled %v: %+v, due %v", settled, a.former, a.due)
				}
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A link is announced at the address that the VTEP's tunnels begin at.
func TestAttachedAtTunnelIP(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		p1 := tx.InsertPhysicalPort(hwvtep.PhysicalPort{Name: "p1", OtherConfig: map[string]string{hwvtep.KeyESI: esi1}})
		v1 := tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "v1", TunnelIPs: []string{"10.0.0.9", "10.0.0.10", "127.0.0.1"}, Ports: []hwvtep.UUID{p1}})
		tx.InsertGlobal(hwvtep.Global{Switches: []hwvtep.UUID{v1}})
	})
	s.up()
	s.whole()
	testenv.Eventually(s, deadline, func() error {
		err := errors.New("no link is announced")
		if failed := s.bridge.ask(t.Context(), func() {
			for k, r := range s.bridge.speaker.announced {
				if k.kind == Attached {
					if err = nil; k.ip.String() != "10.0.0.10" || r.vtep != k.ip {
						t.Errorf("announced at %v, next hop %v", k.ip, r.vtep)
					}
				}
			}
		}); failed != nil {
			return failed
		}
		return err
	})
}

// Rows of others at a tunnel IP of ours are left alone, but those with the number of a segment, as an earlier bridge has left them.
func TestRowsBesideSegment(t *testing.T) {
	s := newBed(t, Neighbor{}, func(tx *hwvtep.Txn) {
		ownSegment(tx)
		ls := tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: "ls2", TunnelKey: hwvtep.Some[int64](35), OtherConfig: map[string]string{keyVTEPs: "10.0.0.1#1"}})
		for mac, number := range map[string]int64{host1: 77, "02:00:00:00:00:02": 1} {
			l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "10.0.0.1", TunnelKey: hwvtep.Some(number)})
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: ls, Locator: l})
		}
	})
	s.up()
	s.whole()
	s.holds("p1", "1 [] ")
	s.rows(host1 + ">10.0.0.1 77")
}
