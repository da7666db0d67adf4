package ovs

import (
	"flag"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/vtep/vtep/internal/intent"
)

var update = flag.Bool("update", false, "write the golden files anew")

// TestFlows compares the flows of a small site with a text that a person has read.
func TestFlows(t *testing.T) {
	peer := func(n byte, vni uint32) intent.Tunnel {
		return intent.Tunnel{Peer: netip.AddrFrom4([4]byte{192, 0, 2, n}), VNI: vni}
	}
	red, blue := intent.SwitchID{0xed}, intent.SwitchID{0xb1}
	state := intent.NewState()
	state.TunnelIP = netip.MustParseAddr("192.0.2.1")
	for _, p := range []string{"p0", "p1"} {
		state.Ports[p] = intent.Port{}
	}
	state.Switches[red] = intent.Switch{Name: "red", VNI: 5000}
	state.Switches[blue] = intent.Switch{Name: "blue", VNI: 6000}
	state.Bindings[intent.BindingKey{Port: "p0"}] = intent.Binding{Switch: red}
	state.Bindings[intent.BindingKey{Port: "p0", VLAN: 100}] = intent.Binding{Switch: red}
	state.Bindings[intent.BindingKey{Port: "p1", VLAN: 7}] = intent.Binding{Switch: blue}
	state.Unicast.Set(intent.MACKey{Switch: red, MAC: intent.MAC{2, 5: 0x21}}, peer(2, 5000))
	state.Floods[intent.FloodKey{Switch: red}] = intent.FloodSet{peer(2, 5000), peer(3, 5000), peer(3, 7000)}
	state.Floods[intent.FloodKey{Switch: red, MAC: intent.MAC{1, 0, 0x5e, 5: 1}}] = intent.FloodSet{}
	state.Floods[intent.FloodKey{Switch: blue}] = intent.FloodSet{peer(2, 7000)}
	for _, t := range []intent.Tunnel{peer(2, 5000), peer(3, 5000), peer(3, 7000)} {
		state.Decap.Set(t, red)
	}
	state.Decap.Set(peer(2, 7000), blue)
	if err := state.Check(); err != nil {
		t.Fatal(err)
	}
	s := newSite()
	s.apply(intent.Diff(intent.NewState(), state))

	golden(t, "physical.txt", (&physical{ports: map[string]uint32{"p0": 1, "p1": 2}, bindings: []patch{
		{at: intent.BindingKey{Port: "p0"}, port: 1, outer: 11, strict: true},
		{at: intent.BindingKey{Port: "p0", VLAN: 100}, port: 1, outer: 12, strict: true},
		{at: intent.BindingKey{Port: "p1", VLAN: 7}, port: 2, outer: 13, strict: true},
	}}).flows().String())

	// VNI 7000 is nobody's own: blue is the first that has it, and red has a port for its peer.
	tunnels := s.tunnelPorts()
	ends := func(id intent.SwitchID) (ends []tunnelEnd) {
		for i, p := range tunnels[id] {
			ends = append(ends, tunnelEnd{p, uint32(20 + i)})
		}
		return ends
	}
	golden(t, "red.txt", (&logical{ls: s.switches[red], egress: 20, tunnels: ends(red), members: []patch{
		{at: intent.BindingKey{Port: "p0"}, inner: 1}, {at: intent.BindingKey{Port: "p0", VLAN: 100}, inner: 2}},
		learned: map[intent.MAC]*station{{2, 5: 1}: {at: intent.BindingKey{Port: "p0", VLAN: 100}, tagged: true}},
	}).flows().String())
	golden(t, "blue.txt", (&logical{ls: s.switches[blue], egress: 20, tunnels: ends(blue),
		members: []patch{{at: intent.BindingKey{Port: "p1", VLAN: 7}, inner: 1}}}).flows().String())
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
	}
}
