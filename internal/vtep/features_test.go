package vtep

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// What the dataplane can't do is a fault of the row that asks for it, and nothing else is.
func TestFeatures(t *testing.T) {
	for _, features := range []plane.Features{{}, {BFD: true}, {Routers: true}, {Routers: true, ACLs: true}, {Routers: true, ACLs: true, RouterACLs: true}, {ACLs: true}, {TunnelDSCP: plane.InnerPriority, TagPCP: plane.FixedPriority}, {TunnelDSCP: plane.FixedPriority}, {GroupPolicies: true}, {Fragments: true}, {Segments: true}} {
		b, c := newBook(), NewCompiler("br0", features)
		b.edit(t, `
			Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0 tunnels=T other_config=tunnel_dscp:inner,tag_pcp:3,gbp_mark:0xffff,fragment_outer:true
			Physical_Port P0 name=p0 vlan_bindings=0:LS0 acl_bindings=0:A0 other_config=gbp_group:7,evpn_esi:03:00:00:00:00:00:00:00:00:01,evpn_blocked:all
			Logical_Switch LS0 name=ls0 tunnel_key=5000
			Logical_Router LR name=lr0 switch_binding=192.0.2.1/24->LS0 acl_binding=192.0.2.1->A0
			ACL A0 acl_name=a0 acl_entries=E0
			ACL_entry E0 sequence=1 direction=ingress action=deny
			Physical_Locator L1 dst_ip=192.0.2.1
			Physical_Locator L2 dst_ip=192.0.2.2
			Tunnel T local=L1 remote=L2 bfd_params=enable:true`)
		c.Update(b.rows.View(), nil)
		if got := len(c.State().BFD) > 0; got != features.BFD {
			t.Errorf("%+v: the State has sessions: %v", features, got)
		}
		if got := !slices.Contains(c.Faults(), hwvtep.FaultLRSupport); got != features.Routers {
			t.Errorf("%+v: faults %v", features, c.Faults())
		}
		none := intent.Priority{}
		if got := c.State().TunnelDSCP != none && c.State().TagPCP != none; got != (features.TagPCP != 0) {
			t.Errorf("%+v: the State has priorities: %v", features, got)
		}
		if got := c.State().GroupMark != 0 && c.State().Ports["p0"].Group != 0; got != features.GroupPolicies {
			t.Errorf("%+v: the State has group policies: %v", features, got)
		}
		told := slices.DeleteFunc(c.Problems(), func(p problem.Problem) bool { return p.Kind != problem.UnservedOption })
		missing := 6
		switch {
		case features.TagPCP != 0, features.GroupPolicies:
			missing = 4
		case features.Fragments, features.Segments:
			missing = 5
		}
		if got := c.State().Bindings[intent.BindingKey{Port: "p0"}].Role != intent.Designated; got != features.Segments {
			t.Errorf("%+v: the State has roles: %v", features, got)
		}
		if c.State().FragmentOuter != features.Fragments {
			t.Errorf("%+v: the State has fragments: %v", features, c.State().FragmentOuter)
		}
		if len(told) != missing {
			t.Errorf("%+v: problems %v", features, told)
		}
		at := intent.IPKey{Switch: intent.SwitchID(labelUUID("LS0")), IP: netip.MustParseAddr("192.0.2.1")}
		if got := slices.Contains(c.routerFaults(labelUUID("LR")), hwvtep.FaultInvalidACLBinding); features.Routers && got == features.RouterACLs {
			t.Errorf("%+v: the router has the fault of a bad ACL: %v", features, got)
		}
		if got := c.State().Interfaces[at].ACL != (intent.ACLID{}); got != features.RouterACLs {
			t.Errorf("%+v: the interface has an ACL: %v", features, got)
		}
		for p := range c.Ports() {
			if got := !slices.Contains(p.Faults, hwvtep.FaultInvalidACLBinding); got != features.ACLs {
				t.Errorf("%+v: faults of the port %v", features, p.Faults)
			}
			if got := !slices.Contains(p.Faults, hwvtep.FaultUnspecified); got != features.Segments {
				t.Errorf("%+v: faults of the port of a segment %v", features, p.Faults)
			}
			if got := len(c.State().ACLs) > 0; got != features.ACLs || len(c.State().Policies) > 0 != got {
				t.Errorf("%+v: the State has ACLs: %v", features, got)
			}
		}
	}
}

// Whatever table a plane may say is full has its fault.
func TestFullFaults(t *testing.T) {
	for table := plane.LearnedMACs; table <= plane.Neighbours; table++ {
		if fullFaults[table] == "" {
			t.Errorf("no fault for table %d", table)
		}
	}
}

// A plane may keep the map of its sessions: what an event says of one does not go into it.
func TestReportStays(t *testing.T) {
	s := hw(t)
	s.c.features.BFD = true
	peer := netip.MustParseAddr("192.0.2.2")
	kept := map[netip.Addr]plane.PeerState{peer: {State: "up", Forwarding: true}}
	s.r.SetReport(plane.Report{BFD: kept})
	s.r.SetPeer(peer, plane.PeerState{State: "down"})
	if kept[peer].State != "up" || s.r.Report().BFD[peer].State != "down" {
		t.Errorf("the plane has %v, the reporter %v", kept, s.r.report.BFD)
	}
}
