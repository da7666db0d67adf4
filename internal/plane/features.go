package plane

import "github.com/vtep/vtep/internal/intent"

// Features are what a plane can do of what rows may ask for beside forwarding in switches and
// tunnels, which every plane does. Of what it can't, the compiler tells by the fault that the
// schema has for it; nothing of that comes into a State.
type Features struct {
	BFD     bool // sessions with peers (Tunnel.bfd_params)
	Routers bool // Logical_Router
	IPv6    bool // tunnels to IPv6 peers
	// Loopback says that tunnels may begin at an address of the loopback device: its peers are on this machine.
	Loopback bool
	ACLs     bool // Policy.ACL (Physical_Port.acl_bindings)

	RouterACLs bool // Interface.ACL (Logical_Router.acl_binding)

	TunnelDSCP, TagPCP Priorities // the scalars of these names

	GroupPolicies bool // Scalars.GroupMark
	Fragments     bool // Scalars.FragmentOuter

	Segments bool // State.Segments and State.Attached, and the Role of bindings

	SnoopGroups bool // State.Members, and Punted events of messages of IGMP and MLD
	SnoopIPs    bool // intent.SwitchOptions.SnoopIPs
	Suppress    bool // intent.SwitchOptions.Suppress
	Probe       bool // intent.SwitchOptions.Probe: the plane is a Sender and a Watcher, and takes what is to State.ARPSource
}

// Priorities is a set of places where a plane can take a priority from.
type Priorities uint8

// The sets that there are.
const (
	FixedPriority Priorities = 1 << intent.Fixed
	InnerPriority Priorities = 1 << intent.Inner
	OuterPriority Priorities = 1 << intent.Outer
	AllPriorities            = FixedPriority | InnerPriority | OuterPriority
)

// Has says whether a plane that can do set can do p; all can do 0.
func (set Priorities) Has(p intent.Priority) bool {
	return p == intent.Priority{} || set>>p.From&1 != 0
}
