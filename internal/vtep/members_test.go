package vtep

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// groupMap is a table of groups with members.
type groupMap map[intent.MACKey]bool

func (m groupMap) Has(k intent.MACKey) bool { return m[k] }

func (m groupMap) All(yield func(intent.MACKey) bool) {
	for k, has := range m {
		if has && !yield(k) {
			return
		}
	}
}

func mustMAC(t testing.TB, text string) intent.MAC {
	t.Helper()
	mac, err := intent.ParseMAC(text)
	if err != nil {
		t.Fatal(err)
	}
	return mac
}

const snooping = "other_config=mcast_snooping:true"

// The State has the sets that the table of groups says, as far as its switches and bindings go.
func TestMembers(t *testing.T) {
	b, c := newBook(), NewCompiler("br0", plane.Features{SnoopGroups: true})
	rows := func(text string) {
		t.Helper()
		b.edit(t, text)
		changes := b.rows.Changes()
		c.Update(b.rows.View(), &changes)
	}
	b.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0,P1
		Physical_Port P0 name=p0 vlan_bindings=0:LS0,100:LS1
		Physical_Port P1 name=p1 vlan_bindings=0:LS0
		Logical_Switch LS0 name=ls0 tunnel_key=5000 other_config=mcast_snooping:true
		Logical_Switch LS1 name=ls1 tunnel_key=6000`)
	b.rows.Changes()
	c.Update(b.rows.View(), nil)
	expect := func(what string, want ...string) {
		t.Helper()
		got := []string{}
		for line := range strings.Lines(c.State().String()) {
			if strings.HasPrefix(line, "members ") {
				got = append(got, strings.TrimSuffix(strings.TrimPrefix(line, "members "), "\n"))
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
		if err := c.State().Check(); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	p0, p1 := intent.BindingKey{Port: "p0"}, intent.BindingKey{Port: "p1"}
	ls0, ls1 := switchID(labelUUID("LS0")), switchID(labelUUID("LS1"))
	group := mustMAC(t, "01:00:5e:01:01:01")
	c.SetMembers(intent.MACKey{Switch: ls0, MAC: group}, intent.MemberSet{p0, p1})
	c.SetMembers(intent.MACKey{Switch: ls0, MAC: intent.OtherGroups4}, intent.MemberSet{p1})
	c.SetMembers(intent.MACKey{Switch: ls1, MAC: group}, intent.MemberSet{{Port: "p0", VLAN: 100}})
	if d := c.Refresh(); len(d.Members) != 2 {
		t.Errorf("the delta is %v", d)
	}
	both := []string{"ls0 01:00:5e:00:00:00 -> p1/0", "ls0 01:00:5e:01:01:01 -> p0/0 p1/0"}
	expect("ls1 does not snoop", both...)
	rows("Physical_Port P1 name=p1")
	expect("a binding goes before the table of groups knows", "ls0 01:00:5e:00:00:00 ->", "ls0 01:00:5e:01:01:01 -> p0/0")
	rows("Physical_Port P1 name=p1 vlan_bindings=0:LS0")
	expect("and comes back", both...)
	rows("Physical_Switch PS name=br0 tunnel_ips=192.0.2.7 ports=P0,P1")
	expect("all is compiled anew", both...)
	rows("Logical_Switch LS0 name=ls0 tunnel_key=5000")
	expect("it does not snoop any more")
	rows("Logical_Switch LS0 name=ls0 tunnel_key=5000 " + snooping)
	expect("it does again", both...)
	c.SetMembers(intent.MACKey{Switch: ls0, MAC: group}, nil)
	c.Refresh()
	expect("a set goes", both[0])
	rows("Physical_Port P0 name=p0\nPhysical_Port P1 name=p1")
	expect("the switch is not here")
}

func TestSnoopingOptions(t *testing.T) {
	for _, c := range []struct {
		config string
		can    bool
		want   string
	}{
		{"", true, "switch ls0 vni 5000"},
		{"mcast_snooping:true", true, "switch ls0 vni 5000 snoop-groups"},
		{"mcast_snooping:true,mcast_flood_unregistered:true", true, "switch ls0 vni 5000 snoop-groups flood-unregistered"},
		{"mcast_flood_unregistered:true", true, "switch ls0 vni 5000"},
		{"mcast_snooping:yes", true, "switch ls0 vni 5000"},
		{"mcast_snooping:true", false, "switch ls0 vni 5000"},
	} {
		b, comp := newBook(), NewCompiler("br0", plane.Features{SnoopGroups: c.can})
		b.edit(t, "Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0\nPhysical_Port P0 name=p0 vlan_bindings=0:LS0\n"+
			"Logical_Switch LS0 name=ls0 tunnel_key=5000 other_config="+c.config)
		comp.Update(b.rows.View(), nil)
		if text := comp.State().String(); !strings.Contains(text, c.want+"\n") {
			t.Errorf("%s, able %v:\n%s", c.config, c.can, text)
		}
		told := strings.Contains(b.verdict(comp), "problem unserved_option: Logical_Switch ls0: other_config:mcast_snooping is")
		if told == c.can {
			t.Errorf("%s, able %v: is told of: %v\n%s", c.config, c.can, told, b.verdict(comp))
		}
	}
}

func TestReportGroups(t *testing.T) {
	s := hw(t)
	s.c.features.SnoopGroups = true
	groups := groupMap{}
	s.r.SetGroups(groups)
	key := func(ls, mac string) intent.MACKey {
		return intent.MACKey{Switch: switchID(s.ls(ls).UUID), MAC: mustMAC(t, mac)}
	}
	set := func(ls, mac string, has bool) {
		groups[key(ls, mac)] = has
		s.r.MarkGroup(key(ls, mac))
	}
	configure := func(on bool) {
		s.edit(func(tx *hwvtep.Txn) {
			config := map[string]string{}
			if on {
				config["mcast_snooping"] = "true"
			}
			tx.UpdateLogicalSwitch(s.ls("ls0").UUID, hwvtep.LogicalSwitch{OtherConfig: config}, hwvtep.LogicalSwitchOtherConfig)
		})
	}
	usual := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0"}
	with := func(more ...string) []string { return append(slices.Clone(usual), more...) }
	const one, two = "mcast ls0 01:00:5e:01:01:01 192.0.2.1", "mcast ls0 33:33:00:01:00:03 192.0.2.1"

	set("ls0", "01:00:5e:01:01:01", true)
	set("ls1", "01:00:5e:01:01:01", true) // not here
	s.settle()
	s.want(usual...) // it does not snoop
	configure(true)
	s.settle()
	s.want(with(one)...)
	set("ls0", "33:33:00:01:00:03", true)
	s.settle()
	s.want(with(one, two)...)
	if s.build() != nil {
		t.Error("it goes on")
	}
	set("ls0", "33:33:00:01:00:03", false)
	s.settle()
	s.want(with(one)...)

	// An NVC deletes the row, or another switch has its locator in it.
	s.edit(func(tx *hwvtep.Txn) {
		for m := range s.db.View().McastMACsLocal() {
			tx.DeleteMcastMACLocal(m.UUID)
		}
	})
	s.settle()
	s.want(with(one)...)
	s.edit(func(tx *hwvtep.Txn) {
		other := tx.InsertPhysicalLocator(keyless("192.0.2.7"))
		for m := range s.db.View().McastMACsLocal() {
			if m.MAC != "unknown-dst" {
				old, _ := s.db.View().PhysicalLocatorSet(m.LocatorSet)
				now := tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: append(slices.Clone(old.Locators), other)})
				tx.UpdateMcastMACLocal(m.UUID, hwvtep.McastMACLocal{LocatorSet: now}, hwvtep.McastMACLocalLocatorSet)
			}
		}
		tx.InsertMcastMACLocal(hwvtep.McastMACLocal{MAC: "33:33:00:01:00:03", LogicalSwitch: s.ls("ls0").UUID,
			LocatorSet: tx.InsertPhysicalLocatorSet(hwvtep.PhysicalLocatorSet{Locators: []UUID{other}})})
	})
	s.settle()
	const shared, others = one + " 192.0.2.7", "mcast ls0 33:33:00:01:00:03 192.0.2.7"
	s.want(with(shared, others)...)
	set("ls0", "33:33:00:01:00:03", true)
	set("ls0", "01:00:5e:01:01:01", false)
	s.settle()
	s.want(with("mcast ls0 01:00:5e:01:01:01 192.0.2.7", two+" 192.0.2.7")...)
	// The switch is unbound, or does not snoop: what is ours goes, and only that.
	configure(false)
	s.settle()
	s.want(with("mcast ls0 01:00:5e:01:01:01 192.0.2.7", others)...)
	configure(true)
	s.settle()
	s.edit(func(tx *hwvtep.Txn) { tx.RemovePhysicalPortVLANBindings(s.port("p0").UUID, 0) })
	s.settle()
	s.want("mcast ls0 01:00:5e:01:01:01 192.0.2.7", others)
}

// Rows of groups change no faster than so many in a second, all of them in the end; and those that have to go
// go at once.
func TestReportManyGroups(t *testing.T) {
	s := hw(t)
	s.c.features.SnoopGroups = true
	groups := groupMap{}
	s.r.SetGroups(groups)
	configure := func(on string) {
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdateLogicalSwitch(s.ls("ls0").UUID, hwvtep.LogicalSwitch{OtherConfig: map[string]string{"mcast_snooping": on}}, hwvtep.LogicalSwitchOtherConfig)
		})
	}
	configure("true")
	rows := func() (n int) {
		for m := range s.db.View().McastMACsLocal() {
			if m.MAC != "unknown-dst" {
				n++
			}
		}
		return n
	}
	const all = paceBurst + 250
	for i := range all {
		key := intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: intent.MAC{1, 0, 0x5e, 1, byte(i >> 8), byte(i)}}
		groups[key] = true
		s.r.MarkGroup(key)
	}
	begin := s.now
	for s.step() {
	}
	if n := rows(); n != paceBurst {
		t.Errorf("%d rows at once", n)
	}
	if s.r.Busy(s.now) || s.r.Due().IsZero() {
		t.Errorf("busy: %v; due %v", s.r.Busy(s.now), s.r.Due())
	}
	s.settle()
	if n, took := rows(), s.now.Sub(begin); n != all || took < 2*time.Second || took > 4*time.Second {
		t.Errorf("%d rows after %v", n, took)
	}
	configure("false")
	for s.step() {
	}
	if n := rows(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// After a restart rows of groups stand until their members can have told of themselves again.
func TestReportGroupsRestart(t *testing.T) {
	s := hw(t)
	s.c.features.SnoopGroups = true
	key := intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: mustMAC(t, "01:00:5e:01:01:01")}
	gone := intent.MACKey{Switch: key.Switch, MAC: mustMAC(t, "01:00:5e:01:01:02")}
	s.r.SetGroups(groupMap{key: true, gone: true})
	s.r.MarkGroup(key)
	s.r.MarkGroup(gone)
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdateLogicalSwitch(s.ls("ls0").UUID, hwvtep.LogicalSwitch{OtherConfig: map[string]string{"mcast_snooping": "true"}}, hwvtep.LogicalSwitchOtherConfig)
	})
	s.settle()
	usual := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0"}
	both := append(usual, "mcast ls0 01:00:5e:01:01:01 192.0.2.1", "mcast ls0 01:00:5e:01:01:02 192.0.2.1")
	s.want(both...)

	s.c = NewCompiler("br0", plane.Features{SnoopGroups: true})
	s.r = NewReporter(s.c, s.learned)
	groups := groupMap{}
	s.r.SetGroups(groups)
	s.update()
	s.settle()
	s.want(both...)
	if s.r.AdoptedGroups() != 2 {
		t.Errorf("%d are adopted", s.r.AdoptedGroups())
	}
	groups[key] = true
	s.r.MarkGroup(key)
	s.r.UnadoptGroups()
	s.settle()
	s.want(append(usual, "mcast ls0 01:00:5e:01:01:01 192.0.2.1")...)
	s.r.Withdraw()
	s.settle()
	s.want("stats p0/0 from 0/0 to 0/0")
}
