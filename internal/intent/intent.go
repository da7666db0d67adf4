// Package intent says what forwarding must be, in the words of the dataplane: ports, VLANs,
// MAC addresses, tunnels. It knows nothing of database rows, and nothing of how a plane does it.
//
// A State is the whole of it: some scalars, and tables of entries, each of which is declared once
// (tables.go). A Delta is what changed between two States, table by table. The compiler (package
// vtep) owns the one live State and edits it in place, by an Edit; planes read it during Apply
// and keep no reference to it. Both belong to the agent loop, so nothing here is locked.
//
// Everything in a State is already decided: the replication mode has been turned into the
// list of tunnels that get a copy, the effective VNI has been worked out for each peer, and
// rows that can't be served are not in it.
package intent

import (
	"net/netip"
)

// MAC is an Ethernet address in transmission order.
type MAC [6]byte

// UnknownDst is the FloodKey.MAC of the set used for every broadcast, unknown unicast and
// multicast address that has no set of its own. No Ethernet frame is addressed to it.
var UnknownDst = MAC{}

// SwitchID names a logical switch: the UUID of its Logical_Switch row.
type SwitchID [16]byte

// Switch is a logical switch that is active here: one with a binding on a port of this VTEP, or
// with an interface of a router.
type Switch struct {
	Name string // for logs and listings; not an identity
	VNI  uint32 // 1..16777215, or 0: the overlay side is down (see VNI0)
	VNI0 bool   // VNI 0 is meant as data (Logical_Switch.other_config:allow_vni_0)

	SwitchOptions

	Router RouterID // whose interfaces are in it; zero: none
}

// SwitchOptions are what a logical switch has beside forwarding. One more is a field here, with its
// word in SwitchOptions.String; its keys in package vtep (switchoptions.go), which leaves out what
// plane.Features says that the plane can't do; and its bit in the eBPF plane (layout/features.go).
type SwitchOptions struct {
	InnerTags bool // frames in its tunnels may have a tag
	SnoopIPs  bool // the plane tells which IP addresses its local hosts say they have
	Suppress  bool // questions of local hosts for Neighbours are answered, where they can be
	Probe     bool // local hosts whose IP address is known are asked whether they are there, before they age

	Flooding          Flooding     // which frames it floods
	ReservedMACs      ReservedMACs // those that it forwards, as groups, rather than drops
	SnoopGroups       bool         // frames to groups go to the bindings of State.Members
	FloodUnregistered bool         // those to groups without members go to all the same
}

// OverlayUp says whether frames of s may leave or enter by tunnel with the switch's own VNI.
func (s Switch) OverlayUp() bool { return s.VNI != 0 || s.VNI0 }

// BindingKey is a (port, VLAN) pair. VLAN 0 means untagged (and priority-tagged) frames.
type BindingKey struct {
	Port string // name of the network device
	VLAN uint16 // 0..4094
}

// Binding says which logical switch the frames of a BindingKey belong to.
type Binding struct {
	Switch SwitchID
	Role   Role
}

// Tunnel is one direction of the overlay: the peer's address and the VNI used with it.
type Tunnel struct {
	Peer netip.Addr // IPv4
	VNI  uint32     // effective: the locator's key, else the switch's
}

// MACKey is a MAC address in a logical switch.
type MACKey struct {
	Switch SwitchID
	MAC    MAC
}

// FloodKey names the tunnels that get a copy of frames to a group address. MAC UnknownDst
// is the switch's default set; a set under its own group MAC replaces it.
type FloodKey = MACKey

// FloodSet is the tunnels that each get one copy, sorted by (peer, VNI), without duplicates
// and without this VTEP's own address. It may be empty: the frames then stay local.
// In service_node mode the compiler has already chosen the one member. A FloodSet in a State
// is not edited: a change puts another in its place.
type FloodSet []Tunnel

// Port is a physical port under this VTEP's management. It is attached even with no binding:
// its frames are then dropped rather than handed to the host.
type Port struct {
	MACLimit uint32 // most MACs learned on it; 0: no limit of its own
	TakeOver bool   // its device may be one that belongs to a bridge, a bond, ...

	// ServiceTags says that the VLANs of its bindings are in service tags (IEEE 802.1ad,
	// TPID 0x88a8). Customer tags are then a part of what it carries, as data is.
	ServiceTags bool

	Group uint16 // the group policy of what comes in without one; 0: none
}
