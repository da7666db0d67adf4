package plane

// Features are what a plane can do of what rows may ask for beside forwarding in switches and
// tunnels, which every plane does. Of what it can't, the compiler tells by the fault that the
// schema has for it; nothing of that comes into a State.
type Features struct {
	BFD     bool // sessions with peers (Tunnel.bfd_params)
	Routers bool // Logical_Router
	IPv6    bool // tunnels to IPv6 peers
	ACLs    bool // Physical_Port.acl_bindings, Logical_Router.acl_binding

	Priorities    bool // Scalars.TunnelDSCP and TagPCP other than 0
	GroupPolicies bool // Scalars.GroupMark

	SnoopGroups bool // State.Members, and Punted events of messages of IGMP and MLD
	SnoopIPs    bool // intent.SwitchOptions.SnoopIPs
}
