package main

import "strings"

// names gives each table its Go names and its sentence: what one row is called,
// what the iterator over all of them is called, and what a row means.
type names struct {
	row, rows, doc string
}

var tableNames = map[string]names{
	"Global":                {"Global", "Globals", "the one row that everything else hangs on."},
	"Manager":               {"Manager", "Managers", "a connection of the database server: to an NVC, or a port that NVCs connect to."},
	"Physical_Switch":       {"PhysicalSwitch", "PhysicalSwitches", "a VTEP: its ports, its addresses and its tunnels."},
	"Physical_Port":         {"PhysicalPort", "PhysicalPorts", "a port of a VTEP, and the logical switches that its VLANs are bound to."},
	"Tunnel":                {"Tunnel", "Tunnels", "a tunnel of a VTEP to one peer, with its BFD session."},
	"Logical_Switch":        {"LogicalSwitch", "LogicalSwitches", "a layer 2 network that spans VTEPs and hypervisors."},
	"Ucast_Macs_Local":      {"UcastMACLocal", "UcastMACsLocal", "a unicast MAC that a VTEP of this database learned on its ports."},
	"Ucast_Macs_Remote":     {"UcastMACRemote", "UcastMACsRemote", "a unicast MAC that the NVC placed behind a locator."},
	"Mcast_Macs_Local":      {"McastMACLocal", "McastMACsLocal", "a multicast MAC, or unknown-dst, that VTEPs of this database want to receive."},
	"Mcast_Macs_Remote":     {"McastMACRemote", "McastMACsRemote", "where the NVC wants a multicast MAC, or unknown-dst, to be sent."},
	"Physical_Locator_Set":  {"PhysicalLocatorSet", "PhysicalLocatorSets", "a set of locators. It never changes: another set is another row."},
	"Physical_Locator":      {"PhysicalLocator", "PhysicalLocators", "an end of a tunnel."},
	"Logical_Router":        {"LogicalRouter", "LogicalRouters", "a router between logical switches."},
	"Arp_Sources_Local":     {"ARPSourceLocal", "ARPSourcesLocal", "the source MAC that a VTEP of this database uses for ARP requests of its routers."},
	"Arp_Sources_Remote":    {"ARPSourceRemote", "ARPSourcesRemote", "the source MAC that another VTEP uses for ARP requests of its routers."},
	"ACL":                   {"ACL", "ACLs", "a list of rules for packets."},
	"ACL_entry":             {"ACLEntry", "ACLEntries", "one rule of an ACL."},
	"Logical_Binding_Stats": {"LogicalBindingStats", "LogicalBindingStatsRows", "the counters of one binding of a VLAN to a logical switch."},
}

// columnNames are the columns whose Go name the rules of goName do not give.
// The columns of ACL drop the prefix, which the table's name says already.
var columnNames = map[string]string{
	"ACL.acl_entries":      "Entries",
	"ACL.acl_name":         "Name",
	"ACL.acl_fault_status": "FaultStatus",
}

// enumNames are the Go types of the columns that are enumerations.
var enumNames = map[string]string{
	"Logical_Switch.replication_mode":     "ReplicationMode",
	"Physical_Locator.encapsulation_type": "EncapsulationType",
	"ACL_entry.direction":                 "ACLDirection",
	"ACL_entry.action":                    "ACLAction",
}

var words = map[string]string{
	"acl": "ACL", "acle": "ACLE", "bfd": "BFD", "icmp": "ICMP", "ip": "IP", "ipaddr": "IPAddr",
	"ips": "IPs", "ipv4": "IPv4", "lr": "LR", "mac": "MAC", "tcp": "TCP", "vlan": "VLAN", "vxlan": "VXLAN",
}

// goName turns the name of a column or of a value of an enumeration into a Go name.
func goName(name string) string {
	var b strings.Builder
	for word := range strings.SplitSeq(strings.ToLower(name), "_") {
		if special, ok := words[word]; ok {
			b.WriteString(special)
		} else {
			b.WriteString(strings.ToUpper(word[:1]) + word[1:])
		}
	}
	return b.String()
}
