package hwvtep

// Writers is who writes a column.
type Writers uint8

const (
	Controller Writers = 1 << iota // a network virtualization controller
	Agent                          // the VTEP itself
	Operator                       // a person or a script on the machine
	Server                         // the database server
)

// vtepOwned says whether the column belongs to the VTEP: only it, with its server, writes
// the column.
func (w Writers) vtepOwned() bool { return w&(Agent|Server) != 0 && w&(Controller|Operator) == 0 }

// writers tells the writers of every column. Controllers insert tunnels too (OpenDaylight
// does), so those are not the VTEP's alone.
var writers = map[string]map[string]Writers{
	TableGlobal: {
		"managers": Controller | Operator, "switches": Agent | Operator, "other_config": Operator,
	},
	TableManager: {
		"target": Controller | Operator, "max_backoff": Controller | Operator, "inactivity_probe": Controller | Operator,
		"other_config": Controller | Operator, "is_connected": Server, "status": Server,
	},
	TablePhysicalSwitch: {
		"name": Operator, "description": Controller | Operator | Agent, "management_ips": Operator, "tunnel_ips": Operator | Agent,
		"ports": Agent | Operator, "tunnels": Agent | Controller, "other_config": Operator, "switch_fault_status": Agent,
	},
	TablePhysicalPort: {
		"name": Agent | Operator, "description": Controller | Agent | Operator,
		"vlan_bindings": Controller | Operator, "acl_bindings": Controller,
		"vlan_stats": Agent, "other_config": Operator, "port_fault_status": Agent,
	},
	TableTunnel: {
		"local": Agent | Controller, "remote": Agent | Controller, "bfd_config_local": Agent | Operator,
		"bfd_config_remote": Controller, "bfd_params": Controller, "bfd_status": Agent,
	},
	TableLogicalBindingStats: {
		"packets_from_local": Agent, "bytes_from_local": Agent, "packets_to_local": Agent, "bytes_to_local": Agent,
	},
	TableLogicalSwitch: {
		"name": Controller | Operator, "description": Controller | Operator, "tunnel_key": Controller,
		"replication_mode": Controller, "other_config": Controller | Operator,
	},
	TableUcastMACLocal:  {"MAC": Agent, "logical_switch": Agent, "locator": Agent, "ipaddr": Agent},
	TableUcastMACRemote: {"MAC": Controller, "logical_switch": Controller, "locator": Controller, "ipaddr": Controller},
	TableMcastMACLocal:  {"MAC": Agent, "logical_switch": Agent, "locator_set": Agent, "ipaddr": Agent},
	TableMcastMACRemote: {"MAC": Controller, "logical_switch": Controller, "locator_set": Controller, "ipaddr": Controller},
	// Both sides make the locators that their rows need.
	TablePhysicalLocator: {
		"encapsulation_type": Agent | Controller, "dst_ip": Agent | Controller, "tunnel_key": Agent | Controller,
	},
	TablePhysicalLocatorSet: {"locators": Agent | Controller},
	TableLogicalRouter: {
		"name": Controller | Operator, "description": Controller | Operator, "switch_binding": Controller | Operator,
		"static_routes": Controller | Operator, "acl_binding": Controller | Operator, "other_config": Controller | Operator,
		"LR_fault_status": Agent,
	},
	TableARPSourceLocal:  {"src_mac": Agent, "locator": Agent},
	TableARPSourceRemote: {"src_mac": Controller, "locator": Controller},
	TableACL:             {"acl_entries": Controller, "acl_name": Controller, "acl_fault_status": Agent},
	TableACLEntry: {
		"sequence": Controller, "source_mac": Controller, "dest_mac": Controller, "ethertype": Controller,
		"source_ip": Controller, "source_mask": Controller, "dest_ip": Controller, "dest_mask": Controller,
		"protocol": Controller, "source_port_min": Controller, "source_port_max": Controller,
		"dest_port_min": Controller, "dest_port_max": Controller, "tcp_flags": Controller, "tcp_flags_mask": Controller,
		"icmp_type": Controller, "icmp_code": Controller, "direction": Controller, "action": Controller,
		"acle_fault_status": Agent,
	},
}

// WritersOf tells who writes a column; 0 if the column is not known here.
func WritersOf(table, column string) Writers { return writers[table][column] }

// ownTables are the tables of which the VTEP owns every column: their rows are its own.
var ownTables = func() map[string]bool {
	own := map[string]bool{}
	for table, columns := range writers {
		own[table] = true
		for _, w := range columns {
			own[table] = own[table] && w.vtepOwned()
		}
	}
	return own
}()
