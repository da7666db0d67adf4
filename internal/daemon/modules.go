package daemon

// knownModules are the sources of messages that "-vMODULE" accepts before the first message
// of it, so that a typing error is told. A module that logs and is not listed still works.
var knownModules = []string{
	// of the process
	"daemon", "unixctl", "vlog",
	// protocols and database
	"idl", "jsonrpc", "reconnect", "stream",
	"ovsdb", "ovsdb_client", "ovsdb_server", "storage",
	// the VTEP
	"agent", "bfd", "db_ctl_base", "ebpf", "evpn", "fdb", "lab", "metrics", "nvc", "ovs", "plane", "problem", "state", "vtep", "vtep_ctl",
	// named by other people's command lines; the same things in Open vSwitch
	"backtrace", "daemon_unix", "fatal_signal", "memory", "openflow", "ovsdb_cs", "ovsdb_error",
	"ovsdb_file", "ovsdb_idl", "ovsdb_jsonrpc_server", "ovsdb_log", "poll_loop", "process",
	"raft", "relay", "replication", "socket_util", "stream_fd", "stream_ssl", "stream_tcp", "stream_unix", "timeval",
	"transaction", "util", "vconn",
}
