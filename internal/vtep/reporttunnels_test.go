package vtep

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/plane"
)

func TestReportTunnelIPChanges(t *testing.T) {
	s := hw(t)
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.learn("02:00:00:00:00:01", "ls0", "p0")
	s.settle()
	tunnel := s.ps("br0").Tunnels[0]
	rehome := func(ips ...string) {
		s.edit(func(tx *hwvtep.Txn) {
			tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: ips}, hwvtep.PhysicalSwitchTunnelIPs)
		})
		s.settle()
	}
	rehome("192.0.2.9")
	after := []string{"mcast ls0 unknown-dst 192.0.2.9", "stats p0/0 from 0/0 to 0/0",
		"ucast ls0 02:00:00:00:00:01 192.0.2.9", "tunnel br0 192.0.2.9-192.0.2.2"}
	s.want(after...)
	if s.ps("br0").Tunnels[0] != tunnel {
		t.Error("the tunnel's row was made anew")
	}
	rehome()
	s.want("stats p0/0 from 0/0 to 0/0", "fault br0 tunnel_exhaustion") // there is a remote MAC
	rehome("192.0.2.9")
	s.want(after...)

	// The address changes while nobody is there. The tunnel row tells what was ours.
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdatePhysicalSwitch(s.ps("br0").UUID, hwvtep.PhysicalSwitch{TunnelIPs: []string{"192.0.2.10"}}, hwvtep.PhysicalSwitchTunnelIPs)
	})
	s.restart("br0")
	s.settle()
	s.want("mcast ls0 unknown-dst 192.0.2.10", "stats p0/0 from 0/0 to 0/0",
		"ucast ls0 02:00:00:00:00:01 192.0.2.10", "tunnel br0 192.0.2.10-192.0.2.2")
}

// Existing rows are used, also those that an NVC made.
func TestReportAdoptsTunnels(t *testing.T) {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		keyed := keyless("192.0.2.2")
		keyed.TunnelKey = hwvtep.Some[int64](7)
		remote := tx.InsertPhysicalLocator(keyed)
		id := tx.InsertTunnel(hwvtep.Tunnel{Local: tx.InsertPhysicalLocator(keyless("192.0.2.1")), Remote: remote,
			BFDParams: map[string]string{"enable": "true"}})
		tx.AddPhysicalSwitchTunnels(s.ps("br0").UUID, id)
		tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: "02:00:00:00:00:21", LogicalSwitch: s.ls("ls0").UUID, Locator: remote})
	})
	s.settle()
	const status = " status:enabled=false status:info=this VTEP does not run BFD"
	lines := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "tunnel br0 192.0.2.1-192.0.2.2/7" + status}
	s.want(lines...)
	s.edit(func(tx *hwvtep.Txn) {
		for m := range s.db.View().UcastMACsRemote() {
			tx.DeleteUcastMACRemote(m.UUID)
		}
	})
	s.settle()
	s.want(lines...) // BFD is still wanted
	s.edit(func(tx *hwvtep.Txn) { tx.RemoveTunnelBFDParams(s.ps("br0").Tunnels[0], "enable") })
	s.settle()
	s.want(lines[:2]...)
}

// What sessions of BFD say becomes bfd_status, with "enabled" beside it; before they say anything
// nothing is written that an NVC could take for the end of the session.
func TestReportBFD(t *testing.T) {
	s := hw(t)
	s.c.features.BFD = true
	s.edit(func(tx *hwvtep.Txn) {
		remote := tx.InsertPhysicalLocator(keyless("192.0.2.2"))
		id := tx.InsertTunnel(hwvtep.Tunnel{Local: tx.InsertPhysicalLocator(keyless("192.0.2.1")), Remote: remote,
			BFDParams: map[string]string{"enable": "true"}})
		tx.AddPhysicalSwitchTunnels(s.ps("br0").UUID, id)
	})
	peer := netip.MustParseAddr("192.0.2.2")
	say := func(bfd map[netip.Addr]plane.PeerState) {
		s.r.SetReport(plane.Report{BFD: bfd})
		s.settle()
	}
	lines := []string{"mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "tunnel br0 192.0.2.1-192.0.2.2"}
	say(map[netip.Addr]plane.PeerState{})
	s.want(lines...)
	say(map[netip.Addr]plane.PeerState{peer: {State: "down"}})
	s.want(lines[0], lines[1], lines[2]+" status:enabled=true status:forwarding=false status:state=down")
	say(map[netip.Addr]plane.PeerState{})
	s.want(lines[0], lines[1], lines[2]+" status:enabled=true status:forwarding=false status:state=down")
	say(map[netip.Addr]plane.PeerState{peer: {State: "up", Forwarding: true}})
	s.want(lines[0], lines[1], lines[2]+" status:enabled=true status:forwarding=true status:state=up")
	s.edit(func(tx *hwvtep.Txn) {
		tx.UpdateTunnel(s.ps("br0").Tunnels[0], hwvtep.Tunnel{BFDParams: map[string]string{"enable": "false"}}, hwvtep.TunnelBFDParams)
	})
	s.r.Update(nil)
	tx := s.r.Build(time.Now())
	if tx == nil {
		t.Fatal("the status stays although BFD is not wanted")
	}
	if text := string(tx.Ops()); !strings.Contains(text, `"bfd_status":["map",[]]`) {
		t.Errorf("transaction %s", text)
	}
}

// A Tunnel row stands for a while after its last use, in case its locator is used again.
func TestReportTunnelGrace(t *testing.T) {
	s := hw(t)
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	s.settle()
	tunnel := s.ps("br0").Tunnels[0]
	clear := func() {
		s.edit(func(tx *hwvtep.Txn) {
			for m := range s.db.View().UcastMACsRemote() {
				tx.DeleteUcastMACRemote(m.UUID)
			}
		})
	}
	stands := func(want bool) {
		t.Helper()
		for s.step() {
		}
		if have := len(s.ps("br0").Tunnels) > 0; have != want {
			t.Errorf("after %v: the row stands: %v", s.now.Sub(time.Unix(1000, 0)), have)
		}
	}
	clear()
	stands(true)
	s.now = s.now.Add(tunnelGrace - 1)
	stands(true)
	s.addRemote("ls0", "02:00:00:00:00:22", "192.0.2.2") // used again, by the locator that was found
	stands(true)
	if !s.r.Due().IsZero() {
		t.Error("it would go although it is used")
	}
	s.now = s.now.Add(time.Hour)
	clear()
	stands(true)
	if at := s.now.Add(tunnelGrace); s.r.Due() != at {
		t.Errorf("due at %v, want %v", s.r.Due(), at)
	}
	if s.ps("br0").Tunnels[0] != tunnel {
		t.Error("another row")
	}
	s.now = s.r.Due()
	if !s.r.Busy(s.now) {
		t.Error("not busy when it is due")
	}
	stands(false)
	if !s.r.Due().IsZero() {
		t.Error("due for ever")
	}

	// Who is taken down does not wait.
	s.addRemote("ls0", "02:00:00:00:00:21", "192.0.2.2")
	stands(true)
	clear()
	s.r.Withdraw()
	stands(false)
}

// Many tunnels come in several transactions.
func TestReportManyTunnels(t *testing.T) {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		for i := range 2*maxTunnels + 10 {
			tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: fmt.Sprintf("02:00:00:00:%02x:%02x", i>>8, i&255), LogicalSwitch: s.ls("ls0").UUID,
				Locator: tx.InsertPhysicalLocator(keyless(fmt.Sprintf("192.1.%d.%d", i>>8, i&255)))})
		}
	})
	n := 0
	for s.step() {
		n++
	}
	if got := s.db.View().Len(hwvtep.TableTunnel); got != 2*maxTunnels+10 || n != 3 {
		t.Errorf("%d rows in %d transactions", got, n)
	}
}

// Where the peer sends to is published with the session, unless somebody has said it. Of what can be
// no session the row says why.
func TestReportBFDEnds(t *testing.T) {
	s := hw(t)
	s.c.features.BFD = true
	enable := map[string]string{"enable": "true"}
	remotes := []string{"192.0.2.2", "192.0.2.3", "192.0.2.1", "2001:db8::1"}
	s.edit(func(tx *hwvtep.Txn) {
		local := tx.InsertPhysicalLocator(keyless("192.0.2.1"))
		for _, ip := range remotes {
			row := hwvtep.Tunnel{Local: local, Remote: local, BFDParams: enable}
			if ip != "192.0.2.1" {
				row.Remote = tx.InsertPhysicalLocator(keyless(ip))
			}
			if ip == "192.0.2.3" {
				row.BFDConfigLocal = map[string]string{"bfd_dst_ip": "169.254.7.1"}
			}
			tx.AddPhysicalSwitchTunnels(s.ps("br0").UUID, tx.InsertTunnel(row))
		}
	})
	s.settle()
	const cant = "remote is not the IPv4 address of another VTEP"
	want := map[string]string{
		"192.0.2.2":   "map[bfd_dst_ip:169.254.1.0 bfd_dst_mac:00:23:20:00:00:01] map[]",
		"192.0.2.3":   "map[bfd_dst_ip:169.254.7.1] map[]",
		"192.0.2.1":   "map[] map[enabled:false info:" + cant + "]",
		"2001:db8::1": "map[] map[enabled:false info:" + cant + "]",
	}
	for _, id := range s.ps("br0").Tunnels {
		row, _ := s.db.View().Tunnel(id)
		remote, _ := s.db.View().PhysicalLocator(row.Remote)
		if got := fmt.Sprint(row.BFDConfigLocal, row.BFDStatus); got != want[remote.DstIP] {
			t.Errorf("of %s the row says %s, want %s", remote.DstIP, got, want[remote.DstIP])
		}
	}
}
