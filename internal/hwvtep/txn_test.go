package hwvtep_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

const (
	idA = "11111111-1111-4111-8111-111111111111"
	idB = "22222222-2222-4222-8222-222222222222"
)

var (
	uuidA = hwvtep.UUID{0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11, 0x81, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11}
	uuidB = hwvtep.UUID{0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x42, 0x22, 0x82, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22, 0x22}
)

func TestOps(t *testing.T) {
	where := `"where":[["_uuid","==",["uuid","` + idA + `"]]]`
	for _, tt := range []struct {
		name string
		add  func(*hwvtep.Txn)
		want string
	}{
		{"insert", func(tx *hwvtep.Txn) {
			l := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "192.0.2.1"})
			tx.InsertUcastMACLocal(hwvtep.UcastMACLocal{MAC: "a\"b", LogicalSwitch: uuidB, Locator: l})
		}, `{"op":"insert","table":"Physical_Locator","uuid-name":"r0","row":{"encapsulation_type":"vxlan_over_ipv4","dst_ip":"192.0.2.1"}},` +
			`{"op":"insert","table":"Ucast_Macs_Local","uuid-name":"r1","row":{"MAC":"a\"b","logical_switch":["uuid","` + idB + `"],"locator":["named-uuid","r0"]}}`},
		{"insert defaults", func(tx *hwvtep.Txn) { tx.InsertGlobal(hwvtep.Global{}) },
			`{"op":"insert","table":"Global","uuid-name":"r0","row":{}}`},
		{"update", func(tx *hwvtep.Txn) {
			tx.UpdateLogicalSwitch(uuidA, hwvtep.LogicalSwitch{Name: "not this"},
				hwvtep.LogicalSwitchDescription|hwvtep.LogicalSwitchTunnelKey|hwvtep.LogicalSwitchReplicationMode)
		}, `{"op":"update","table":"Logical_Switch",` + where + `,"row":{"description":"","tunnel_key":["set",[]],"replication_mode":["set",[]]}}`},
		{"update nothing", func(tx *hwvtep.Txn) { tx.UpdateLogicalSwitch(uuidA, hwvtep.LogicalSwitch{Name: "x"}, 0) }, ``},
		{"update counters", func(tx *hwvtep.Txn) {
			tx.UpdateLogicalBindingStats(uuidA, hwvtep.LogicalBindingStats{BytesFromLocal: 1 << 60}, hwvtep.LogicalBindingStatsBytesFromLocal)
		}, `{"op":"update","table":"Logical_Binding_Stats",` + where + `,"row":{"bytes_from_local":1152921504606846976}}`},
		{"wait", func(tx *hwvtep.Txn) {
			tx.WaitLogicalSwitch(uuidA, hwvtep.LogicalSwitch{Name: "n"}, hwvtep.LogicalSwitchName|hwvtep.LogicalSwitchOtherConfig)
		}, `{"op":"wait","table":"Logical_Switch",` + where + `,"timeout":0,"until":"==","columns":["name","other_config"],"rows":[{"name":"n","other_config":["map",[]]}]}`},
		{"set mutations", func(tx *hwvtep.Txn) {
			tx.AddPhysicalSwitchTunnels(uuidA, uuidB)
			tx.RemovePhysicalSwitchSwitchFaultStatus(uuidA, "a", "b")
			tx.AddPhysicalSwitchTunnels(uuidA)
		}, `{"op":"mutate","table":"Physical_Switch",` + where + `,"mutations":[["tunnels","insert",["uuid","` + idB + `"]]]},` +
			`{"op":"mutate","table":"Physical_Switch",` + where + `,"mutations":[["switch_fault_status","delete",["set",["a","b"]]]]}`},
		{"map mutations", func(tx *hwvtep.Txn) {
			tx.PutPhysicalPortVLANStats(uuidA, map[int64]hwvtep.UUID{20: uuidB, 3: uuidB})
			tx.RemovePhysicalPortVLANStats(uuidA, 7)
		}, `{"op":"mutate","table":"Physical_Port",` + where + `,"mutations":[["vlan_stats","delete",["set",[3,20]]],` +
			`["vlan_stats","insert",["map",[[3,["uuid","` + idB + `"]],[20,["uuid","` + idB + `"]]]]]]},` +
			`{"op":"mutate","table":"Physical_Port",` + where + `,"mutations":[["vlan_stats","delete",7]]}`},
		{"new row", func(tx *hwvtep.Txn) {
			id := tx.InsertTunnel(hwvtep.Tunnel{Local: uuidB, Remote: uuidB})
			tx.AddPhysicalSwitchTunnels(uuidA, id)
			tx.DeleteTunnel(id)
		}, `{"op":"insert","table":"Tunnel","uuid-name":"r0","row":{"local":["uuid","` + idB + `"],"remote":["uuid","` + idB + `"]}},` +
			`{"op":"mutate","table":"Physical_Switch",` + where + `,"mutations":[["tunnels","insert",["named-uuid","r0"]]]},` +
			`{"op":"delete","table":"Tunnel","where":[["_uuid","==",["named-uuid","r0"]]]}`},
		{"the rest", func(tx *hwvtep.Txn) { tx.Comment("why"); tx.Assert("lock") },
			`{"op":"comment","comment":"why"},{"op":"assert","lock":"lock"}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tx := hwvtep.NewTxn(nil)
			tt.add(tx)
			if got := string(tx.Ops()); got != tt.want {
				t.Errorf("got  %s\nwant %s", got, tt.want)
			}
			v, err := wire.ParseString("[" + string(tx.Ops()) + "]")
			if err != nil || v.Len() != tx.Len() {
				t.Errorf("Len() = %d for %d operations (%v)", tx.Len(), v.Len(), err)
			}
		})
	}
}

func TestOpOf(t *testing.T) {
	tx := hwvtep.NewTxn(nil)
	tx.Comment("first")
	id := tx.InsertGlobal(hwvtep.Global{})
	if op, ok := tx.OpOf(id); !ok || op != 1 {
		t.Errorf("OpOf() = %d, %v", op, ok)
	}
	if _, ok := tx.OpOf(uuidA); ok {
		t.Error("a row's UUID is no token")
	}
	if _, ok := hwvtep.NewTxn(nil).OpOf(id); ok {
		t.Error("another transaction's token is no token")
	}
}

// Equal transactions are equal texts, whatever the order of Go's maps.
func TestMapsAreSorted(t *testing.T) {
	tx := hwvtep.NewTxn(nil)
	m := map[string]string{}
	for i := range 20 {
		m[fmt.Sprintf("k%02d", i)] = "v"
	}
	tx.InsertGlobal(hwvtep.Global{OtherConfig: m})
	at := 0
	for i := range 20 {
		next := strings.Index(string(tx.Ops()), fmt.Sprintf("k%02d", i))
		if next < at {
			t.Fatalf("not sorted: %s", tx.Ops())
		}
		at = next
	}
}

func BenchmarkInsert10k(b *testing.B) {
	macs := make([]string, 10_000)
	for i := range macs {
		macs[i] = fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255)
	}
	b.ReportAllocs()
	for b.Loop() {
		tx := hwvtep.NewTxn(nil)
		loc := tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: "192.0.2.1"})
		for _, mac := range macs {
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: uuidA, Locator: loc})
		}
		b.SetBytes(int64(len(tx.Ops())))
	}
}
