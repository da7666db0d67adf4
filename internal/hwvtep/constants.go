package hwvtep

// UnknownDst is the MAC of the multicast rows that say where a frame goes whose
// destination no other row names.
const UnknownDst = "unknown-dst"

// The elements of PhysicalSwitch.SwitchFaultStatus.
const (
	FaultMACTableExhaustion               = "mac_table_exhaustion"
	FaultTunnelExhaustion                 = "tunnel_exhaustion"
	FaultLRSwitchBindings                 = "lr_switch_bindings_fault"
	FaultLRStaticRoutes                   = "lr_static_routes_fault"
	FaultLRCreation                       = "lr_creation_fault"
	FaultLRSupport                        = "lr_support_fault"
	FaultUnsupportedSourceNodeReplication = "unsupported_source_node_replication"
)

// The elements of PhysicalPort.PortFaultStatus. FaultInvalidACLBinding is one of
// LogicalRouter.LRFaultStatus too.
const (
	FaultInvalidVLANMap    = "invalid_vlan_map"
	FaultInvalidACLBinding = "invalid_ACL_binding"
)

// FaultPortDown is an element of PhysicalPort.PortFaultStatus that hardware_vtep(5) does not know: a port of an Ethernet
// segment has no link.
const FaultPortDown = "port_down"

// The elements of ACL.FaultStatus and of ACLEntry.ACLEFaultStatus.
const (
	FaultInvalidACL       = "invalid_acl"
	FaultResourceShortage = "resource_shortage"
	FaultInvalidACLEntry  = "invalid_acl_entry"
)

// FaultUnspecified is an element of every set of faults.
const FaultUnspecified = "unspecified_fault"
