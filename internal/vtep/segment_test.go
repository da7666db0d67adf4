package vtep

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Whatever the order of edits to ports of segments, their locators and the rows of hosts there: it comes to the same as
// if all were compiled anew.
func TestSegmentsIncrementally(tt *testing.T) {
	attached := 0
	rapid.Check(tt, func(t *rapid.T) {
		features := plane.Features{Segments: true}
		b, c, macs := newBook(), NewCompiler("br0", features), learnedMACs{}
		c.SetLearned(macs)
		b.edit(tt, `
			Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=port0,port1
			Logical_Switch LS0 name=ls0 tunnel_key=5000
			Logical_Switch LS1 name=ls1 tunnel_key=5001
			Physical_Port port0 name=p0 vlan_bindings=0:LS0 other_config=evpn_esi:00:00:00:00:00:00:00:00:00:01,evpn_segment:1
			Ucast_Macs_Remote host0 MAC=02:00:00:00:00:01 logical_switch=LS0 locator=K1
			Physical_Locator L2 dst_ip=192.0.2.2
			Physical_Locator K1 dst_ip=192.0.2.1 tunnel_key=1
			Physical_Locator K2 dst_ip=192.0.2.1 tunnel_key=2`)
		sum, changes := intent.NewState(), b.rows.Changes()
		sum.Apply(c.Update(b.rows.View(), &changes))
		pick := func(label string, options ...string) string { return rapid.SampledFrom(options).Draw(t, label) }
		put := func(table, label string, columns ...string) {
			if err := b.put(table, label, columns); err != nil {
				t.Fatal(err)
			}
		}
		for range rapid.IntRange(1, 12).Draw(t, "transactions") {
			for range rapid.IntRange(1, 4).Draw(t, "rows") {
				switch pick("what", "port", "port", "host", "host", "gone", "locator", "switch", "learned") {
				case "port":
					n := pick("n", "0", "1", "2")
					put("Physical_Port", "port"+n, "name="+pick("name", "p"+n, "p"+n, "p0"), "vlan_bindings="+pick("bindings", "0:LS0", "5:LS0,7:LS0,8:LS1", "8:LS1", ""),
						"other_config=evpn_esi:00:00:00:00:00:00:00:00:00:0"+pick("esi", "0", "1", "2")+",evpn_segment:"+pick("number", "1", "2")+
							pick("single", "", ",evpn_single_active:true")+pick("blocked", "", "", ",evpn_blocked:all", ",evpn_blocked:5;8")+pick("others", "", ",evpn_segment_vteps:192.0.2.2"))
				case "host":
					put("Ucast_Macs_Remote", "host"+pick("host", "0", "1", "2"), "MAC=02:00:00:00:00:0"+pick("mac", "1", "2"), "logical_switch="+pick("ls", "LS0", "LS1"),
						"locator="+pick("to", "K1", "K1", "K2", "L2"))
				case "gone":
					b.delete("host" + pick("host", "0", "1", "2"))
				case "locator":
					put("Physical_Locator", "K2", "dst_ip=192.0.2.1", "tunnel_key="+pick("key", "1", "2", "3", ""))
				case "switch":
					put("Physical_Switch", "PS", "name=br0", "tunnel_ips="+pick("ips", "192.0.2.1", "192.0.2.1", "192.0.2.1,192.0.2.9"), "ports="+pick("ports", "port0,port1", "port0,port1,port2", "port1"))
				case "learned":
					key := intent.MACKey{Switch: switchID(labelUUID(pick("ls", "LS0", "LS1"))), MAC: intent.MAC{2, 5: 1}}
					if rapid.Bool().Draw(t, "there") {
						macs[key] = intent.BindingKey{Port: pick("port", "p0", "p1"), VLAN: 5}
					} else {
						delete(macs, key)
					}
					c.LearnedChanged(key)
				}
			}
			changes = b.rows.Changes()
			sum.Apply(c.Update(b.rows.View(), &changes))
			if got, want := c.State().String(), sum.String(); got != want {
				t.Fatalf("the State is\n%s\nits deltas add up to\n%s", got, want)
			}
			if err := c.State().Check(); err != nil {
				t.Fatalf("%v in\n%v", err, c.State())
			}
			attached += len(c.State().Attached)
			anew := NewCompiler("br0", features)
			anew.SetLearned(macs)
			anew.Update(b.rows.View(), nil)
			if got, want := b.verdict(c), b.verdict(anew); c.State().String() != anew.State().String() || got != want {
				t.Fatalf("compiling all anew says\n%s%s\nit said\n%s%s", anew.State(), want, c.State(), got)
			}
		}
	})
	if attached == 0 {
		tt.Error("no host was ever at a port")
	}
}

// A host that is heard at the port where its row says that it is has not moved; at another one it has.
func TestAttachedAndLearned(t *testing.T) {
	b, c, macs := newBook(), NewCompiler("br0", plane.Features{Segments: true}), learnedMACs{}
	c.SetLearned(macs)
	b.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0,P1
		Physical_Port P0 name=p0 vlan_bindings=5:LS0 other_config=evpn_esi:03:00:00:00:00:00:00:00:00:01,evpn_segment:1
		Physical_Port P1 name=p1 vlan_bindings=0:LS0
		Logical_Switch LS0 name=ls0 tunnel_key=5000
		Physical_Locator K1 dst_ip=192.0.2.1 tunnel_key=1`)
	changes := b.rows.Changes()
	c.Update(b.rows.View(), &changes)
	key := intent.MACKey{Switch: switchID(labelUUID("LS0")), MAC: intent.MAC{2, 5: 1}}
	for _, at := range []intent.BindingKey{{Port: "p0", VLAN: 5}, {Port: "p1"}} {
		macs[key] = at
		c.LearnedChanged(key)
		b.edit(t, "Ucast_Macs_Remote U MAC=02:00:00:00:00:01 logical_switch=LS0 locator=K1")
		changes = b.rows.Changes()
		c.Update(b.rows.View(), &changes)
		if got := c.State().Attached[key]; got != (intent.BindingKey{Port: "p0", VLAN: 5}) {
			t.Errorf("learned at %v, it is at %v", at, got)
		}
		elsewhere := at.Port == "p1"
		if moved := len(c.TakeMoved()) > 0; moved != elsewhere || c.Claimed(key) != elsewhere {
			t.Errorf("learned at %v: it has moved: %v, it is claimed: %v", at, moved, c.Claimed(key))
		}
		told := ""
		for _, p := range c.Problems() {
			told += p.String() + "\n"
		}
		if strings.Contains(told, "mac_elsewhere") != elsewhere {
			t.Errorf("learned at %v: %s", at, told)
		}
		b.delete("U")
		changes = b.rows.Changes()
		c.Update(b.rows.View(), &changes)
	}
}

// Rows of another switch of the database whose locators stand for a port of it are behind that switch, with the VNI of the
// logical switch, whatever the number is.
func TestSegmentsOfOthers(t *testing.T) {
	b, c := newBook(), NewCompiler("br0", plane.Features{})
	update := func(text string) {
		b.edit(t, text)
		changes := b.rows.Changes()
		c.Update(b.rows.View(), &changes)
	}
	key := intent.MACKey{Switch: switchID(labelUUID("LS0")), MAC: intent.MAC{2, 5: 1}}
	behind := func(vni uint32) {
		t.Helper()
		if got := c.State().Unicast.At(key); got.Peer.String() != "192.0.2.2" || got.VNI != vni {
			t.Errorf("the host is behind %v, not VNI %d", got, vni)
		}
		if err := c.State().Check(); err != nil {
			t.Error(err)
		}
		anew := NewCompiler("br0", plane.Features{})
		anew.Update(b.rows.View(), nil)
		if got, want := c.State().String(), anew.State().String(); got != want {
			t.Errorf("it has\n%s\ncompiled anew\n%s", got, want)
		}
	}
	update(`
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
		Physical_Switch PT name=br1 tunnel_ips=192.0.2.2 ports=P1
		Physical_Port P0 name=p0 vlan_bindings=0:LS0
		Physical_Port P1 name=p0 vlan_bindings=0:LS0 other_config=evpn_esi:03:00:00:00:00:00:00:00:00:01,evpn_segment:7
		Logical_Switch LS0 name=ls0 tunnel_key=5000
		Physical_Locator K7 dst_ip=192.0.2.2 tunnel_key=7
		Ucast_Macs_Local L MAC=02:00:00:00:00:01 logical_switch=LS0 locator=K7`)
	behind(5000)
	update("Physical_Port P1 name=p0 vlan_bindings=0:LS0")
	behind(7)
	update("Physical_Port P1 name=p0 vlan_bindings=0:LS0 other_config=evpn_esi:03:00:00:00:00:00:00:00:00:01,evpn_segment:7")
	behind(5000)
}
