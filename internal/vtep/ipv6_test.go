package vtep

import (
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// What a locator's dst_ip says decides the family of the tunnel. Where the plane has no IPv6, or the
// switch no tunnel IP of that family, the row is refused, and said why.
func TestIPv6(t *testing.T) {
	for _, c := range []struct {
		ips      string
		ipv6     bool
		far, six bool   // the MACs behind the IPv4, and the IPv6 peer are reachable
		says     string // in some problem; empty: nothing about locators
	}{
		{"192.0.2.1,2001:db8::1", true, true, true, ""},
		{"2001:db8::1", true, false, true, "192.0.2.2: tunnel_ips has no address of this family"},
		{"192.0.2.1", true, true, false, "2001:db8::2: tunnel_ips has no address of this family"},
		{"192.0.2.1,2001:db8::1", false, true, false, `"2001:db8::2" is not an IPv4 address`},
		{"2001:db8::1", false, false, false, "tunnel_ips has no IPv4 address that can be used: there can be no tunnels; add an IPv4 address of"},
		{"224.0.0.1", true, false, false, "tunnel_ips has no IP address that can be used: there can be no tunnels; add an IP address of"},
	} {
		b, compiler := newBook(), NewCompiler("br0", plane.Features{IPv6: c.ipv6})
		b.edit(t, `
			Physical_Switch PS name=br0 tunnel_ips=`+c.ips+` ports=P0
			Physical_Port P0 name=p0 vlan_bindings=0:LS0
			Logical_Switch LS0 name=ls0 tunnel_key=5000
			Physical_Locator L4 dst_ip=192.0.2.2
			Physical_Locator L6 dst_ip=2001:db8::2
			Physical_Locator_Set S locators=L4,L6
			Mcast_Macs_Remote M MAC=unknown-dst logical_switch=LS0 locator_set=S
			Ucast_Macs_Remote U4 MAC=02:00:00:00:00:04 logical_switch=LS0 locator=L4
			Ucast_Macs_Remote U6 MAC=02:00:00:00:00:06 logical_switch=LS0 locator=L6`)
		compiler.Update(b.rows.View(), nil)
		s := compiler.State()
		if err := s.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
		peers := map[netip.Addr]bool{}
		for _, to := range s.Unicast.All() {
			if to.VNI != 5000 || s.Decap.At(to) == (intent.SwitchID{}) {
				t.Errorf("%+v: tunnel %v", c, to)
			}
			peers[to.Peer] = true
		}
		if peers[netip.MustParseAddr("192.0.2.2")] != c.far || peers[netip.MustParseAddr("2001:db8::2")] != c.six {
			t.Errorf("%+v: peers %v", c, peers)
		}
		flood := s.Floods[intent.FloodKey{Switch: s.Bindings[intent.BindingKey{Port: "p0"}].Switch}]
		if len(flood) != min(1, len(peers)) || len(flood) == 1 && !peers[flood[0].Peer] {
			t.Errorf("%+v: floods to %v", c, flood)
		}
		var all []string
		for _, p := range compiler.Problems() {
			all = append(all, p.String())
		}
		if text := strings.Join(all, "\n"); !strings.Contains(text, c.says) || c.says == "" && strings.Contains(text, "Locator") {
			t.Errorf("%+v: problems:\n%s", c, text)
		}
	}
}

// There are sessions with peers of the families that the VTEP has tunnel IPs of. Of others bfd_status
// says why there is none.
func TestBFDOfIPv6(t *testing.T) {
	own := map[string]string{"192.0.2.7": "192.0.2.1", "2001:db8::7": "2001:db8::1"} // by peer
	for _, c := range []struct {
		tunnelIPs []string
		why       map[string]string // by peer; "": there is a session
	}{
		{[]string{"192.0.2.1", "2001:db8::1"}, map[string]string{"192.0.2.7": "", "2001:db8::7": ""}},
		{[]string{"2001:db8::1"}, map[string]string{"192.0.2.7": "this VTEP has no IPv4 tunnel IP", "2001:db8::7": ""}},
		{[]string{"192.0.2.1"}, map[string]string{"192.0.2.7": "", "2001:db8::7": "this VTEP has no IPv6 tunnel IP"}},
	} {
		s := hw(t)
		s.c.features = plane.Features{BFD: true, IPv6: true}
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: c.tunnelIPs}, hwvtep.PhysicalSwitchTunnelIPs)
			for peer, ip := range own {
				tx.AddPhysicalSwitchTunnels(s.ps("br0").UUID, tx.InsertTunnel(hwvtep.Tunnel{Local: tx.InsertPhysicalLocator(keyless(ip)),
					Remote: tx.InsertPhysicalLocator(keyless(peer)), BFDParams: map[string]string{"enable": "true"}}))
			}
		})
		s.settle()
		wanted := slices.SortedFunc(maps.Keys(s.c.state.BFD), netip.Addr.Compare)
		report := plane.Report{BFD: map[netip.Addr]plane.PeerState{}, Sessions: map[netip.Addr]error{}}
		for i, peer := range wanted {
			if i == 0 {
				report.Sessions[peer] = errors.New("no room")
			} else {
				report.BFD[peer] = plane.PeerState{State: "up", Forwarding: true}
			}
		}
		s.r.SetReport(report)
		s.settle()
		var sessions []string
		for _, id := range s.ps("br0").Tunnels {
			row, _ := s.db.View().Tunnel(id)
			remote, _ := s.db.View().PhysicalLocator(row.Remote)
			why, local := c.why[remote.DstIP], row.BFDConfigLocal[keyBFDIP]
			switch {
			case why != "":
				if row.BFDStatus["enabled"] != "false" || row.BFDStatus["info"] != why || local != "" {
					t.Errorf("with %v: of %s the row says %v, %v", c.tunnelIPs, remote.DstIP, row.BFDStatus, row.BFDConfigLocal)
				}
				continue
			case remote.DstIP == wanted[0].String():
				if row.BFDStatus["enabled"] != "false" || row.BFDStatus["info"] != "no room" {
					t.Errorf("with %v: of %s the row says %v", c.tunnelIPs, remote.DstIP, row.BFDStatus)
				}
			case row.BFDStatus["state"] != "up":
				t.Errorf("with %v: of %s the row says %v", c.tunnelIPs, remote.DstIP, row.BFDStatus)
			}
			if local != defaultBFDLocalIP {
				t.Errorf("with %v: of %s bfd_config_local is %v", c.tunnelIPs, remote.DstIP, row.BFDConfigLocal)
			}
			sessions = append(sessions, remote.DstIP)
		}
		for peer, why := range c.why {
			if slices.Contains(sessions, peer) != (why == "") {
				t.Errorf("with %v there are sessions with %v", c.tunnelIPs, sessions)
			}
		}
	}
}

// The row of a tunnel names the end that it has: the tunnel IP of the peer's family. Local rows name
// one for all.
func TestTunnelRowsOfIPv6(t *testing.T) {
	s := hw(t)
	s.c.features = plane.Features{IPv6: true}
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.addRemote("ls0", "02:00:00:00:00:26", "2001:db8::2")
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	rehome := func(ips ...string) {
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: ips}, hwvtep.PhysicalSwitchTunnelIPs)
		})
		s.settle()
	}
	rehome("192.0.2.1", "2001:db8::1")
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1",
		"tunnel br0 192.0.2.1-192.0.2.2", "tunnel br0 2001:db8::1-2001:db8::2")
	rehome("192.0.2.1", "2001:db8::9")
	s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1",
		"tunnel br0 192.0.2.1-192.0.2.2", "tunnel br0 2001:db8::9-2001:db8::2")
}

// An address that is one of a link only, or named with one, is of no VTEP.
func TestLinkLocalTunnelIP(t *testing.T) {
	for text, right := range map[string]bool{
		"2001:db8::2": true, "2001:DB8:0::2": true, "fd00::2": true, "192.0.2.2": true,
		"fe80::2": false, "fe80::2%eth0": false, "2001:db8::2%eth0": false, "::ffff:192.0.2.2": false, "::": false, "ff02::1": false,
	} {
		if ip, err := ParseTunnelIP(text, true); (err == nil) != right || ip.IsValid() != right {
			t.Errorf("%s: %v, %v", text, ip, err)
		}
	}
}

// An address that another switch of the database has, too, is told of in either family.
func TestSharedIPv6(t *testing.T) {
	b, c := newBook(), NewCompiler("br0", plane.Features{IPv6: true})
	b.edit(t, `
		Physical_Switch PS name=br0 tunnel_ips=192.0.2.1,2001:db8::1
		Physical_Switch PT name=br1 tunnel_ips=192.0.2.9,2001:DB8:0::1`)
	c.Update(b.rows.View(), nil)
	for _, p := range c.Problems() {
		if strings.Contains(p.String(), "has the tunnel IP 2001:db8::1, too") {
			return
		}
	}
	t.Errorf("problems: %v", c.Problems())
}
