package ovs

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/testenv"
)

func (w *world) mustDrop(t *testing.T, p *Plane, reason string, want uint64) {
	t.Helper()
	testenv.Eventually(t, longest, func() error {
		s, err := p.Stats(context.Background())
		if err != nil {
			return err
		}
		if got := s.Drops[reason]; got != want {
			return fmt.Errorf("%d frames dropped as %s, want %d: %v", got, reason, want, s.Drops)
		}
		return nil
	})
}

// A VNI of no switch is counted, also when the process or Open vSwitch is a new one, and when
// somebody has deleted the flow; but somebody else's port for all VNIs gets its frames.
func TestStrays(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	stray := func(peer int, vni uint32) {
		w.send(t, "r0", encapsulated(intent.Tunnel{Peer: planetest.Peers[peer], VNI: vni}, frameFrom(9, all).Bytes()))
	}
	stray(0, 9999)
	stray(2, 0)
	w.mustDrop(t, p, "unknown_tunnel", 2)
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.newPlane(t)
	w.apply(p, s, nil)
	stray(0, 9998)
	w.mustDrop(t, p, "unknown_tunnel", 3)

	bridge := p.engine.names.strays()
	counting := func() {
		t.Helper()
		testenv.Eventually(t, longest, func() error {
			// The row of the bridge is there before ovs-vswitchd has made it.
			flows, err := w.Command(testenv.Program(t, "ovs-ofctl"), "-OOpenFlow14", "dump-flows", bridge).CombinedOutput()
			if !strings.Contains(string(flows), "cookie=0x7674657000000103") {
				return fmt.Errorf("flows of bridge %s are %q, %v", bridge, flows, err)
			}
			return nil
		})
	}
	w.Ofctl(t, "del-flows", bridge)
	counting()
	stray(0, 9997)
	w.mustDrop(t, p, "unknown_tunnel", 4)

	// A host's port for every tunnel, made by somebody else, is not deprived of its frames.
	w.add(t, "everyone", "options:remote_ip=flow options:key=flow")
	arrives := func() uint64 {
		var n uint64
		_, _ = fmt.Sscan(w.Vsctl(t, "get", "Interface", "everyone", "statistics:rx_packets"), &n)
		return n
	}
	testenv.Eventually(t, longest, func() error {
		stray(0, 9996)
		if arrives() == 0 {
			return fmt.Errorf("the port for all VNIs gets nothing")
		}
		return nil
	})
	reports(t, p, s, "", func(r plane.Report) error { return r.Tunnels })
	w.Vsctl(t, "del-port", "br-ex", "everyone")
	counting()
}

// Reserved bits that Open vSwitch does not let pass are counted all the same.
func TestReservedBits(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	w.apply(p, twoTenants(), nil)
	b := encapsulated(intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}, frameFrom(9, all).Bytes())
	b[42] |= 0x80 // group policy
	for range 3 {
		w.send(t, "r0", b)
	}
	w.mustDrop(t, p, "vxlan_receive", 3)
}

// Of two that would have ports with the same claim one gives way, and both to somebody else's.
func TestStraysGiveWay(t *testing.T) {
	s := newSite()
	s.TunnelIP = planetest.TunnelIP
	port := func(owner string, options map[string]string) *vswitch {
		p := &portRow{name: "other", bridge: &bridgeRow{name: "b"}, interfaces: []*interfaceRow{{kind: "vxlan", options: options}},
			externalIDs: map[string]string{}}
		if owner != "" {
			p.externalIDs[markOwner] = owner
		}
		return &vswitch{ports: map[string]*portRow{p.name: p}}
	}
	all := func(more ...string) map[string]string {
		m := map[string]string{"remote_ip": "flow", "key": "flow"}
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	own := planetest.TunnelIP.String()
	for _, c := range []struct {
		owner   string
		options map[string]string
		gives   bool
		port    uint16
	}{
		{"", all(), true, 0},
		{"", all("local_ip", own), true, 0},
		{"", all("local_ip", "flow"), true, 0},
		{"", all("local_ip", "192.0.2.99"), false, 0},
		{"", all("dst_port", "8472"), false, 0},
		{"", all("key", "5"), false, 0},
		{"", all("remote_ip", "192.0.2.2"), false, 0},
		{"br1", all("local_ip", own), true, 0},
		{"br3", all("local_ip", own), false, 0},
		{"br1", all("local_ip", "192.0.2.99"), false, 0},
		{"", all("dst_port", "8472"), true, 8472},
		{"", all("dst_port", "4789"), true, 0},
		{"", all(), false, 8472},
	} {
		n := &names{ps: "br2", port: c.port}
		l := &layout{bridges: map[string]map[string]string{}, ports: map[string]*wantedPort{}}
		n.planStrays(l, port(c.owner, c.options), s)
		if gives := len(l.bridges) == 0; gives != c.gives || gives != (len(l.ports) == 0) {
			t.Errorf("beside a port of %q with %v: gives way %v, want %v", c.owner, c.options, gives, c.gives)
		}
	}
}
