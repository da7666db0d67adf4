package vtep

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// The ipaddr of a local row is what its host says, as long as the switch and the dataplane listen.
func TestReportHostIP(t *testing.T) {
	s := hw(t)
	s.features = plane.Features{SnoopIPs: true}
	s.restart("br0")
	mac := intent.MAC{2, 0, 0, 0, 0, 1}
	t.Cleanup(func() { delete(hostIPs, mac) })
	rows := func(ip string) {
		t.Helper()
		s.settle()
		if ip != "" {
			ip = " says " + ip
		}
		s.want("mcast ls0 unknown-dst 192.0.2.1", "stats p0/0 from 0/0 to 0/0", "ucast ls0 02:00:00:00:00:01 192.0.2.1"+ip)
	}
	says := func(ip string) {
		hostIPs[mac] = netip.MustParseAddr(ip)
		s.r.MarkMAC(intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: mac})
	}
	s.learn(mac.String(), "ls0", "p0")
	rows("")
	says("198.51.100.1")
	rows("198.51.100.1")
	says("2001:db8::1")
	rows("2001:db8::1")
	s.edit(func(tx *hwvtep.Txn) { // somebody else's word counts for nothing
		for m := range s.db.View().UcastMACsLocal() {
			tx.UpdateUcastMACLocal(m.UUID, hwvtep.UcastMACLocal{IPAddr: "198.51.100.9"}, hwvtep.UcastMACLocalIPAddr)
		}
	})
	rows("2001:db8::1")

	// The next process does not know what the host has said, and leaves the row alone until it does.
	delete(hostIPs, mac)
	s.restart("br0")
	if tx := s.build(); tx != nil {
		t.Fatalf("the row is not left alone: %s", tx.Ops())
	}
	rows("2001:db8::1")
	says("198.51.100.2")
	rows("198.51.100.2")

	set := func(value string) {
		t.Helper()
		s.edit(func(tx *hwvtep.Txn) {
			row := s.ls("ls0")
			tx.UpdateLogicalSwitch(row.UUID, hwvtep.LogicalSwitch{OtherConfig: map[string]string{"snoop_ips": value}}, hwvtep.LogicalSwitchOtherConfig)
		})
	}
	set("false")
	s.r.MarkMAC(intent.MACKey{Switch: switchID(s.ls("ls0").UUID), MAC: mac}) // as the agent does
	rows("")
	set("true")
	says("198.51.100.3")
	rows("198.51.100.3")
	s.features = plane.Features{}
	s.restart("br0")
	rows("")
}
