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
	"github.com/vtep/vtep/internal/ovsdb/ops"
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

// edit is the transaction that makes the database what a layout wants.
type edit struct {
	ops.Txn
	adds int // of bridges and ports, or changes of these
	cuts int // of bridges and ports

	waits bool // something is added only when something else is gone
}

// edit compares. With additions pending, what is only superfluous stays until they are there,
// so that forwarding always has a way; but what stands in their way goes at once.
func (n *names) edit(v *vswitch, l *layout) *edit {
	e := &edit{}
	ps := v.bridges[n.ps]
	made := map[string]ovsdb.UUID{}
	newPorts := map[string][]ovsdb.UUID{} // by bridge
	cut := map[string][]ovsdb.UUID{}
	insert := func(p *wantedPort) {
		values := ops.Values{"name": p.name, "type": p.kind, "options": p.options}
		i := e.Insert("Interface", values.Append)
		newPorts[p.bridge] = append(newPorts[p.bridge],
			e.Insert("Port", ops.Values{"name": p.name, "interfaces": i, "external_ids": p.marks}.Append))
		e.adds++
	}
	for _, name := range slices.Sorted(maps.Keys(l.ports)) {
		p := l.ports[name]
		have := v.ports[name]
		switch i := have.single(); {
		case have == nil && v.interfaces[name] == nil:
			// As with patch ports: one that takes over another's frames waits until that is gone.
			if p.kind == "vxlan" && n.claimedBy(v, p) {
				e.waits = true
				continue
			}
			insert(p)
		case have == nil || have.bridge == nil || i == nil:
			// A member of somebody's bond has the name: it is left alone.
		case have.bridge.name != p.bridge:
			if !n.mine(have) {
				continue
			}
			// It comes back with the next transaction: of a patch port that changes its bridge
			// within one, Open vSwitch (3.1) has the other end lead to the old bridge still.
			cut[have.bridge.name] = append(cut[have.bridge.name], have.id)
			e.cuts++
		case i.kind != p.kind || !sameMap(i.options, p.options):
			if !n.mine(have) {
				continue
			}
			e.Update("Interface", i.id, ops.Values{"type": p.kind, "options": p.options}.Append)
			e.adds++
			fallthrough
		case !includes(have.externalIDs, p.marks):
			merged := maps.Clone(have.externalIDs)
			maps.Copy(merged, p.marks)
			e.Update("Port", have.id, ops.Values{"external_ids": merged}.Append)
		}
	}
	if ps != nil && ps.failMode != "secure" {
		e.Update("Bridge", ps.id, ops.Values{"fail_mode": "secure"}.Append)
		e.adds++
	}
	if ps != nil && len(ps.protocols) > 0 && !slices.Contains(ps.protocols, "OpenFlow14") {
		e.Update("Bridge", ps.id, ops.Values{"protocols": append(slices.Clone(ps.protocols), "OpenFlow14")}.Append)
		e.adds++
	}
	for _, name := range slices.Sorted(maps.Keys(l.bridges)) {
		marks := l.bridges[name]
		if b := v.bridges[name]; b != nil {
			n.editBridge(e, b, marks, ps)
			continue
		}
		i := e.Insert("Interface", ops.Values{"name": name, "type": "internal"}.Append)
		local := e.Insert("Port", ops.Values{"name": name, "interfaces": i}.Append)
		made[name] = e.Insert("Bridge", ops.Values{
			"name": name, "datapath_type": ps.datapathType, "fail_mode": "secure", "external_ids": marks,
			"protocols": bridgeProtocols, "other_config": map[string]string{"disable-in-band": "true"},
			"ports": append([]ovsdb.UUID{local}, newPorts[name]...),
		}.Append)
		delete(newPorts, name)
		e.adds++
	}
	n.cuts(e, v, l, cut)
	for _, name := range slices.Sorted(maps.Keys(cut)) {
		if b := v.bridges[name]; b != nil {
			e.Mutate("Bridge", b.id, ops.Mutation{Column: "ports", Mutator: "delete", Value: ops.Value(cut[name])})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(newPorts)) {
		if b := v.bridges[name]; b != nil {
			e.Mutate("Bridge", b.id, ops.Mutation{Column: "ports", Mutator: "insert", Value: ops.Value(newPorts[name])})
		}
	}
	if len(made) > 0 {
		ids := slices.SortedFunc(maps.Values(made), ovsdb.UUID.Compare)
		e.Mutate("Open_vSwitch", v.root, ops.Mutation{Column: "bridges", Mutator: "insert", Value: ops.Value(ids)})
	}
	return e
}

// bridgeProtocols are those that Open vSwitch has by default, so that its tools work as ever.
var bridgeProtocols = []string{"OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"}

func (n *names) editBridge(e *edit, b *bridgeRow, marks map[string]string, ps *bridgeRow) {
	if !includes(b.externalIDs, marks) {
		merged := maps.Clone(b.externalIDs)
		maps.Copy(merged, marks)
		e.Update("Bridge", b.id, ops.Values{"external_ids": merged}.Append)
	}
	if b.failMode != "secure" || b.datapathType != ps.datapathType {
		e.Update("Bridge", b.id, ops.Values{"fail_mode": "secure", "datapath_type": ps.datapathType}.Append)
		e.adds++
	}
}

// mine says whether a port was made by this plane, or by an emulator before it.
func (n *names) mine(p *portRow) bool {
	if owner, ok := p.externalIDs[markOwner]; ok {
		return owner == n.ps
	}
	if p.bridge == nil || p.local() {
		return false
	}
	if n.ours(p.bridge) {
		return true
	}
	i := p.single() // the emulator does not mark the other end
	return p.bridge.name == n.ps && i != nil && isOuter(i)
}

// isOuter says whether i is the end of a binding's pair that is at the physical switch.
func isOuter(i *interfaceRow) bool {
	if i.kind != "patch" || len(i.name) < 7 || i.name[4] != '-' {
		return false
	}
	for _, c := range i.name[:4] {
		if c < '0' || c > '9' {
			return false
		}
	}
	stem, ok := strings.CutSuffix(i.name, "-p")
	return ok && i.options["peer"] == stem+"-l"
}

// claimedBy says whether a port of ours gets the frames that p is to get.
func (n *names) claimedBy(v *vswitch, p *wantedPort) bool {
	claim := tunnelClaim(p.options)
	for name, other := range v.ports {
		i := other.single()
		if name != p.name && i != nil && i.kind == "vxlan" && tunnelClaim(i.options) == claim && n.mine(other) {
			return true
		}
	}
	return false
}

// cuts takes out what is not wanted any more.
func (n *names) cuts(e *edit, v *vswitch, l *layout, cut map[string][]ovsdb.UUID) {
	claimed := map[string]bool{} // what frames the wanted tunnel ports get
	for _, p := range l.ports {
		if p.kind == "vxlan" {
			claimed[tunnelClaim(p.options)] = true
		}
	}
	var bridges []ovsdb.UUID
	for _, name := range slices.Sorted(maps.Keys(v.bridges)) {
		b := v.bridges[name]
		if _, wanted := l.bridges[name]; !wanted && n.ours(b) {
			if e.adds == 0 {
				bridges = append(bridges, b.id)
				e.cuts++
			}
		}
		for _, p := range b.ports {
			if l.ports[p.name] != nil || p.local() || !n.mine(p) {
				continue
			}
			i := p.single()
			inTheWay := i != nil && i.kind == "vxlan" && claimed[tunnelClaim(i.options)]
			if inTheWay || e.adds == 0 {
				cut[name] = append(cut[name], p.id)
				e.cuts++
			}
		}
	}
	for _, list := range cut {
		slices.SortFunc(list, ovsdb.UUID.Compare)
	}
	if len(bridges) > 0 {
		e.Mutate("Open_vSwitch", v.root, ops.Mutation{Column: "bridges", Mutator: "delete", Value: ops.Value(bridges)})
	}
}

// tunnelClaim is what Open vSwitch chooses a tunnel port by: two ports must not have the same.
func tunnelClaim(options map[string]string) string {
	return fmt.Sprint(options["local_ip"], " ", options["remote_ip"], " ", keyOption(options), " ", udpPort(options))
}

func includes(all, some map[string]string) bool {
	for k, v := range some {
		if have, ok := all[k]; !ok || have != v {
			return false
		}
	}
	return true
}
