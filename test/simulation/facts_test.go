package simulation

import (
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// facts are what rows say of forwarding, read without the compiler: which ports are of a switch, what its VNI
// is, and which tunnels its rows name.
type facts struct {
	of       *idl.Snapshot
	bindings map[intent.BindingKey]intent.SwitchID
	names    map[intent.SwitchID]string
	vnis     map[intent.SwitchID]uint32
	tunnels  map[intent.SwitchID]map[intent.Tunnel]bool // that any row of the switch names
	unicast  map[intent.MACKey]map[intent.Tunnel]bool
	floods   map[intent.SwitchID]map[intent.Tunnel]bool
}

// factsOf reads those of a VTEP. A nil snapshot has none.
func factsOf(s *idl.Snapshot, name string, own netip.Addr) *facts {
	f := &facts{of: s, bindings: map[intent.BindingKey]intent.SwitchID{}, names: map[intent.SwitchID]string{},
		vnis: map[intent.SwitchID]uint32{}, tunnels: map[intent.SwitchID]map[intent.Tunnel]bool{},
		unicast: map[intent.MACKey]map[intent.Tunnel]bool{}, floods: map[intent.SwitchID]map[intent.Tunnel]bool{}}
	if s == nil {
		return f
	}
	v := hwvtep.NewView[*idl.Table](s)
	for ls := range v.LogicalSwitches() {
		id := intent.SwitchID(ls.UUID)
		f.names[id] = ls.Name
		vni, _ := ls.TunnelKey.Get()
		f.vnis[id] = uint32(vni)
		f.tunnels[id], f.floods[id] = map[intent.Tunnel]bool{}, map[intent.Tunnel]bool{}
	}
	for _, port := range portsOf(v, name) {
		for vlan, ls := range port.VLANBindings {
			f.bindings[intent.BindingKey{Port: port.Name, VLAN: uint16(vlan)}] = intent.SwitchID(ls)
		}
	}
	tunnel := func(ls intent.SwitchID, id hwvtep.UUID) (intent.Tunnel, bool) {
		l, _ := v.PhysicalLocator(id)
		ip, err := netip.ParseAddr(l.DstIP)
		t := intent.Tunnel{Peer: ip, VNI: f.vnis[ls]}
		if key, ok := l.TunnelKey.Get(); ok {
			t.VNI = uint32(key)
		}
		return t, err == nil && ip != own && t.VNI != 0
	}
	for row := range v.UcastMACsRemote() {
		ls := intent.SwitchID(row.LogicalSwitch)
		mac, _ := intent.ParseMAC(row.MAC)
		if t, ok := tunnel(ls, row.Locator); ok {
			key := intent.MACKey{Switch: ls, MAC: mac}
			if f.unicast[key] == nil {
				f.unicast[key] = map[intent.Tunnel]bool{}
			}
			f.unicast[key][t], f.tunnels[ls][t] = true, true
		}
	}
	for row := range v.McastMACsRemote() {
		ls := intent.SwitchID(row.LogicalSwitch)
		set, _ := v.PhysicalLocatorSet(row.LocatorSet)
		for _, id := range set.Locators {
			if t, ok := tunnel(ls, id); ok {
				f.floods[ls][t], f.tunnels[ls][t] = true, true
			}
		}
	}
	return f
}

// inForce are the facts that forwarding follows, as of the last check.
func (m *machine) inForce() *facts { return m.made }

// checkForwarding wants what is installed to be what rows say: those that forwarding was made from, or, where these
// need no other, those that the agent has taken since.
func (m *machine) checkForwarding() {
	has := m.fabric.Installed()
	if m.made == nil || m.made.of != m.applied {
		m.made = factsOf(m.applied, m.name, m.ip)
	}
	why := m.made.deny(has)
	if why != "" && m.taken != nil && m.taken != m.applied {
		if f := factsOf(m.taken, m.name, m.ip); f.deny(has) == "" {
			m.made, m.applied, why = f, m.taken, ""
		}
	}
	if why != "" {
		m.w.violated("%s: %s", m.name, why)
	}
}

// deny says what of the installed forwarding the facts do not give; "": they give all, and it has every binding of
// theirs.
func (f *facts) deny(has *intent.State) string {
	for at, b := range has.Bindings {
		if f.bindings[at] != b.Switch {
			return fmt.Sprintf("%v is in %q; by the rows it is in %q", at, f.names[b.Switch], f.names[f.bindings[at]])
		}
	}
	if len(has.Bindings) != len(f.bindings) {
		return fmt.Sprintf("%d bindings are installed, the rows say %d", len(has.Bindings), len(f.bindings))
	}
	for id, ls := range has.Switches {
		if vni, ok := f.vnis[id]; !ok || ls.VNI != 0 && ls.VNI != vni {
			return fmt.Sprintf("%s has VNI %d; by the rows %q has %d", ls.Name, ls.VNI, f.names[id], vni)
		}
	}
	for key, t := range has.Unicast.All() {
		if !f.unicast[key][t] {
			return fmt.Sprintf("%v of %q is behind %v; by the rows it is behind %v", key.MAC, f.names[key.Switch], t, f.unicast[key])
		}
	}
	for key, set := range has.Floods {
		for _, t := range set {
			if !f.floods[key.Switch][t] {
				return fmt.Sprintf("%q is flooded to %v; by the rows to %v", f.names[key.Switch], t, f.floods[key.Switch])
			}
		}
	}
	for t, id := range has.Decap.All() {
		if !f.tunnels[id][t] {
			return fmt.Sprintf("frames of %v enter %q; its rows name %v", t, f.names[id], f.tunnels[id])
		}
	}
	return ""
}
