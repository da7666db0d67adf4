package agent

import (
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Each tunnel is said to begin at the tunnel IP of its family, and there may be no other one.
func TestTunnelsOfIPv6(t *testing.T) {
	six, four := netip.MustParseAddr("2001:db8::1"), netip.MustParseAddr("192.0.2.1")
	s := intent.NewState()
	s.TunnelIP6 = six
	s.Decap.Set(intent.Tunnel{Peer: netip.MustParseAddr("2001:db8::2"), VNI: 33}, intent.SwitchID{1})
	const far = "2001:db8::1 to 2001:db8::2, VNI 33\n"
	if got := tunnels(s, &plane.Report{}).String(); got != far {
		t.Errorf("with IPv6 only: %q", got)
	}
	if f := forwarding(s); f.TunnelIP != "" || f.TunnelIP6 != "2001:db8::1" {
		t.Errorf("with IPv6 only the tunnel IPs are %q and %q", f.TunnelIP, f.TunnelIP6)
	}
	s.TunnelIP = four
	s.Decap.Set(intent.Tunnel{Peer: netip.MustParseAddr("192.0.2.2"), VNI: 33}, intent.SwitchID{1})
	if got := tunnels(s, &plane.Report{}).String(); got != "192.0.2.1 to 192.0.2.2, VNI 33\n"+far {
		t.Errorf("with both: %q", got)
	}
}
