package evpn

import "time"

// The members of a switch are written whole for each change: the set for unknown destinations, and what the row of the switch remembers.
// All VTEPs of a fabric come at about the same time when it starts, and what each of them cost would grow with the square of
// their number, in each database. So the next write waits for a time that grows with the number of members; the first change
// after that time is written at once, and so is every change of a host at a VTEP that is known.
const (
	paceOfMember = 3 * time.Millisecond
	longestPace  = time.Second
)

// pace is how the members of a switch are written.
type pace struct {
	next time.Time           // before which they are not
	held map[string]struct{} // MACs that are looked at then, "" for the members; nil: none is
}

// waits says whether members have been written a short time ago.
func (p *pace) waits(now time.Time) bool { return now.Before(p.next) }

// written notes that so many have been written.
func (p *pace) written(now time.Time, members int) {
	p.next = now.Add(min(time.Duration(members)*paceOfMember, longestPace))
}

// hold has something of a network looked at when its members may be written again.
func (db *database) hold(n *network, mac string) {
	if n.pace.held == nil {
		n.pace.held = map[string]struct{}{}
		db.bridge.later(time.Until(n.pace.next), func() { db.unhold(n) })
	}
	if _, there := n.pace.held[mac]; !there {
		n.pace.held[mac] = struct{}{}
		db.held++
	}
}

func (db *database) unhold(n *network) {
	for mac := range n.pace.held {
		db.markHost(n, mac)
	}
	db.held -= len(n.pace.held)
	n.pace.held = nil
}
