package vtep

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

// book is a database that tests write as text, a row on each line:
//
//	TABLE LABEL COLUMN=VALUE...     puts the row in place of the one with the label
//	delete LABEL
//
// A label stands for the row's UUID; the order of UUIDs is that of the labels. Sets are
// written a,b and maps k:v,k:v.
type book struct {
	rows   *hwvteptest.Rows
	tables map[string]string // of each label
	texts  map[string]string // of each label: its columns
}

func newBook() *book { return &book{hwvteptest.New(), map[string]string{}, map[string]string{}} }

func labelUUID(label string) (id UUID) {
	copy(id[:], label)
	return id
}

// named puts labels in place of UUIDs.
func (b *book) named(text string) string {
	for label := range b.tables {
		text = strings.ReplaceAll(text, labelUUID(label).String(), label)
	}
	return text
}

func (b *book) edit(t testing.TB, text string) {
	t.Helper()
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0 || strings.HasPrefix(fields[0], "#"):
		case fields[0] == "delete":
			b.delete(fields[1])
		default:
			if err := b.put(fields[0], fields[1], fields[2:]); err != nil {
				t.Fatalf("%q: %v", line, err)
			}
		}
	}
}

// unfold gives values of maps the spaces and commas that stand between columns and elements here.
var unfold = strings.NewReplacer("|", " ", ";", ",")

func (b *book) delete(label string) {
	b.rows.Delete(b.tables[label], labelUUID(label))
	delete(b.tables, label)
	delete(b.texts, label)
}

func (b *book) put(table, label string, columns []string) error {
	col := map[string]string{}
	for _, c := range columns {
		name, value, _ := strings.Cut(c, "=")
		col[name] = value
	}
	list := func(name string) (all []string) {
		if col[name] != "" {
			all = strings.Split(col[name], ",")
		}
		return all
	}
	ids := func(name string) (all []UUID) {
		for _, l := range list(name) {
			all = append(all, labelUUID(l))
		}
		return all
	}
	pairs := func(name string) map[string]string {
		m := map[string]string{}
		for _, p := range list(name) {
			k, v, _ := strings.Cut(p, ":")
			m[k] = unfold.Replace(v)
		}
		return m
	}
	refs := func(name string) map[int64]UUID {
		m := map[int64]UUID{}
		for k, v := range pairs(name) {
			n, _ := strconv.ParseInt(k, 10, 64)
			m[n] = labelUUID(v)
		}
		return m
	}
	number := func(name string) hwvtep.Optional[int64] {
		n, err := strconv.ParseInt(col[name], 10, 64)
		if err != nil {
			return hwvtep.Optional[int64]{}
		}
		return hwvtep.Some(n)
	}
	id := labelUUID(label)
	var row hwvteptest.Record
	switch table {
	case hwvtep.TablePhysicalSwitch:
		row = &hwvtep.PhysicalSwitch{UUID: id, Name: col["name"], Ports: ids("ports"), TunnelIPs: list("tunnel_ips"),
			Tunnels: ids("tunnels"), OtherConfig: pairs("other_config"), SwitchFaultStatus: list("switch_fault_status")}
	case hwvtep.TablePhysicalPort:
		row = &hwvtep.PhysicalPort{UUID: id, Name: col["name"], VLANBindings: refs("vlan_bindings"), ACLBindings: refs("acl_bindings"),
			VLANStats: refs("vlan_stats"), OtherConfig: pairs("other_config"), PortFaultStatus: list("port_fault_status")}
	case hwvtep.TableLogicalSwitch:
		row = &hwvtep.LogicalSwitch{UUID: id, Name: col["name"], TunnelKey: number("tunnel_key"),
			ReplicationMode: hwvtep.ReplicationMode(col["replication_mode"]), OtherConfig: pairs("other_config")}
	case hwvtep.TablePhysicalLocator:
		row = &hwvtep.PhysicalLocator{UUID: id, EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: col["dst_ip"], TunnelKey: number("tunnel_key")}
	case hwvtep.TablePhysicalLocatorSet:
		row = &hwvtep.PhysicalLocatorSet{UUID: id, Locators: ids("locators")}
	case hwvtep.TableUcastMACRemote:
		row = &hwvtep.UcastMACRemote{UUID: id, MAC: col["MAC"], LogicalSwitch: labelUUID(col["logical_switch"]), Locator: labelUUID(col["locator"]),
			IPAddr: col["ipaddr"]}
	case hwvtep.TableUcastMACLocal:
		row = &hwvtep.UcastMACLocal{UUID: id, MAC: col["MAC"], IPAddr: col["ipaddr"], LogicalSwitch: labelUUID(col["logical_switch"]), Locator: labelUUID(col["locator"])}
	case hwvtep.TableMcastMACRemote:
		row = &hwvtep.McastMACRemote{UUID: id, MAC: col["MAC"], LogicalSwitch: labelUUID(col["logical_switch"]), LocatorSet: labelUUID(col["locator_set"])}
	case hwvtep.TableMcastMACLocal:
		row = &hwvtep.McastMACLocal{UUID: id, MAC: col["MAC"], LogicalSwitch: labelUUID(col["logical_switch"]), LocatorSet: labelUUID(col["locator_set"])}
	case hwvtep.TableARPSourceRemote:
		row = &hwvtep.ARPSourceRemote{UUID: id, SrcMAC: col["src_mac"], Locator: labelUUID(col["locator"])}
	case hwvtep.TableLogicalRouter:
		// Here a value is behind "->", as there are colons in IPv6 addresses.
		texts := func(name string) map[string]string {
			m := map[string]string{}
			for _, p := range list(name) {
				k, v, _ := strings.Cut(p, "->")
				m[k] = v
			}
			return m
		}
		labels := func(name string) map[string]UUID {
			m := map[string]UUID{}
			for k, v := range texts(name) {
				m[k] = labelUUID(v)
			}
			return m
		}
		row = &hwvtep.LogicalRouter{UUID: id, Name: col["name"], SwitchBinding: labels("switch_binding"), StaticRoutes: texts("static_routes"),
			ACLBinding: labels("acl_binding"), OtherConfig: pairs("other_config"), LRFaultStatus: list("LR_fault_status")}
	case hwvtep.TableARPSourceLocal:
		row = &hwvtep.ARPSourceLocal{UUID: id, SrcMAC: col["src_mac"], Locator: labelUUID(col["locator"])}
	case hwvtep.TableACL:
		row = &hwvtep.ACL{UUID: id, Name: col["acl_name"], Entries: ids("acl_entries"), FaultStatus: list("acl_fault_status")}
	case hwvtep.TableACLEntry:
		text := func(name string) hwvtep.Optional[string] {
			if v, ok := col[name]; ok {
				return hwvtep.Some(v)
			}
			return hwvtep.Optional[string]{}
		}
		sequence, _ := number("sequence").Get()
		row = &hwvtep.ACLEntry{UUID: id, Sequence: sequence, Direction: hwvtep.ACLDirection(col["direction"]), Action: hwvtep.ACLAction(col["action"]),
			SourceMAC: text("source_mac"), DestMAC: text("dest_mac"), Ethertype: text("ethertype"), SourceIP: text("source_ip"), SourceMask: text("source_mask"),
			DestIP: text("dest_ip"), DestMask: text("dest_mask"), Protocol: number("protocol"), SourcePortMin: number("source_port_min"),
			SourcePortMax: number("source_port_max"), DestPortMin: number("dest_port_min"), DestPortMax: number("dest_port_max"),
			TCPFlags: number("tcp_flags"), TCPFlagsMask: number("tcp_flags_mask"), ICMPType: number("icmp_type"), ICMPCode: number("icmp_code"),
			ACLEFaultStatus: list("acle_fault_status")}
	case hwvtep.TableTunnel:
		row = &hwvtep.Tunnel{UUID: id, Local: labelUUID(col["local"]), Remote: labelUUID(col["remote"]), BFDParams: pairs("bfd_params"), BFDStatus: pairs("bfd_status"),
			BFDConfigLocal: pairs("bfd_config_local"), BFDConfigRemote: pairs("bfd_config_remote")}
	default:
		return fmt.Errorf("no such table")
	}
	if was := b.tables[label]; was != "" && was != table {
		b.delete(label)
	}
	b.rows.Put(row)
	b.tables[label], b.texts[label] = table, strings.Join(columns, " ")
	return nil
}

// verdict is what a compiler says of the rows beside the State.
func (b *book) verdict(c *Compiler) string {
	var w strings.Builder
	var routers, lines []string
	for _, f := range c.Faults() {
		fmt.Fprintf(&w, "switch fault %s\n", f)
	}
	for _, p := range slices.SortedFunc(c.Ports(), func(a, b Port) int { return compareUUIDs(a.ID, b.ID) }) {
		for _, f := range p.Faults {
			fmt.Fprintf(&w, "port fault %s %s\n", p.Name, f)
		}
	}
	for id := range c.routers {
		for _, f := range c.routerFaults(id) {
			row, _ := c.view.LogicalRouter(id)
			routers = append(routers, fmt.Sprintf("router fault %s %s\n", row.Name, f))
		}
	}
	slices.Sort(routers)
	w.WriteString(strings.Join(routers, ""))
	for id := range c.acls {
		if f := c.aclFault(id); f != "" {
			lines = append(lines, fmt.Sprintf("ACL fault %v %s\n", id, f))
		}
	}
	for id := range c.aclEntries {
		if c.badACLEntry(id) {
			lines = append(lines, fmt.Sprintf("ACL_entry fault %v %s\n", id, hwvtep.FaultInvalidACLEntry))
		}
	}
	slices.Sort(lines)
	w.WriteString(b.named(strings.Join(lines, "")))
	peers := []string{}
	for p := range c.peers.Keys() {
		peers = append(peers, p.String())
	}
	slices.Sort(peers)
	for _, p := range peers {
		fmt.Fprintf(&w, "peer %s\n", p)
	}
	texts := map[string]struct{}{}
	for _, p := range c.Problems() {
		texts["problem "+p.String()+"\n"] = struct{}{}
	}
	w.WriteString(strings.Join(slices.Sorted(maps.Keys(texts)), ""))
	return w.String()
}
