package hwvtep_test

import (
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// Every column has a writer, and those that only the VTEP and its server write are these.
func TestWriters(t *testing.T) {
	var owned []string
	for _, table := range hwvtep.Schema().SortedTables() {
		for _, c := range table.Columns {
			w := hwvtep.WritersOf(table.Name, c.Name)
			if w == 0 {
				t.Errorf("%s.%s: nobody writes it", table.Name, c.Name)
			}
			if err := hwvtep.Protect("update", table, ovsdb.ColumnSet{c}); err != nil {
				owned = append(owned, table.Name+"."+c.Name)
				if ovsdb.AsError(err).Tag != "permission error" {
					t.Errorf("%v", err)
				}
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
}

func TestProtectRows(t *testing.T) {
	for table, refused := range map[string]bool{
		hwvtep.TableUcastMACLocal: true, hwvtep.TableMcastMACLocal: true, hwvtep.TableARPSourceLocal: true,
		hwvtep.TableLogicalBindingStats: true, hwvtep.TableUcastMACRemote: false, hwvtep.TablePhysicalPort: false,
		hwvtep.TableLogicalSwitch: false, hwvtep.TableTunnel: false,
	} {
		for _, op := range []string{"insert", "delete"} {
			if err := hwvtep.Protect(op, hwvtep.Schema().Tables[table], nil); (err != nil) != refused {
				t.Errorf("%s %s: %v", op, table, err)
			}
		}
	}
}
