package plane

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// Event is one thing that the dataplane saw, a value of one of the types below. A plane that
// sees more than these gets a type of its own here, with what the agent owes it.
type Event interface{ event() }

// Seen tells that a MAC is new on a binding, or has moved to it, or was not learned for want of
// room, or is one that was watched. The agent decides whose it is; what it does not want is
// taken back with Forget.
type Seen struct {
	Key intent.MACKey
	At  intent.BindingKey
}

// Gone tells that somebody has taken a learned MAC, which was At, out of the dataplane by hand.
type Gone struct {
	Key intent.MACKey
	At  intent.BindingKey
}

// Address tells that the MAC, which is learned At, says that it has the IP address, where it did
// not say so last time. It comes only of switches with SnoopIPs, perhaps before the Seen event of the
// MAC, and of each MAC a few at once and one in a second at most. A Sweep gives what was told last.
type Address struct {
	Key intent.MACKey
	At  intent.BindingKey
	IP  netip.Addr
}

// Punted shows a frame that the plane left to the agent, or a copy of it, as the reason says. There
// are no more than some thousand in a second.
type Punted struct {
	Reason PuntReason
	Switch intent.SwitchID
	At     intent.BindingKey // where it came in; no Port: by From
	From   intent.Tunnel     // said of PuntMembership only
	Hop    intent.IPKey      // of PuntNoNeighbor: who is looked for
	Frame  []byte            // without the tag of the binding; no more than its first 2048 bytes
	Length int               // of the whole frame
}

// PuntReason says why a frame was punted.
type PuntReason uint8

const (
	PuntMembership PuntReason = iota + 1 // it is of IGMP, MLD or PIM, in a switch with SnoopGroups; it was forwarded
	PuntNoNeighbor                       // a router does not know who has the address of its next hop: see PuntKeeper
	PuntAnswer                           // it is an answer by ARP or Neighbor Discovery to the router, or to the VTEP's ARPSource
)

// PortChanged tells that the device of a port has appeared or vanished, or that its link or its
// fitness has changed. The next Report says what that means for the port.
type PortChanged struct {
	Name   string
	Exists bool
	Up     bool
}

// PeerChanged tells that a session of BFD says something else of a peer. It says no more than
// the next Report.BFD will, but at once. The zero State: no session runs any more.
type PeerChanged struct {
	Peer  netip.Addr
	State PeerState
}

// Lost tells that Count events were dropped: nothing that events say is known any more but by Sweep
// and a Report.
type Lost struct {
	Count uint64
	MACs  bool // they were all of type Seen, Gone or Address, as while a port has a crowd of hosts: a Sweep tells all of it
}

// ReportChanged tells that something changed that only a Report tells of; Apply with an empty
// delta returns one.
type ReportChanged struct{}

func (Seen) event()          {}
func (Gone) event()          {}
func (Address) event()       {}
func (Punted) event()        {}
func (PortChanged) event()   {}
func (PeerChanged) event()   {}
func (Lost) event()          {}
func (ReportChanged) event() {}
