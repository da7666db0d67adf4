// Package plane is the seam between the rules of a VTEP and a dataplane: the agent hands a
// Plane the State that forwarding must have, the Plane answers what it could do and tells
// what it sees. Planes see intent, never database rows.
package plane

import (
	"context"
	"errors"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Plane realises intent in one kind of dataplane. One goroutine, the agent loop, calls it. Sweep,
// Stats and DropsByPlace may be called by others, too, also while another call is under way: none
// of them has Apply wait for more than a few milliseconds, however much there is to read.
type Plane interface {
	// Features says what the plane can do of what rows may ask for. It is the same all its life.
	Features() Features

	// Apply makes forwarding equal to next. d is what changed since the State of the last
	// Apply that returned a nil error; a nil d means reconcile from scratch: adopt what is
	// installed (perhaps by an earlier process), repair the differences, flush nothing that
	// is right. Additions come before removals, and no frame may reach a switch that neither
	// the old nor the new State gives it.
	//
	// A key that can't be realised (a missing device) does not fail Apply: it is in the
	// Report, and the plane realises it by itself when its cause goes (it then sends an
	// PortChanged event, and the next Report shows it well). An error means that the
	// plane's contents are not known: the next call must have a nil d.
	Apply(ctx context.Context, next *intent.State, d *intent.Delta) (Report, error)

	// Adopted gives the forwarding that an earlier process has left, for before the first
	// Apply; nil: none. It has the Physical row, the Position and the bindings, and with whole the MACs, flood
	// sets, tunnels, ACLs and neighbours, too, which takes the longer the more there are. Of ports and switches
	// it knows that they are there, not their properties, but for the VNIs that switches accept
	// from any source, and their routers. A binding that nothing passes, or of which that is not known, is on Standby.
	Adopted(ctx context.Context, whole bool) (*intent.State, error)

	// Disown notes that what Adopted gives is not the forwarding of the present database, so
	// that it is of no Physical row that exists, and of no Position, until the next Apply, in this
	// process or a later.
	Disown(ctx context.Context) error

	// Events gives what the dataplane saw, in order. The channel is bounded; when the agent
	// is too slow, events are dropped and counted, and one Lost says so: the agent repairs the
	// loss with Sweep and by asking for a Report. It is closed by Close.
	Events() <-chan Event

	// Sweep gives every MAC learned on a local port, with the time since its last frame.
	Sweep(ctx context.Context) ([]Sighting, error)

	// Forget removes locally learned MACs from the dataplane. Unknown keys are no error.
	Forget(ctx context.Context, keys []intent.MACKey) error

	// Stats reads the counters of every binding.
	Stats(ctx context.Context) (Stats, error)

	// DropsByPlace reads where dropped frames had come in, for the places of a bounded number
	// that were last. The sum may be less than Stats.Drops says.
	DropsByPlace(ctx context.Context) ([]PlaceDrops, error)

	// Audit compares what is installed with the State of the last Apply.
	Audit(ctx context.Context) ([]Drift, error)

	// Close lets go of the dataplane and leaves forwarding in place.
	Close() error

	// Destroy takes forwarding down: nothing of the plane stays behind. It implies Close.
	Destroy(ctx context.Context) error
}

// Watcher is a Plane that can tell of single frames. Of others the agent hears no sooner than
// with its next Sweep.
type Watcher interface {
	// Watch has the next frame of each of these learned MACs told by a Seen event, once.
	// Keys of MACs that are not learned are no error.
	Watch(ctx context.Context, keys []intent.MACKey) error
}

// Rememberer is a Plane that knows whether the dataplane has gone on from an earlier process with all that was learned.
type Rememberer interface {
	// Remembered are the logical switches, as the first Apply has found them, in which it has: a MAC that Sweep does
	// not give is not learned there. There are none unless the earlier process has ended by Remember with true.
	Remembered(ctx context.Context) (map[intent.SwitchID]bool, error)

	// Remember notes whether something is missing in what is learned: whether all that was known before the dataplane
	// began was heard again, or is given up.
	Remember(ctx context.Context, whole bool) error
}

// Sender is a Plane by which the agent can send frames of its own. They are counted, sized, tagged
// and encapsulated as those of hosts are, and nothing is learned of them.
type Sender interface {
	// Send sends the frame, which begins with its Ethernet header, without the tag of a
	// binding. An error says that it could not leave.
	Send(ctx context.Context, frame []byte, to Destination) error
}

// ErrDropped is in the error of a Sender that has dropped the frame, and counted it.
var ErrDropped = errors.New("it was dropped: vtep/drops says why")

// PuntKeeper is a Plane that leaves the packets of PuntNoNeighbor events to the agent, as far as they are whole: it
// sends them, or says that it does not.
type PuntKeeper interface {
	// NotSent counts n of those that had come in at a binding, or with the zero key by a tunnel, as dropped
	// for want of a neighbor.
	NotSent(ctx context.Context, at intent.BindingKey, n uint32) error
}

// AddressForgetter is a Plane with SnoopIPs whose memory of what it has told can be corrected.
type AddressForgetter interface {
	// ForgetAddress has it told by an Address event when the learned MAC says once more that it
	// has this IP address: somebody else has said so since. It is no error if it did not say so last.
	ForgetAddress(ctx context.Context, key intent.MACKey, ip netip.Addr) error
}

// NeighborUser is a Plane that notes when a router hands packets to a neighbor.
type NeighborUser interface {
	// UsedNeighbors says of each neighbor of the State whether a router has handed it a packet
	// within that time.
	UsedNeighbors(ctx context.Context, keys []intent.IPKey, within time.Duration) []bool
}

// GroupLoser is a Plane that may have to keep messages of SnoopGroups back from the agent. It may be
// asked by any goroutine.
type GroupLoser interface {
	// LostGroups says in which switches frames to groups go to all bindings since it has, and how much
	// longer they will.
	LostGroups(ctx context.Context) (map[intent.SwitchID]time.Duration, error)
}

// Destination is where a frame of the agent goes: to one binding, if At has a Port; or by one
// tunnel, if Tunnel has a Peer; or else to all bindings and tunnels that frames of unknown
// destination get to in the switch, but for Except.
type Destination struct {
	Switch intent.SwitchID
	At     intent.BindingKey // one of Switch
	Tunnel intent.Tunnel     // one that is in the State
	Except intent.BindingKey
	Hop    netip.Addr // if valid: a router hands the packet to this address of Switch, and the ACL of its interface there is asked
}

// Nobody is the Physical row of forwarding that was disowned.
var Nobody = intent.SwitchID{0: 0xff, 15: 0xff}

// PortKeeper is a Plane whose dataplane has a list of ports that the operator edits there, as
// the ports of a bridge are. The rows follow that list.
type PortKeeper interface {
	// ManagedPorts returns their names. It returns false when that is not known now. What it
	// returns may have changed after a PortChanged or ReportChanged event.
	ManagedPorts(ctx context.Context) ([]string, bool)
}

// BFDShower is a Plane that can say more of its sessions of BFD than a Report does. It may be asked
// by any goroutine.
type BFDShower interface {
	// ShowBFD describes the session with a peer, or without a valid one all sessions, in lines
	// for people.
	ShowBFD(peer netip.Addr) (string, error)
}

// ACLCounter is a Plane that has ACLs. It may be asked by any goroutine.
type ACLCounter interface {
	// ACLStats reads how many frames the entries of the ACLs in force have decided. What an entry has
	// counted stays while its ACL has it, however that changes otherwise.
	ACLStats(ctx context.Context) (map[ACLEntryAt]Count, error)
}

// ACLEntryAt is an entry in an ACL, of which it may be in several.
type ACLEntryAt struct {
	ACL   intent.ACLID
	Entry intent.ACLEntryID
}

// Count is of frames, and of their bytes without the binding's own tag and without FCS.
type Count struct{ Packets, Bytes uint64 }

// Sighting is a source MAC seen on a local binding.
type Sighting struct {
	Key  intent.MACKey
	At   intent.BindingKey
	Idle time.Duration // since its last frame, at the time of the call
	IP   netip.Addr    // as the last Address event has it; the zero Addr: none has, or not for long
}

// Counters are cumulative frames and bytes of a binding, as Logical_Binding_Stats has them:
// FromLocal were received from the attached hosts, ToLocal were sent to them. Bytes are of
// frames without the binding's own tag and without FCS.
type Counters struct {
	PacketsFromLocal, BytesFromLocal uint64
	PacketsToLocal, BytesToLocal     uint64
}

// Stats is one reading of all counters.
type Stats struct {
	Bindings map[intent.BindingKey]Counters
	Drops    map[string]uint64 // frames dropped, by reason
	Answered map[string]uint64 // questions for neighbors, by "arp" and "nd"; nil: none ever is

	// Tunnels has what is counted of frames inside of tunnels, by peer: those that logical switches have got from it,
	// and those that were sent to it. The counts of a peer may begin anew at any time. nil: nobody counts them.
	Tunnels map[netip.Addr]Traffic
}

// Traffic is what came in and went out.
type Traffic struct {
	InPackets, InBytes   uint64
	OutPackets, OutBytes uint64
}

// PlaceDrops is how many frames were dropped for one reason that had come in at one place: a
// VLAN of a port, or a tunnel.
type PlaceDrops struct {
	Reason string // as in Stats.Drops
	Port   string // "": it was a tunnel
	VLAN   int    // of a port; or NoVLAN, OtherTag
	Tunnel intent.Tunnel
	Count  uint64
}

// Instead of a VLAN.
const (
	NoVLAN   = -1 // the frame was dropped before its VLAN was known
	OtherTag = -2 // its outer tag is not one of 802.1Q
)

// Drift is one difference between the dataplane and the State it should have.
type Drift struct {
	Kind string // "binding", "unicast", "flood", "decap", "port", ...
	Key  string
	Want string // empty: should not be there
	Have string // empty: missing
}
