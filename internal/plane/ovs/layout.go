package ovs

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
)

// Names and marks of what the plane makes. Open vSwitch's emulator has the same names, and
// the first two marks: each takes over from the other.
const (
	markSwitch = "vtep_logical_switch" // "true": a bridge of a logical switch
	markName   = "logical_switch_name"
	markID     = "vtep_logical_switch_id" // its UUID
	markOwner  = "vtep_physical_switch"   // the physical switch whose plane made it

	markPhysical = "vtep_physical_switch_id" // the UUID of its row

	unreachableKey = 1 << 32 // more than a VNI can be: for ports that only send
)

func innerName(at intent.BindingKey) string { return fmt.Sprintf("%04d-%s-l", at.VLAN, at.Port) }
func outerName(at intent.BindingKey) string { return fmt.Sprintf("%04d-%s-p", at.VLAN, at.Port) }

// wantedPort is a port of a bridge with one interface.
type wantedPort struct {
	bridge  string
	name    string
	kind    string
	options map[string]string
	marks   map[string]string // of the port
}

// layout is what the database has to have.
type layout struct {
	bridges map[string]map[string]string // of logical switches: their marks
	ports   map[string]*wantedPort
}

// names says which bridge each logical switch has.
type names struct {
	ps    string
	port  uint16 // of VXLAN (UDP); 0: 4789
	next  int    // the number of the next bridge
	of    map[intent.SwitchID]string
	taken map[string]bool
}

func (n *names) prefix() string { return n.ps + "_vtep_ls" }

// vxlanPort is the UDP port of VXLAN where a tunnel port says none.
const vxlanPort = 4789

// inPort has the options of a tunnel port say the UDP port.
func (n *names) inPort(options map[string]string) map[string]string {
	if n.port != 0 && n.port != vxlanPort {
		options["dst_port"] = strconv.Itoa(int(n.port))
	}
	return options
}

// samePort says whether a tunnel port has our UDP port.
func (n *names) samePort(options map[string]string) bool {
	return udpPort(options) == cmp.Or(n.port, vxlanPort)
}

// udpPort gives the UDP port of a tunnel port; 0: it can't be read.
func udpPort(options map[string]string) uint16 {
	text, ok := options["dst_port"]
	if !ok || text == "" {
		return vxlanPort
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return 0
	}
	return uint16(port)
}

// number returns the number in a bridge's name.
func (n *names) number(bridge string) (int, bool) {
	text, ok := strings.CutPrefix(bridge, n.prefix())
	if !ok {
		return 0, false
	}
	num, err := strconv.Atoi(text)
	return num, err == nil && num > 0 && strconv.Itoa(num) == text
}

// ours says whether a bridge is one of a logical switch, made by this plane or an emulator
// that ran for the same physical switch.
func (n *names) ours(b *bridgeRow) bool {
	if owner, ok := b.externalIDs[markOwner]; ok {
		return owner == n.ps
	}
	_, numbered := n.number(b.name)
	return numbered && b.externalIDs[markSwitch] == "true"
}

// adopt learns the names that are in use. What the emulator left is known by the switch's name.
func (n *names) adopt(v *vswitch, s *site) {
	byName := map[string]intent.SwitchID{}
	for _, ls := range s.sorted() {
		byName[ls.name] = ls.id
	}
	for _, name := range slices.Sorted(maps.Keys(v.bridges)) {
		b := v.bridges[name]
		if num, ok := n.number(name); ok && num >= n.next {
			n.next = num + 1
		}
		if n.taken[name] || !n.ours(b) {
			continue
		}
		id, ok := parseID(b.externalIDs[markID])
		if !ok {
			id, ok = byName[b.externalIDs[markName]], b.externalIDs[markName] != ""
			if _, known := byName[b.externalIDs[markName]]; !known {
				ok = false
			}
		}
		if !ok || n.of[id] != "" {
			continue
		}
		n.of[id] = name
		n.taken[name] = true
	}
}

func parseID(text string) (id intent.SwitchID, ok bool) {
	u, ok := ovsdb.ParseUUID(text)
	return intent.SwitchID(u), ok
}

// bridge returns the name of a switch's bridge, a new one if it has none.
func (n *names) bridge(v *vswitch, id intent.SwitchID) string {
	if name := n.of[id]; name != "" {
		return name
	}
	for {
		name := n.prefix() + strconv.Itoa(n.next)
		n.next++
		if v.bridges[name] == nil && !n.taken[name] {
			n.of[id], n.taken[name] = name, true
			return name
		}
	}
}

// tunnelName is the name of a tunnel port. The database has each name once.
func tunnelName(bridge string, t tunnelPort) string {
	switch {
	case t.blind:
		return bridge + "-vx"
	case t.remote.IsValid():
		return fmt.Sprintf("%s-vx%d-%v", bridge, t.vni, t.remote)
	}
	return fmt.Sprintf("%s-vx%d", bridge, t.vni)
}

// plan says what the database has to have for a site. ready are the managed ports that the
// bridge of the physical switch has.
func (n *names) plan(v *vswitch, s *site) *layout {
	l := &layout{bridges: map[string]map[string]string{}, ports: map[string]*wantedPort{}}
	ps := v.bridges[n.ps]
	if ps == nil {
		return l
	}
	add := func(p *wantedPort) { l.ports[p.name] = p }
	tunnels := s.tunnelPorts()
	for _, ls := range s.sorted() {
		bridge := n.bridge(v, ls.id)
		l.bridges[bridge] = map[string]string{
			markSwitch: "true", markName: ls.name, markID: ls.id.String(), markOwner: n.ps,
			markPhysical: s.Physical.String(),
		}
		for at := range ls.bindings {
			if _, managed := s.ports[at.Port]; !managed || ps.ports[at.Port] == nil {
				continue
			}
			mark := map[string]string{markOwner: n.ps}
			add(&wantedPort{bridge, innerName(at), "patch", map[string]string{"peer": outerName(at)}, mark})
			add(&wantedPort{n.ps, outerName(at), "patch", map[string]string{"peer": innerName(at)}, mark})
		}
		for _, t := range tunnels[ls.id] {
			options := n.inPort(map[string]string{"remote_ip": "flow", "out_key": "flow", "local_ip": s.TunnelIP.String()})
			switch {
			case s.TunnelDSCP.From == intent.Inner:
				options["tos"] = "inherit"
			case s.TunnelDSCP.Value != 0:
				options["tos"] = strconv.Itoa(int(s.TunnelDSCP.Value) << 2)
			}
			switch {
			case t.blind:
				num, _ := n.number(bridge)
				options["in_key"] = strconv.FormatUint(unreachableKey+uint64(num), 10)
			default:
				options["in_key"] = strconv.FormatUint(uint64(t.vni), 10)
			}
			if t.remote.IsValid() {
				options["remote_ip"] = t.remote.String()
			}
			add(&wantedPort{bridge, tunnelName(bridge, t), "vxlan", options, map[string]string{markOwner: n.ps}})
		}
	}
	if len(tunnels) > 0 {
		n.planStrays(l, v, s)
	}
	n.planRouters(l, v, s)
	return l
}
