package agent

import (
	"encoding/json"
	"net/netip"
	"strings"
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

// What is said for programs tells of Ethernet segments as the text does.
func TestForwardingSegments(t *testing.T) {
	s := intent.NewState()
	id, mac := intent.SwitchID{1}, intent.MAC{2, 5: 9}
	s.Switches[id] = intent.Switch{Name: "ls0", VNI: 33}
	s.Ports["p0"], s.Ports["p1"], s.Ports["p2"] = intent.Port{}, intent.Port{}, intent.Port{}
	s.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: id}
	s.Bindings[intent.BindingKey{Port: "p0", VLAN: 7}] = intent.Binding{Switch: id, Role: intent.NotDesignated}
	s.Bindings[intent.BindingKey{Port: "p1", VLAN: 8}] = intent.Binding{Switch: id, Role: intent.Standby}
	s.Bindings[intent.BindingKey{Port: "p2"}] = intent.Binding{Switch: id}
	s.Segments["p0"] = intent.Segment{netip.MustParseAddr("192.0.2.2"), netip.MustParseAddr("2001:db8::2")}
	s.Attached[intent.MACKey{Switch: id, MAC: mac}] = intent.BindingKey{Port: "p0", VLAN: 7}
	text, err := json.Marshal(forwarding(s))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"segments":[{"port":"p0","vteps":["192.0.2.2","2001:db8::2"]}]`,
		`"bindings":[{"port":"p0","vlan":0,"role":"designated"},{"port":"p0","vlan":7,"role":"not-designated"},{"port":"p1","vlan":8,"role":"standby"},{"port":"p2","vlan":0}]`,
		`"attached":[{"mac":"02:00:00:00:00:09","port":"p0","vlan":7}]`,
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
}
