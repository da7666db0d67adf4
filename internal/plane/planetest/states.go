package planetest

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// The parts that States are made of. Each can be used as an edit.

// site has the ports and two switches, red and blue, with no binding.
func site(s *intent.State) {
	s.TunnelIP = TunnelIP
	for _, p := range Ports {
		s.Ports[p] = intent.Port{}
	}
	s.Switches[red] = intent.Switch{Name: "red", VNI: redVNI}
	s.Switches[blue] = intent.Switch{Name: "blue", VNI: blueVNI}
}

func bind(s *intent.State, port string, vlan uint16, id intent.SwitchID) {
	s.Bindings[at(port, vlan)] = intent.Binding{Switch: id}
}

// remote puts a MAC behind a tunnel.
func remote(s *intent.State, id intent.SwitchID, mac intent.MAC, t intent.Tunnel) {
	s.Unicast.Set(intent.MACKey{Switch: id, MAC: mac}, t)
	s.Decap.Set(t, id)
}

func flood(s *intent.State, id intent.SwitchID, mac intent.MAC, set ...intent.Tunnel) {
	slices.SortFunc(set, intent.Tunnel.Compare)
	s.Floods[intent.FloodKey{Switch: id, MAC: mac}] = set
	for _, t := range set {
		s.Decap.Set(t, id)
	}
}

// usual is the State that most cases begin with: red is p0 and p1 untagged; blue is VLAN 100
// of p0 and p2. Red has station 21 behind peer 0 and floods to peers 0 and 1, blue has station
// 22 behind peer 1 and floods to it.
func usual(s *intent.State) {
	site(s)
	bind(s, "p0", 0, red)
	bind(s, "p1", 0, red)
	bind(s, "p0", 100, blue)
	bind(s, "p2", 100, blue)
	remote(s, red, station(21), tunnel(0, redVNI))
	remote(s, blue, station(22), tunnel(1, blueVNI))
	flood(s, red, intent.UnknownDst, tunnel(0, redVNI), tunnel(1, redVNI))
	flood(s, blue, intent.UnknownDst, tunnel(1, blueVNI))
}
