package evpn

import (
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
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
				row.OtherConfig = map[string]string{keyESI: esi1, keySegment: "1", keyBeside: "10.0.0.3", keyBlocked: blockedAll}
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
