package main

// examples are command lines that are of use.
var examples = []struct{ text, command string }{
	{"Make a VTEP with one port, whose untagged frames are in a logical switch with VNI 5000, and another VTEP that gets all that is flooded:",
		"vtep-ctl add-ps br0 -- set Physical_Switch br0 tunnel_ips=192.0.2.1 \\\n" +
			"    -- add-port br0 eth1 \\\n" +
			"    -- add-ls ls0 -- set Logical_Switch ls0 tunnel_key=5000 \\\n" +
			"    -- set-replication-mode ls0 source_node \\\n" +
			"    -- bind-ls br0 eth1 0 ls0 \\\n" +
			"    -- add-mcast-remote ls0 unknown-dst 192.0.2.2"},
	{"Which ports have a fault?", "vtep-ctl --columns=name,port_fault_status find Physical_Port 'port_fault_status{>}[]'"},
	{"Wait until a host is known, for ten seconds at most:",
		"vtep-ctl -t 10 wait-until Tunnel . bfd_status:state=up"},
}

// configText describes the file of "apply".
var configText = []string{
	"The file of apply is YAML. All of its parts may be left out: what the file does not mention stays as it is, or goes " +
		"with --prune if the mapping that it would be in is there.",
	"switches: physical switches by name, with description, management_ips, tunnel_ips, other_config, and ports: ports by name, " +
		"with description, other_config, and bindings: logical switches by VLAN.",
	"logical_switches: logical switches by name, with tunnel_key, replication_mode, description, other_config, and the remote " +
		"addresses: ucast, the VTEP by MAC address, and mcast, lists of VTEPs by MAC address. A VTEP is an IP address, or a mapping " +
		"with ip and tunnel_key.",
	"routers: logical routers by name, with description, other_config, static_routes, and bindings: logical switches by prefix.",
	"managers: a list of targets.",
}
