package vtep

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// arpSources are the rows of Arp_Sources_Local, sorted.
func (s *site) arpSources() string {
	var all []string
	for row := range s.db.View().ARPSourcesLocal() {
		l, _ := s.db.View().PhysicalLocator(row.Locator)
		all = append(all, fmt.Sprintf("%s %s", row.SrcMAC, l.DstIP))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// A VTEP that routes says so with a MAC of its own, which stays the same, and takes it back.
func TestReportARPSource(t *testing.T) {
	s := hw(t)
	s.features.Routers = true
	s.restart("br0")
	s.settle()
	if got := s.arpSources(); got != "" {
		t.Errorf("without a router there is %s", got)
	}
	s.edit(func(tx *hwvtep.Txn) {
		tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]UUID{"198.51.100.1/24": s.ls("ls1").UUID}})
	})
	s.settle()
	mac := s.c.State().ARPSource
	want := mac.String() + " 192.0.2.1"
	if got := s.arpSources(); got != want || mac.IsGroup() || mac.IsZero() {
		t.Fatalf("rows are %q, want %q", got, want)
	}
	s.want("mcast ls0 unknown-dst 192.0.2.1", "mcast ls1 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0") // ls1 is active without a port

	other := "02:00:00:00:00:77 192.0.2.7"
	s.edit(func(tx *hwvtep.Txn) { // somebody deletes ours, another VTEP adds its own, and one is wrong
		for row := range s.db.View().ARPSourcesLocal() {
			tx.DeleteARPSourceLocal(row.UUID)
		}
		tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: "02:00:00:00:00:77", Locator: s.locator(tx, "192.0.2.7")})
		tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: "02:00:00:00:00:78", Locator: s.locator(tx, "192.0.2.1")})
	})
	s.settle()
	if got := s.arpSources(); !strings.Contains(got, want) || !strings.Contains(got, other) || strings.Contains(got, "00:78") {
		t.Errorf("rows are %q", got)
	}
	s.restart("br0")
	if tx := s.build(); tx != nil {
		t.Errorf("a new process has %s to do", tx.Ops())
	}
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: []string{"192.0.2.9"}}, hwvtep.PhysicalSwitchTunnelIPs)
	})
	s.settle()
	if got := s.arpSources(); got != mac.String()+" 192.0.2.9, "+other && got != other+", "+mac.String()+" 192.0.2.9" {
		t.Errorf("with another tunnel IP the rows are %q", got)
	}
	s.edit(func(tx *hwvtep.Txn) {
		for lr := range s.db.View().LogicalRouters() {
			tx.DeleteLogicalRouter(lr.UUID)
		}
	})
	s.settle()
	if got := s.arpSources(); got != other || s.c.State().ARPSource != (intent.MAC{}) {
		t.Errorf("without a router the rows are %q", got)
	}
}

// The sources of other switches of the database are known by their own rows, should the NVC not
// repeat them.
func TestARPSourceOfOtherSwitch(t *testing.T) {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		g, _ := s.db.View().TheGlobal()
		tx.AddGlobalSwitches(g.UUID, tx.InsertPhysicalSwitch(hwvtep.PhysicalSwitch{Name: "br1", TunnelIPs: []string{"192.0.2.7"}}))
		tx.InsertARPSourceLocal(hwvtep.ARPSourceLocal{SrcMAC: "02:00:00:00:00:77", Locator: s.locator(tx, "192.0.2.7")})
	})
	key := intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: intent.MAC{2, 5: 0x77}}
	if to := s.c.State().Unicast.At(key); to.Peer.String() != "192.0.2.7" || to.VNI != 5000 {
		t.Errorf("the State is\n%v", s.c.State())
	}
	s.edit(func(tx *hwvtep.Txn) {
		for row := range s.db.View().ARPSourcesLocal() {
			tx.DeleteARPSourceLocal(row.UUID)
		}
	})
	if _, ok := s.c.State().Unicast.Get(key); ok {
		t.Errorf("the State is still\n%v", s.c.State())
	}
}

// A VTEP that asks hosts whether they are there does so with the same MAC, and has no row for it.
func TestProbeSource(t *testing.T) {
	for _, c := range []struct {
		ps, ls string
		can    bool
		asks   bool
	}{
		{"", "", true, false},
		{"", "arp_nd_probing:true", true, true},
		{"arp_nd_probing:true", "", true, true},
		{"arp_nd_probing:true", "arp_nd_probing:false", true, false},
		{"", "arp_nd_probing:true", false, false},
	} {
		b, comp := newBook(), NewCompiler("br0", plane.Features{Probe: c.can})
		b.edit(t, "Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0 other_config="+c.ps+"\nPhysical_Port P0 name=p0 vlan_bindings=0:LS0\n"+
			"Logical_Switch LS0 name=ls0 tunnel_key=5000 other_config="+c.ls)
		comp.Update(b.rows.View(), nil)
		s := comp.State()
		if asks := strings.Contains(s.String(), " probe"); asks != c.asks || s.ARPSource.IsZero() == c.asks || !comp.arpSource.IsZero() {
			t.Errorf("%+v: asks %v, with %v, row of %v", c, asks, s.ARPSource, comp.arpSource)
		}
		if told := strings.Contains(b.verdict(comp), "unserved_option"); told == c.can {
			t.Errorf("%+v: is told of: %v", c, told)
		}
		b.edit(t, "Physical_Port P0 name=p0")
		comp.Update(b.rows.View(), nil)
		if !comp.State().ARPSource.IsZero() {
			t.Errorf("%+v: asks with %v where there is no switch", c, comp.State().ARPSource)
		}
	}
}

// A source of ARP with an address of our own, behind somebody else, is told of by its row, while it is one.
func TestARPSourceThatIsOurs(t *testing.T) {
	s := hw(t)
	s.features.Routers = true
	s.restart("br0")
	told := told{}
	told.take(s.c)
	s.edit(func(tx *hwvtep.Txn) {
		tx.InsertLogicalRouter(hwvtep.LogicalRouter{Name: "lr0", SwitchBinding: map[string]UUID{"198.51.100.1/24": s.ls("ls1").UUID},
			OtherConfig: map[string]string{"router_mac": "02:00:00:00:aa:01"}})
	})
	s.settle()
	own := s.c.State().ARPSource.String()
	s.edit(func(tx *hwvtep.Txn) {
		peer := s.locator(tx, "192.0.2.7")
		for _, mac := range []string{own, "02:00:00:00:aa:01", "02:00:00:00:00:77"} {
			tx.InsertARPSourceRemote(hwvtep.ARPSourceRemote{SrcMAC: mac, Locator: peer})
		}
	})
	s.settle()
	ours := func() []string {
		told.take(s.c)
		var all []string
		for p := range told {
			if strings.HasPrefix(p.Object, "Arp_Sources_Remote") {
				if p.Remedy == "" {
					t.Errorf("%v: no remedy", p)
				}
				all = append(all, string(p.Kind)+" "+p.Object)
			}
		}
		slices.Sort(all)
		return all
	}
	want := []string{"ignored_row Arp_Sources_Remote " + own, "ignored_row Arp_Sources_Remote 02:00:00:00:aa:01"}
	slices.Sort(want)
	if got := ours(); !slices.Equal(got, want) {
		t.Errorf("told is %q, want %q", got, want)
	}
	var router UUID
	for row := range s.db.View().LogicalRouters() {
		router = row.UUID
	}
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdateLogicalRouter(router, hwvtep.LogicalRouter{OtherConfig: map[string]string{"router_mac": "02:00:00:00:aa:02"}}, hwvtep.LogicalRouterOtherConfig)
	})
	s.settle()
	if got, want := ours(), []string{"ignored_row Arp_Sources_Remote " + own}; !slices.Equal(got, want) {
		t.Errorf("with another router_mac told is %q, want %q", got, want)
	}
	s.edit(func(tx *hwvtep.Txn) { tx.DeleteLogicalRouter(router) })
	s.settle()
	if got := ours(); len(got) > 0 {
		t.Errorf("without a router told is %q", got)
	}
}
