package main

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// id is the UUID of a row of the test.
func id(n int) string { return fmt.Sprintf("00000000-0000-4000-8000-%012d", n) }

const (
	rowGlobal = iota
	rowSwitch
	rowPort
	rowLS
	rowOwnLocator
	rowPeerLocator
	rowTunnel
	rowUcastLocal
	rowMcastLocal
	rowSet
	rowManager
	rowStats
)

// vtepDatabase is one with a switch at work: br0 with port p0 in ls0, and what the VTEP reports.
func vtepDatabase(t *testing.T) *db.Database {
	d := db.New(hwvtep.Schema())
	ref := func(n int) string { return `['uuid','` + id(n) + `']` }
	insert := func(n int, table, row string) string {
		return `{'op':'insert','table':'` + table + `','uuid':'` + id(n) + `','row':{` + row + `}}`
	}
	write(t, d, db.Env{},
		insert(rowManager, "Manager", `'target':'ptcp:6640'`),
		insert(rowGlobal, "Global", `'switches':`+ref(rowSwitch)+`,'managers':`+ref(rowManager)),
		insert(rowSwitch, "Physical_Switch", `'name':'br0','tunnel_ips':'192.0.2.1','management_ips':'198.51.100.1','ports':`+ref(rowPort)+`,'tunnels':`+ref(rowTunnel)),
		insert(rowPort, "Physical_Port", `'name':'p0','vlan_bindings':['map',[[0,`+ref(rowLS)+`]]],'vlan_stats':['map',[[0,`+ref(rowStats)+`]]]`),
		insert(rowStats, "Logical_Binding_Stats", ``),
		insert(rowLS, "Logical_Switch", `'name':'ls0','tunnel_key':33`),
		insert(rowOwnLocator, "Physical_Locator", `'dst_ip':'192.0.2.1','encapsulation_type':'vxlan_over_ipv4'`),
		insert(rowPeerLocator, "Physical_Locator", `'dst_ip':'192.0.2.2','encapsulation_type':'vxlan_over_ipv4'`),
		insert(rowTunnel, "Tunnel", `'local':`+ref(rowOwnLocator)+`,'remote':`+ref(rowPeerLocator)),
		insert(rowUcastLocal, "Ucast_Macs_Local", `'MAC':'02:00:00:00:00:01','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowOwnLocator)),
		insert(rowSet, "Physical_Locator_Set", `'locators':`+ref(rowOwnLocator)),
		insert(rowMcastLocal, "Mcast_Macs_Local", `'MAC':'unknown-dst','logical_switch':`+ref(rowLS)+`,'locator_set':`+ref(rowSet)))
	return d
}

// write executes operations, in which ' stands for ", and returns their reply.
func write(t *testing.T, d *db.Database, env db.Env, operations ...string) string {
	t.Helper()
	v, err := wire.ParseString(strings.ReplaceAll(`['hardware_vtep',`+strings.Join(operations, ",")+`]`, "'", `"`))
	if err != nil {
		t.Fatalf("%s: %v", operations, err)
	}
	return string(d.Transact(v, &env).Reply)
}

// TestProtection has controllers write over the network what they are known to write, and what
// they may not. Each case begins with the same database.
func TestProtection(t *testing.T) {
	refuse := protection("run the VTEP with --no-protect")
	env := db.Env{Permit: func(d *db.Database, ts *ovsdb.TableSchema, row *db.RowChange) error { return refuse("", d, ts, row) }}
	row := func(n int) string { return `'where':[['_uuid','==',['uuid','` + id(n) + `']]]` }
	update := func(table string, n int, columns string) string {
		return `{'op':'update','table':'` + table + `',` + row(n) + `,'row':{` + columns + `}}`
	}
	mutate := func(table string, n int, column, mutator, value string) string {
		return `{'op':'mutate','table':'` + table + `',` + row(n) + `,'mutations':[['` + column + `','` + mutator + `',` + value + `]]}`
	}
	remove := func(table string, n int) string { return `{'op':'delete','table':'` + table + `',` + row(n) + `}` }
	insert := func(table, name, columns string) string {
		return `{'op':'insert','table':'` + table + `','uuid-name':'` + name + `','row':{` + columns + `}}`
	}
	ref := func(n int) string { return `['uuid','` + id(n) + `']` }

	for _, c := range []struct {
		name string
		ops  []string
		want string // of the error; empty: it is allowed
	}{
		// OpenDaylight
		{"ODL echoes the switch", []string{update("Physical_Switch", rowSwitch, `'description':'gateway','management_ips':'198.51.100.1','tunnel_ips':'192.0.2.1'`)}, ""},
		{"ODL echoes the port", []string{update("Physical_Port", rowPort, `'name':'p0','description':'uplink','vlan_bindings':['map',[[7,`+ref(rowLS)+`]]]`)}, ""},
		{"ODL makes a tunnel", []string{
			insert("Physical_Locator", "l", `'dst_ip':'192.0.2.3','encapsulation_type':'vxlan_over_ipv4'`),
			insert("Tunnel", "t", `'local':`+ref(rowOwnLocator)+`,'remote':['named-uuid','l'],'bfd_params':['map',[['enable','true']]]`),
			mutate("Physical_Switch", rowSwitch, "tunnels", "insert", `['named-uuid','t']`)}, ""},
		{"ODL updates a tunnel", []string{update("Tunnel", rowTunnel, `'local':`+ref(rowOwnLocator)+`,'remote':`+ref(rowPeerLocator)+
			`,'bfd_params':['map',[['enable','true']]],'bfd_config_remote':['map',[['bfd_dst_ip','169.254.1.7']]]`)}, ""},
		// Contrail
		{"Contrail deletes a switch", []string{remove("Ucast_Macs_Local", rowUcastLocal), remove("Mcast_Macs_Local", rowMcastLocal),
			update("Physical_Port", rowPort, `'vlan_bindings':['map',[]]`), remove("Logical_Switch", rowLS)}, ""},
		// NSX
		{"NSX adds controllers", []string{insert("Manager", "m", `'target':'ssl:203.0.113.2:6640'`),
			mutate("Global", rowGlobal, "managers", "insert", `['named-uuid','m']`), update("Manager", rowManager, `'inactivity_probe':10000`)}, ""},
		{"NSX sets BFD", []string{update("Tunnel", rowTunnel, `'bfd_params':['map',[['enable','true'],['min_rx','500']]]`)}, ""},
		// OVN, networking-l2gw
		{"OVN places a MAC", []string{
			insert("Ucast_Macs_Remote", "m", `'MAC':'02:00:00:00:00:21','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowPeerLocator)),
			update("Logical_Switch", rowLS, `'tunnel_key':34,'replication_mode':'source_node'`)}, ""},
		{"l2gw binds", []string{insert("Logical_Switch", "n", `'name':'net','tunnel_key':77`), mutate("Physical_Port", rowPort, "vlan_bindings", "insert", `['map',[[5,['named-uuid','n']]]]`)}, ""},
		{"ACLs", []string{insert("ACL_entry", "e", `'sequence':1,'direction':'ingress','action':'deny'`), insert("ACL", "a", `'acl_name':'a','acl_entries':['named-uuid','e']`),
			mutate("Physical_Port", rowPort, "acl_bindings", "insert", `['map',[[0,['named-uuid','a']]]]`)}, ""},
		{"a key of a peer's locator", []string{update("Physical_Locator", rowPeerLocator, `'tunnel_key':9`)}, ""},
		{"the own address in a set", []string{insert("Physical_Locator", "l", `'dst_ip':'192.0.2.1','encapsulation_type':'vxlan_over_ipv4','tunnel_key':9`),
			insert("Physical_Locator_Set", "s", `'locators':['named-uuid','l']`),
			insert("Mcast_Macs_Remote", "m", `'MAC':'unknown-dst','logical_switch':`+ref(rowLS)+`,'locator_set':['named-uuid','s']`)}, ""},
		{"nothing", []string{remove("Physical_Port", 99), update("Physical_Switch", 99, `'name':'x'`)}, ""},

		{"a port", []string{insert("Physical_Port", "p", `'name':'eth0'`), mutate("Physical_Switch", rowSwitch, "ports", "insert", `['named-uuid','p']`)},
			"insert into table Physical_Port is not allowed: the ports of this machine are for the operator to choose"},
		{"a port renamed", []string{update("Physical_Port", rowPort, `'name':'eth0'`)}, "column name of table Physical_Port is for the operator"},
		{"a port taken over", []string{update("Physical_Port", rowPort, `'other_config':['map',[['take_over','true']]]`)}, "column other_config of table Physical_Port is for the operator"},
		{"a port taken away", []string{mutate("Physical_Switch", rowSwitch, "ports", "delete", ref(rowPort))}, "column ports of table Physical_Switch is for the operator"},
		{"a port deleted", []string{mutate("Physical_Switch", rowSwitch, "ports", "delete", ref(rowPort)), remove("Physical_Port", rowPort)}, "for the operator"},
		{"any source", []string{update("Physical_Switch", rowSwitch, `'other_config':['map',[['accept_any_source','true']]]`)}, "column other_config of table Physical_Switch is for the operator"},
		{"a tunnel IP", []string{update("Physical_Switch", rowSwitch, `'tunnel_ips':'192.0.2.9'`)}, "column tunnel_ips of table Physical_Switch is for the operator"},
		{"a name", []string{update("Physical_Switch", rowSwitch, `'name':'br1'`)}, "column name of table Physical_Switch is for the operator"},
		{"a switch", []string{insert("Physical_Switch", "s", `'name':'br1'`), mutate("Global", rowGlobal, "switches", "insert", `['named-uuid','s']`)}, "the switches of this machine are for the operator"},
		{"a switch removed", []string{mutate("Global", rowGlobal, "switches", "delete", ref(rowSwitch))}, "column switches of table Global is for the operator"},
		{"a switch deleted", []string{update("Global", rowGlobal, `'switches':['set',[]]`), remove("Physical_Switch", rowSwitch)}, "is for the operator"},
		{"everything deleted", []string{`{'op':'delete','table':'Global','where':[]}`}, "delete from table Global is not allowed"},
		{"a tunnel repointed", []string{update("Tunnel", rowTunnel, `'remote':`+ref(rowOwnLocator))}, "column remote of table Tunnel is not allowed"},
		{"a tunnel's other end", []string{update("Tunnel", rowTunnel, `'local':`+ref(rowPeerLocator))}, "column local of table Tunnel is not allowed"},
		{"tunnels removed", []string{update("Physical_Switch", rowSwitch, `'tunnels':['set',[]]`)}, "removing from column tunnels of table Physical_Switch is not allowed"},
		{"where BFD is expected", []string{update("Tunnel", rowTunnel, `'bfd_config_local':['map',[['bfd_dst_ip','1.2.3.4']]]`)}, "column bfd_config_local of table Tunnel is for the operator"},
		{"what BFD says", []string{update("Tunnel", rowTunnel, `'bfd_status':['map',[['state','up']]]`)}, "column bfd_status of table Tunnel belongs to the VTEP"},
		{"our locator keyed", []string{update("Physical_Locator", rowOwnLocator, `'tunnel_key':4711`)}, "column tunnel_key of table Physical_Locator is not allowed for a tunnel IP"},
		{"our MAC deleted", []string{remove("Ucast_Macs_Local", rowUcastLocal)}, "rows of table Ucast_Macs_Local belong to the VTEP"},
		{"our MAC moved", []string{update("Ucast_Macs_Local", rowUcastLocal, `'locator':`+ref(rowPeerLocator))}, "rows of table Ucast_Macs_Local belong to the VTEP"},
		{"a MAC of ours", []string{insert("Ucast_Macs_Local", "m", `'MAC':'02:00:00:00:00:09','logical_switch':`+ref(rowLS)+`,'locator':`+ref(rowOwnLocator))}, "rows of table Ucast_Macs_Local belong to the VTEP"},
		{"our flooding deleted", []string{`{'op':'delete','table':'Mcast_Macs_Local','where':[]}`}, "rows of table Mcast_Macs_Local belong to the VTEP"},
		{"counters", []string{update("Logical_Binding_Stats", rowStats, `'bytes_to_local':7`)}, "rows of table Logical_Binding_Stats belong to the VTEP"},
		{"faults", []string{update("Physical_Switch", rowSwitch, `'switch_fault_status':'x'`)}, "column switch_fault_status of table Physical_Switch belongs to the VTEP"},
		{"a Manager's state", []string{update("Manager", rowManager, `'is_connected':true`)}, "column is_connected of table Manager belongs to the VTEP"},
		{"a switch that is deleted and made again", []string{remove("Ucast_Macs_Local", rowUcastLocal), remove("Logical_Switch", rowLS), insert("Logical_Switch", "x", `'name':'ls0'`)}, "referential integrity violation"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := vtepDatabase(t)
			reply := write(t, d, env, c.ops...)
			switch refused := strings.Contains(reply, `"error"`); {
			case c.want == "" && refused:
				t.Errorf("refused: %s", reply)
			case c.want != "" && !strings.Contains(reply, c.want):
				t.Errorf("%s; want %s", reply, c.want)
			case strings.Contains(reply, "permission error") && !strings.Contains(reply, "--no-protect"):
				t.Errorf("no remedy: %s", reply)
			}
			if err := d.Check(); err != nil {
				t.Error(err)
			}
		})
	}
	// Those of the machine itself write all of it.
	if reply := write(t, vtepDatabase(t), db.Env{}, update("Physical_Switch", rowSwitch, `'tunnel_ips':'192.0.2.9'`)); strings.Contains(reply, "error") {
		t.Errorf("locally: %s", reply)
	}
}
