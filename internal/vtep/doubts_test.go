package vtep

import (
	"iter"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// learnedMACs are MACs learned on our ports.
type learnedMACs map[intent.MACKey]intent.BindingKey

func (l learnedMACs) Get(key intent.MACKey) (intent.BindingKey, bool) {
	at, ok := l[key]
	return at, ok
}

func (l learnedMACs) IP(intent.MACKey) (none netip.Addr) { return }

func (l learnedMACs) All() iter.Seq2[intent.MACKey, intent.BindingKey] {
	return func(yield func(intent.MACKey, intent.BindingKey) bool) {
		for k, v := range l {
			if !yield(k, v) {
				return
			}
		}
	}
}

// told keeps what a compiler tells, as the operator sees it.
type told map[problem.Problem]int

func (t told) take(c *Compiler) string {
	gone, came := c.TakeProblems()
	for _, p := range came {
		t[p]++
	}
	for _, p := range gone {
		if t[p]--; t[p] == 0 {
			delete(t, p)
		}
	}
	var lines []string
	for p, n := range t {
		if n < 0 {
			return "gone, but never came: " + p.String()
		}
		lines = append(lines, string(p.Kind)+" "+p.Object)
	}
	return strings.Join(lines, "\n")
}

// What was learned here and is said to be elsewhere is told, by the port that it is on now.
func TestMACElsewhere(t *testing.T) {
	b, c, macs, told := newBook(), NewCompiler("br0", plane.Features{BFD: true}), learnedMACs{}, told{}
	c.SetLearned(macs)
	b.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
		Physical_Port P0 name=p0 vlan_bindings=0:LS0,7:LS0
		Logical_Switch LS0 name=ls0 tunnel_key=5000 other_config=flood_to_unicast_peers:true
		Physical_Locator L2 dst_ip=192.0.2.2
		Ucast_Macs_Remote U1 MAC=02:00:00:00:00:21 logical_switch=LS0 locator=L2`)
	b.rows.Changes()
	c.Update(b.rows.View(), nil)
	if got := told.take(c); got != "" {
		t.Errorf("told %q", got)
	}
	mac, err := intent.ParseMAC("02:00:00:00:00:21")
	if err != nil {
		t.Fatal(err)
	}
	key := intent.MACKey{Switch: switchID(labelUUID("LS0")), MAC: mac}
	step := func(want string) {
		t.Helper()
		if !c.LearnedChanged(key) {
			t.Fatal("nothing depends on it")
		}
		c.Refresh()
		if got := told.take(c); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	const line = "mac_elsewhere Ucast_Macs_Remote 02:00:00:00:00:21 of Logical_Switch ls0"
	for _, at := range []intent.BindingKey{{Port: "p0"}, {Port: "p0", VLAN: 7}} {
		macs[key] = at
		step(line)
		if text := c.Problems()[0].Text; text != "it was learned on "+at.Port+" VLAN "+map[uint16]string{0: "0", 7: "7"}[at.VLAN]+", but this row sends it to 192.0.2.2" {
			t.Errorf("%q", text)
		}
	}
	delete(macs, key)
	step("")
	macs[key] = intent.BindingKey{Port: "p0"}
	step(line)
	b.delete("U1")
	changes := b.rows.Changes()
	c.Update(b.rows.View(), &changes)
	if got := told.take(c); strings.Contains(got, "elsewhere") {
		t.Errorf("told %q after the row has gone", got)
	}
}

// A switch that gets another name is told of by that; nothing is told twice, or left.
func TestRename(t *testing.T) {
	b, c, told := newBook(), NewCompiler("br0", plane.Features{BFD: true}), told{}
	step := func(rows, want string) {
		t.Helper()
		b.edit(t, rows)
		changes := b.rows.Changes()
		c.Update(b.rows.View(), &changes)
		if got := told.take(c); got != want {
			t.Errorf("told %q, want %q", got, want)
		}
	}
	step("", "no_switch Physical_Switch br0")
	step(`
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0
		Physical_Port P0 name=p0 vlan_bindings=0:LS0
		Logical_Switch LS0 name=red`, "no_vni Logical_Switch red")
	step("Logical_Switch LS0 name=blue", "no_vni Logical_Switch blue")
	step("Logical_Switch LS0 name=blue tunnel_key=7", "no_unknown_dst Logical_Switch blue")
	step("delete PS", "no_switch Physical_Switch br0")
	step("Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0", "no_unknown_dst Logical_Switch blue")
	step("Physical_Port P0 name=p0", "")
}
