package metrics

import (
	"github.com/prometheus/client_golang/prometheus"
)

// family is a metric of one name.
type family struct {
	name, help string
	counter    bool
	labels     []string
}

// families are all that a VTEP has beside those of the process and of Go's runtime. The tables of
// docs/metrics.md are about these.
var families []*family

func gauge(name, help string, labels ...string) *family { return enter(name, help, false, labels) }

func counter(name, help string, labels ...string) *family { return enter(name, help, true, labels) }

func enter(name, help string, counter bool, labels []string) *family {
	f := &family{"vtep_" + name, help, counter, labels}
	families = append(families, f)
	return f
}

var (
	info  = gauge("info", "Always 1; its labels say what runs.", "version", "kernel", "plane", "switch")
	state = gauge("state", "1 for the state that the VTEP is in, 0 for the others.", "state")

	ports        = gauge("ports", "Ports of the switch, by their state.", "state")
	portUp       = gauge("port_up", "Whether the port works and has a link.", "port")
	portBindings = gauge("port_bindings", "VLANs of the port that are bound to logical switches.", "port")
	portMACs     = gauge("port_learned_macs", "MACs learned on the port.", "port")
	portInFrames = counter("port_receive_frames_total", "Frames that hosts behind the port have sent into its bindings.", "port")
	portInBytes  = counter("port_receive_bytes_total", "Bytes of these.", "port")
	portOut      = counter("port_transmit_frames_total", "Frames that were sent to hosts behind the port.", "port")
	portOutBytes = counter("port_transmit_bytes_total", "Bytes of these.", "port")

	switches       = gauge("logical_switches", "Logical switches that are bound here.")
	switchInfo     = gauge("logical_switch_info", "Always 1; its labels say the VNI of the logical switch.", "logical_switch", "vni")
	switchBindings = gauge("logical_switch_bindings", "Ports and VLANs that are bound to the logical switch.", "logical_switch")
	switchLocals   = gauge("logical_switch_learned_macs", "MACs learned in the logical switch.", "logical_switch")
	switchRemotes  = gauge("logical_switch_remote_macs", "MACs of the logical switch that are behind other VTEPs.", "logical_switch")
	switchPeers    = gauge("logical_switch_tunnels", "Tunnels, by peer and VNI, whose frames enter the logical switch.", "logical_switch")
	bindings       = gauge("bindings", "Ports and VLANs that are bound to logical switches.")
	floodSets      = gauge("flood_sets", "Groups of logical switches whose frames are flooded to tunnels.")

	tunnels    = gauge("tunnels", "Tunnels to other VTEPs, by their state.", "state")
	tunnelUp   = gauge("tunnel_up", "Whether the tunnel to the peer works as far as is known.", "peer")
	tunnelVNIs = gauge("tunnel_vnis", "VNIs in use with the peer.", "peer")

	tunnelInFrames = counter("tunnel_receive_frames_total", "Frames that logical switches have got from the peer. Only a dataplane that counts them has it.", "peer")
	tunnelInBytes  = counter("tunnel_receive_bytes_total", "Bytes of these, inside of the tunnel.", "peer")
	tunnelOut      = counter("tunnel_transmit_frames_total", "Frames that were sent to the peer.", "peer")
	tunnelOutBytes = counter("tunnel_transmit_bytes_total", "Bytes of these, inside of the tunnel.", "peer")

	bfdUp       = gauge("bfd_session_forwarding", "Whether BFD sees the peer forwarding. Only peers with a session have it.", "peer")
	bfdState    = gauge("bfd_session_state", "State of the session: 0 admin_down, 1 down, 2 init, 3 up.", "peer")
	bfdFlaps    = counter("bfd_session_flaps_total", "How often the session stopped forwarding.", "peer")
	xdpFrames   = counter("xdp_frames_total", "Frames that programs of native XDP have looked at, by what they did.", "result")
	dropped     = counter("dropped_frames_total", "Frames dropped, by the reason as of \"vtep/drops\".", "reason")
	acls        = gauge("acls", "ACLs that bindings or interfaces have.")
	aclFrames   = counter("acl_entry_frames_total", "Frames that the entry of the ACL has decided.", "acl", "direction", "sequence", "entry")
	aclBytes    = counter("acl_entry_bytes_total", "Bytes of these.", "acl", "direction", "sequence", "entry")
	learned     = gauge("learned_macs", "MACs learned on all ports.")
	learnLimit  = gauge("learned_macs_limit", "Most MACs that may be learned; 0: there is no limit.")
	remotes     = gauge("remote_macs", "MACs behind other VTEPs.")
	macsLearned = counter("macs_learned_total", "MACs that were new.")
	macsMoved   = counter("mac_moves_total", "How often a MAC was seen at another binding than before.")
	macsAged    = counter("macs_aged_total", "MACs forgotten for want of frames.")
	macsEvicted = counter("macs_evicted_total", "MACs forgotten because a limit was reached.")

	memberships   = gauge("group_memberships", "Ports and VLANs that have members of a group of IP multicast, each counted for each group.")
	groupMessages = counter("group_messages_total", "Messages about groups that were taken: of IGMP, MLD and PIM.", "kind")
	groupIgnored  = counter("group_messages_ignored_total", "Messages about groups that were ignored, by the reason as of \"mdb/stats-show\".", "reason")
	groupRefused  = counter("group_joins_refused_total", "Joins for which there was no room.")

	problems = gauge("problems", "What is wrong, by the kind as of \"vtep/problems\".", "kind", "class")

	dbConnected   = gauge("database_connected", "Whether the database answers.")
	dbSessions    = gauge("database_sessions", "Connections to the database server.")
	dbRows        = gauge("database_rows", "Rows of all databases.")
	dbMonitors    = gauge("database_monitors", "Monitors that clients have.")
	dbQueued      = gauge("database_queued_requests", "Requests not executed yet.")
	dbBytes       = gauge("database_file_bytes", "Size of the databases' files.")
	dbRequests    = counter("database_transactions_total", "Transactions executed.")
	dbCommits     = counter("database_commits_total", "Transactions that changed something.")
	dbCompactions = counter("database_compactions_total", "How often a file was compacted.")
	ctlConnected  = gauge("controller_connected", "Whether the target of a Manager row or of --remote has a session.", "target")
	ctlSessions   = gauge("controller_sessions", "Sessions of the target.", "target")

	commitToPlane = gauge("commit_to_plane_seconds", "Time from when a change of rows has come until the dataplane has it.")
	frameToRow    = gauge("frame_to_row_seconds", "Time from when the dataplane has told of a new MAC until its row is in the database.")

	leftOut = gauge("series_left_out", "Ports, switches, tunnels, controllers and entries of ACLs that have no series of their own, because there are too many.", "of")
)

// desc is the family as client_golang knows it.
func (f *family) desc() *prometheus.Desc { return prometheus.NewDesc(f.name, f.help, f.labels, nil) }
