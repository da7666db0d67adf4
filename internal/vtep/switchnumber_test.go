package vtep

import (
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// The number of a switch that goes with several MACs, and a group, is given to one other switch, not to one for each: two
// with the same number would get each other's frames.
func TestNumberOfSwitchIsGivenOnce(t *testing.T) {
	b, c := newBook(), NewCompiler("br0", plane.Features{})
	update := func(text string) {
		t.Helper()
		b.edit(t, text)
		changes := b.rows.Changes()
		c.Update(b.rows.View(), &changes)
	}
	update(`
		Physical_Locator own dst_ip=192.0.2.1
		Physical_Locator peer dst_ip=192.0.2.2
		Physical_Locator_Set set locators=peer
		Physical_Switch ps name=br0 tunnel_ips=192.0.2.1 ports=port
		Physical_Port port name=p0 vlan_bindings=0:old
		Logical_Switch old name=old tunnel_key=30
		Ucast_Macs_Remote m1 MAC=02:00:00:00:00:01 logical_switch=old locator=peer
		Ucast_Macs_Remote m2 MAC=02:00:00:00:00:02 logical_switch=old locator=peer
		Mcast_Macs_Remote m3 MAC=unknown-dst logical_switch=old locator_set=set
	`)
	update(`
		delete m1
		delete m2
		delete m3
		delete old
		Physical_Port port name=p0
	`)
	update(`
		Physical_Port port name=p0 vlan_bindings=1:red,2:blue
		Logical_Switch red name=red tunnel_key=31
		Logical_Switch blue name=blue tunnel_key=32
		Ucast_Macs_Remote m1 MAC=02:00:00:00:00:01 logical_switch=red locator=peer
		Ucast_Macs_Remote m2 MAC=02:00:00:00:00:02 logical_switch=blue locator=peer
	`)
	if red, blue := c.switches[switchID(labelUUID("red"))].number, c.switches[switchID(labelUUID("blue"))].number; red == blue {
		t.Errorf("both switches have the number %d", red)
	}
	if err := c.State().Check(); err != nil {
		t.Error(err)
	}
	all := map[uint32]intent.SwitchID{}
	for tunnel, id := range c.State().Decap.All() {
		all[tunnel.VNI] = id
	}
	if len(all) != 2 || all[31] != switchID(labelUUID("red")) || all[32] != switchID(labelUUID("blue")) {
		t.Errorf("frames enter the wrong switches:\n%v", c.State())
	}
}
