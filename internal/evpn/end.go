package evpn

import (
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// keyLabels is of Logical_Switch.other_config: "true" has the labels of routes be the VNIs of those who announce them, "false"
// has the VNI of the switch be that of all. Without it, they are where route targets to import are named: only there others
// can have another VNI.
const keyLabels = "evpn_labels"

// noVNI is the VNI of an end whose locator has a key that is none.
const noVNI = 1 << 24

// end is what a locator stands for: a VTEP, and its VNI where that is not the switch's, else 0.
type end struct {
	vtep netip.Addr
	vni  uint32
}

func (e end) compare(o end) int {
	if c := e.vtep.Compare(o.vtep); c != 0 {
		return c
	}
	return int(e.vni) - int(o.vni)
}

// end is where a route leads to in a network (RFC 8365, section 5.1.1: VNIs may be of one VTEP's making). Frames of the other
// VTEP come with that VNI, too: of one like FRR, which does not look at labels.
func (n *network) end(r *route) end {
	label := r.vni
	if n.l3 != nil && r.kind == MACIP {
		label = r.l3vni
	}
	if !n.labels || label == n.vni {
		label = 0
	}
	return end{r.vtep, label}
}

// endOf is where frames to a host are sent for its best route.
func (n *network) endOf(h *host, best *route) end {
	if a := n.at(best); a != nil {
		return end{a.vtep, a.number}
	}
	at := n.reach(h, best)
	if best.vtep == at {
		return n.end(best)
	}
	var found *route
	for _, r := range h.paths {
		if r.segment == best.segment && r.vtep == at && (found == nil || r.better(found)) {
			found = r
		}
	}
	if found == nil {
		for _, r := range n.segments[best.segment].serving {
			if r.vtep == at && (found == nil || r.vni < found.vni) {
				found = r
			}
		}
	}
	if found == nil {
		return end{vtep: at}
	}
	return n.end(found)
}

// endOfLocator is that of a row.
func endOfLocator(l *hwvtep.PhysicalLocator) end {
	ip, _ := netip.ParseAddr(l.DstIP)
	e := end{vtep: ip.Unmap()}
	if key, ok := l.TunnelKey.Get(); ok {
		if e.vni = noVNI; key > 0 && key < noVNI {
			e.vni = uint32(key)
		}
	}
	return e
}

// markUsers marks remote rows that name any of these locators, which lead elsewhere now.
func (db *database) markUsers(locators map[hwvtep.UUID]bool) {
	if len(locators) == 0 {
		return // as is usual: costs nothing
	}
	for ls, macs := range db.ucast {
		for mac, rows := range macs {
			if slices.ContainsFunc(rows, func(r hwvtep.UcastMACRemote) bool { return locators[r.Locator] }) {
				db.free(ls)
				db.marked[mark{ls, mac}] = struct{}{}
			}
		}
	}
	for ls, rows := range db.floods {
		for _, row := range rows {
			set, _ := db.view.PhysicalLocatorSet(row.LocatorSet)
			if slices.ContainsFunc(set.Locators, func(id hwvtep.UUID) bool { return locators[id] }) {
				db.free(ls)
				db.marked[mark{ls, ""}] = struct{}{}
			}
		}
	}
}
