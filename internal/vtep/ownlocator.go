package vtep

import (
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// end is what a locator of ours stands for: one of our tunnel IPs, or with a number the port there of an Ethernet segment.
type end struct {
	ip      netip.Addr
	segment uint32
}

// local is the end that our rows have, but for those of MACs at ports of segments.
func (r *Reporter) local() end { return end{ip: r.f.scope.First()} }

// localLocator returns the locator that stands for this VTEP, and makes it if there is none.
func (r *Reporter) localLocator(tx *hwvtep.Txn) UUID { return r.endLocator(tx, r.local()) }

// isLocal says whether a locator can stand for this VTEP.
func (r *Reporter) isLocal(id UUID) bool { return r.isEnd(id, r.local()) }

// endLocator is localLocator for any end.
func (r *Reporter) endLocator(tx *hwvtep.Txn, at end) UUID {
	ids, _ := r.f.byAddr.Get(at.ip)
	for _, id := range ids {
		if r.isEnd(id, at) {
			return id
		}
	}
	id, ok := r.inserted[at]
	if !ok {
		row := hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: at.ip.String()}
		if at.segment != 0 {
			row.TunnelKey = hwvtep.Some(int64(at.segment))
		}
		id = tx.InsertPhysicalLocator(row)
		r.inserted[at] = id
	}
	return id
}

// isEnd says whether a locator can stand for an end. For a tunnel IP only one without a key will do: it is what
// NVCs look for, and a key that somebody has set on ours would have others send with it.
func (r *Reporter) isEnd(id UUID, at end) bool {
	l := r.f.locators[id]
	return l != nil && l.addr == at.ip && l.wrong == nil && l.keyed == (at.segment != 0) && (!l.keyed || l.vni == at.segment)
}

// placeOf is the end of the row of a MAC, which is there if have: a bridge to EVPN has to know which are at the port of a
// segment. Of one that is not learned again, after a restart, what its row says.
func (r *Reporter) placeOf(key intent.MACKey, row localMAC, have bool) end {
	at := r.local()
	if len(r.f.segments.byNumber) == 0 || !r.f.view.Layout().HasColumn(hwvtep.TablePhysicalLocator, "tunnel_key") {
		return at
	}
	if learned, ok := r.learned.Get(key); ok {
		at.segment = r.f.segments.of[learned.Port].number
	} else if number := r.f.segmentAt(row.locator); have && r.f.segments.port(number) != "" {
		at.segment = number
	}
	return at
}

// markPlaces has the rows of MACs compared, after segments have got other numbers.
func (r *Reporter) markPlaces() {
	r.markLearned()
	for id, macs := range r.macs {
		for mac := range macs {
			r.MarkMAC(intent.MACKey{Switch: id, MAC: mac})
		}
	}
}
