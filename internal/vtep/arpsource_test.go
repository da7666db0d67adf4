package vtep

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
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
	if to := s.c.State().Unicast[key]; to.Peer.String() != "192.0.2.7" || to.VNI != 5000 {
		t.Errorf("the State is\n%v", s.c.State())
	}
	s.edit(func(tx *hwvtep.Txn) {
		for row := range s.db.View().ARPSourcesLocal() {
			tx.DeleteARPSourceLocal(row.UUID)
		}
	})
	if _, ok := s.c.State().Unicast[key]; ok {
		t.Errorf("the State is still\n%v", s.c.State())
	}
}
