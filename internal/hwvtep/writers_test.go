package hwvtep_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
	"github.com/vtep/vtep/internal/ovsdb"
)

// defaults is a row in which every column has its default value.
func defaults(table *ovsdb.TableSchema) *hwvtep.Row {
	var values []ovsdb.Datum
	for _, c := range table.Columns {
		values = append(values, ovsdb.Default(&c.Type))
	}
	return ovsdb.NewRow(hwvtep.UUID{}, values)
}

// Every column has a writer, and those that a controller may not change are these.
func TestWriters(t *testing.T) {
	var owned, operators []string
	view := hwvteptest.NewDB().View()
	for _, table := range hwvtep.Schema().SortedTables() {
		for _, c := range table.Columns {
			name := table.Name + "." + c.Name
			if hwvtep.WritersOf(table.Name, c.Name) == 0 {
				t.Errorf("%s: nobody writes it", name)
			}
			err := hwvtep.Protect(view, &hwvtep.Write{Table: table, Before: defaults(table), After: defaults(table),
				Changed: func(o *ovsdb.ColumnSchema) bool { return o == c }})
			switch {
			case err == nil:
				continue
			case strings.Contains(err.Error(), "to the VTEP"):
				owned = append(owned, name)
			default:
				operators = append(operators, name)
			}
			if ovsdb.AsError(err).Tag != "permission error" {
				t.Errorf("%v", err)
			}
		}
	}
	want := []string{
		"ACL.acl_fault_status", "ACL_entry.acle_fault_status", "Arp_Sources_Local.locator", "Arp_Sources_Local.src_mac",
		"Logical_Binding_Stats.bytes_from_local", "Logical_Binding_Stats.bytes_to_local",
		"Logical_Binding_Stats.packets_from_local", "Logical_Binding_Stats.packets_to_local",
		"Logical_Router.LR_fault_status", "Manager.is_connected", "Manager.status",
		"Mcast_Macs_Local.MAC", "Mcast_Macs_Local.ipaddr", "Mcast_Macs_Local.locator_set", "Mcast_Macs_Local.logical_switch",
		"Physical_Port.port_fault_status", "Physical_Port.vlan_stats", "Physical_Switch.switch_fault_status",
		"Tunnel.bfd_status", "Ucast_Macs_Local.MAC", "Ucast_Macs_Local.ipaddr", "Ucast_Macs_Local.locator",
		"Ucast_Macs_Local.logical_switch",
	}
	if slices.Sort(owned); !slices.Equal(owned, want) {
		t.Errorf("the VTEP's own are\n%v, want\n%v", owned, want)
	}
	want = []string{
		"Global.other_config", "Global.switches", "Physical_Port.name", "Physical_Port.other_config",
		"Physical_Switch.management_ips", "Physical_Switch.name", "Physical_Switch.other_config", "Physical_Switch.ports",
		"Physical_Switch.tunnel_ips", "Tunnel.bfd_config_local", "Tunnel.local", "Tunnel.remote",
	}
	if slices.Sort(operators); !slices.Equal(operators, want) {
		t.Errorf("the operator's are\n%v, want\n%v", operators, want)
	}
}

func TestProtectRows(t *testing.T) {
	view := hwvteptest.NewDB().View()
	for table, refused := range map[string][2]bool{ // insert, delete
		hwvtep.TableUcastMACLocal: {true, false}, hwvtep.TableMcastMACLocal: {true, false}, // there is no switch that stays
		hwvtep.TableARPSourceLocal: {true, true}, hwvtep.TableLogicalBindingStats: {true, true},
		hwvtep.TableUcastMACRemote: {false, false}, hwvtep.TableLogicalSwitch: {false, false},
		hwvtep.TablePhysicalPort: {true, true}, hwvtep.TablePhysicalSwitch: {true, true},
		hwvtep.TableTunnel: {false, true}, hwvtep.TableGlobal: {false, true}, hwvtep.TableManager: {false, false},
	} {
		schema := hwvtep.Schema().Tables[table]
		for i, w := range []*hwvtep.Write{{Table: schema, After: defaults(schema)}, {Table: schema, Before: defaults(schema)}} {
			if err := hwvtep.Protect(view, w); (err != nil) != refused[i] {
				t.Errorf("%s: insert is %v: %v", table, i == 0, err)
			}
		}
	}
}
