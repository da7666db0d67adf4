package problem

import (
	"maps"
	"slices"
)

// Kind says what sort of thing is wrong, in a word that stays the same. docs/reference.md has
// a table of them.
type Kind string

// Refusals: something that was asked for is not done.
var (
	NoSwitch        = refusal("no_switch")        // the database has no row of our Physical_Switch
	OtherProcess    = refusal("other_process")    // another process runs our Physical_Switch
	UnwritableFile  = refusal("unwritable_file")  // the file of the database takes no transactions
	NoTunnelIP      = refusal("no_tunnel_ip")     // the switch has no IPv4 tunnel IP
	ForeignIP       = refusal("foreign_ip")       // the tunnel IP is not an address of this machine
	TunnelsRefused  = refusal("tunnels_refused")  // no tunnel works, for another reason
	UDPPortTaken    = refusal("udp_port_taken")   // somebody else has the UDP port of VXLAN
	NoVRF           = refusal("no_vrf")           // the VRF of the underlay is missing
	NoRoute         = refusal("no_route")         // a peer can't be reached
	NoBFD           = refusal("no_bfd")           // a session of BFD can't be, or can't send
	MissingDevice   = refusal("missing_device")   // a port has no network device
	UnfitDevice     = refusal("unfit_device")     // a network device can't be a port
	NeededDevice    = refusal("needed_device")    // a network device that the machine itself needs can't be a port
	PortRefused     = refusal("port_refused")     // a port can't be attached, for another reason
	BindingRefused  = refusal("binding_refused")  // a binding is not in force
	TableFull       = refusal("table_full")       // the dataplane has no room
	MACLimit        = refusal("mac_limit")        // the switch's limit of learned MACs is reached
	PortMACLimit    = refusal("port_mac_limit")   // a port's own limit of learned MACs is reached
	ContestedVNI    = refusal("contested_vni")    // two switches want the same VNI with a peer
	BadVLAN         = refusal("bad_vlan")         // vlan_bindings has a VLAN that does not exist
	RemoteFailed    = refusal("remote_failed")    // the database is not served at a remote
	BadLocator      = refusal("bad_locator")      // a Physical_Locator leads nowhere
	BadVNI          = refusal("bad_vni")          // tunnel_key is no VNI
	NoACL           = refusal("no_acl")           // ACLs are not served
	BadACL          = refusal("bad_acl")          // an ACL is not in force as its rows are
	BadACLEntry     = refusal("bad_acl_entry")    // an entry of an ACL makes no sense
	NoRouter        = refusal("no_router")        // routers are not served
	BadACLBinding   = refusal("bad_acl_binding")  // an element of acl_binding names no interface of its router
	BadInterface    = refusal("bad_interface")    // an element of switch_binding can't be
	BadRoute        = refusal("bad_route")        // an element of static_routes can't be
	ContestedSwitch = refusal("contested_switch") // two routers want the same switch
	NeighborLimit   = refusal("neighbor_limit")   // routers have all the neighbors from somewhere that they take
	DuplicatePort   = refusal("duplicate_port")   // several rows of a switch have one name
	UnnamedPort     = refusal("unnamed_port")     // a port without a name
	TunnelTaken     = refusal("tunnel_taken")     // somebody else's tunnel port gets frames that are ours
	TooOld          = refusal("too_old")          // Open vSwitch lacks what the plane needs
	Unread          = refusal("unread")           // what the dataplane tells can't be read
	Unsettled       = refusal("unsettled")        // the dataplane is not as it should be
)

// Frozen is the gravest of the refusals: forwarding does not follow the database at all.
var Frozen = refusal("frozen")

// Doubts: it is done, but hardly as it was meant; or a single row is not used.
var (
	Starting         = doubt("starting")          // nothing is known yet
	NoDatabase       = doubt("no_database")       // the database server does not answer
	ReadOnly         = doubt("read_only")         // the database server refuses what is to be written
	LostFile         = doubt("lost_file")         // the file of the database is not at its place
	ReportRefused    = doubt("report_refused")    // the database refuses what is reported
	NoManager        = doubt("no_manager")        // a manager that is to be connected to does not answer
	PeerRefused      = doubt("peer_refused")      // TLS with a peer of the database server fails
	IgnoredRow       = doubt("ignored_row")       // a row is not used
	DuplicateRow     = doubt("duplicate_row")     // a row gives way to another one
	OwnLocator       = doubt("own_locator")       // a remote MAC is said to be behind ourselves
	BadOption        = doubt("bad_option")        // a key of other_config has a bad value
	UnservedOption   = doubt("unserved_option")   // a key of other_config asks for what the plane can't do
	SeveralIPs       = doubt("several_ips")       // only one of the tunnel IPs is used
	SharedIP         = doubt("shared_ip")         // another switch of the database has the tunnel IP
	NoVNI            = doubt("no_vni")            // a bound switch has no VNI
	NoUnknownDst     = doubt("no_unknown_dst")    // a bound switch floods to no peer
	OneReplicates    = doubt("one_replicates")    // of several peers only one gets what is flooded
	Attaching        = doubt("attaching")         // ports wait to be attached
	PortDown         = doubt("port_down")         // a port has no link
	SmallMTU         = doubt("small_mtu")         // the underlay takes less than the ports send
	MACElsewhere     = doubt("mac_elsewhere")     // a MAC learned here is said to be behind a peer
	LongWay          = doubt("long_way")          // a policy of IPsec keeps frames from the short way
	PolicyBypassed   = doubt("policy_bypassed")   // a policy of IPsec is not heeded, as --direct=on says
	FirewallBypassed = doubt("firewall_bypassed") // netfilter has rules that the short ways go past
	NoXDP            = doubt("no_xdp")            // a device has not the native XDP that --xdp=require asks for
	StrangeVRF       = doubt("strange_vrf")       // the tunnel IP is in a VRF that tunnels are not in
	VLANDevice       = doubt("vlan_device")       // a port with tagged bindings is a VLAN device
	VLANLimit        = doubt("vlan_limit")        // Open vSwitch looks at more or fewer tags than one
	Disturbed        = doubt("disturbed")         // somebody meddles with the programs on a device
)

var doubtful = map[Kind]bool{} // of all kinds

func refusal(k Kind) Kind { return register(k, false) }
func doubt(k Kind) Kind   { return register(k, true) }

func register(k Kind, doubt bool) Kind {
	doubtful[k] = doubt
	return k
}

// Kinds are all kinds, in the order of their names.
func Kinds() []Kind { return slices.Sorted(maps.Keys(doubtful)) }

// Doubt says whether a problem of this kind is a doubt; otherwise it is a refusal.
func (k Kind) Doubt() bool { return doubtful[k] }
