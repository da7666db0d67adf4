package evpn

import (
	"fmt"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
)

// A VTEP tells of a port without link, but of no other: port_fault_status is empty, too, before it has told anything, and in a
// server that has begun anew. So it gets time to tell: of a port that is new to the bridge, and of one that was without link when the
// database was read anew, for which the VTEP has to have found the server, too.
const (
	tellTime   = 2 * time.Second
	retellTime = 10 * time.Second
)

// attaches says whether the VTEP is attached by a port of ours, which was as it was before; nil: it is new to the bridge. Where it
// is not, and has link for all that is known, why says why.
func (db *database) attaches(a, was *attachment) bool {
	a.why = ""
	if a.segment == (esi{}) || !a.vtep.IsValid() {
		return false
	}
	if !db.view.Layout().HasColumn(hwvtep.TablePhysicalLocator, "tunnel_key") {
		a.fault = fmt.Sprintf("other_config:%s: locators of this database have no tunnel_key, which would tell the segment: it needs a newer schema", hwvtep.KeyESI)
		delete(db.bySegment, a.segment)
		a.segment = esi{}
		return false
	}
	down := slices.Contains(a.port.PortFaultStatus, portDown)
	wasDown := was != nil && slices.Contains(was.port.PortFaultStatus, portDown)
	switch held := heldBy(&a.port); {
	case was == nil && !db.read && held != nil && !held.all: // it had link when an earlier bridge has written that
	case was == nil || was.segment != a.segment:
		db.giveTime(a, tellTime)
	case wasDown && !down && db.anew:
		db.giveTime(a, retellTime)
	case wasDown && !down:
		a.quiet = time.Time{} // that tells it
	}
	switch {
	case down:
		return false
	case slices.Contains(a.port.PortFaultStatus, hwvtep.FaultUnspecified):
		a.why = "its VTEP says unspecified_fault: it serves no segments, or others meddle with the port"
		return false
	case a.shared != "":
		a.why = fmt.Sprintf("the tunnel IP of its switch, %v, is that of switch %s, too: a row at it is not only for the one that has the port; give each a tunnel IP of its own", a.vtep, a.shared)
		return false
	}
	return a.denied.why == "" && !time.Now().Before(a.quiet)
}

// giveTime has a port wait for what its VTEP says of it.
func (db *database) giveTime(a *attachment, d time.Duration) {
	a.quiet = time.Now().Add(d)
	db.bridge.later(d, db.lookAtPorts)
}

// only says whether a logical switch is bound at no other port of the port's VTEP.
func (a *attachment) only(n *network) bool {
	for id := range n.ports {
		if _, around := a.around[id]; around && id != a.port.UUID {
			return false
		}
	}
	_, there := n.ports[a.port.UUID]
	return there
}
