package ovs

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/ops"
)

// edit is the transaction that makes the database what a layout wants.
type edit struct {
	ops.Txn
	adds int // of bridges and ports, or changes of these
	cuts int // of bridges and ports

	waits bool // something is added only when something else is gone

	newPorts, cut map[string][]ovsdb.UUID // ports that bridges get and lose, by the names of these
}

func newEdit() *edit {
	return &edit{newPorts: map[string][]ovsdb.UUID{}, cut: map[string][]ovsdb.UUID{}}
}

// edit compares. With additions pending, what is only superfluous stays until they are there,
// so that forwarding always has a way; but what stands in their way goes at once.
func (n *names) edit(v *vswitch, l *layout) *edit {
	e := newEdit()
	for _, name := range slices.Sorted(maps.Keys(l.ports)) {
		n.editPort(e, v, l.ports[name])
	}
	ps := v.bridges[n.ps]
	if ps != nil {
		e.editPhysical(ps)
	}
	var made []ovsdb.UUID
	for _, name := range slices.Sorted(maps.Keys(l.bridges)) {
		if b := v.bridges[name]; b != nil {
			e.editBridge(b, l.bridges[name], ps)
		} else {
			made = append(made, e.insertBridge(name, l.bridges[name], ps))
		}
	}
	n.cuts(e, v, l)
	e.movePorts(v, "delete", e.cut)
	e.movePorts(v, "insert", e.newPorts)
	if len(made) > 0 {
		slices.SortFunc(made, ovsdb.UUID.Compare)
		e.Mutate("Open_vSwitch", v.root, ops.Mutation{Column: "bridges", Mutator: "insert", Value: ops.Value(made)})
	}
	return e
}

// editPort makes a port what is wanted, unless it is somebody else's.
func (n *names) editPort(e *edit, v *vswitch, p *wantedPort) {
	have := v.ports[p.name]
	switch i := have.single(); {
	case have == nil && v.interfaces[p.name] == nil:
		// As with patch ports: one that takes over another's frames waits until that is gone.
		if p.kind == "vxlan" && n.claimedBy(v, p) {
			e.waits = true
			return
		}
		e.insertPort(p)
	case have == nil || have.bridge == nil || i == nil:
		// A member of somebody's bond has the name: it is left alone.
	case have.bridge.name != p.bridge:
		if !n.mine(have) {
			return
		}
		// It comes back with the next transaction: of a patch port that changes its bridge
		// within one, Open vSwitch (3.1) has the other end lead to the old bridge still.
		e.cutPort(have.bridge.name, have.id)
	case i.kind != p.kind || !sameMap(i.options, p.options):
		if !n.mine(have) {
			return
		}
		e.Update("Interface", i.id, ops.Values{"type": p.kind, "options": p.options}.Append)
		e.adds++
		fallthrough
	case !includes(have.externalIDs, p.marks):
		e.Update("Port", have.id, ops.Values{"external_ids": merged(have.externalIDs, p.marks)}.Append)
	}
}

func (e *edit) insertPort(p *wantedPort) {
	i := e.Insert("Interface", ops.Values{"name": p.name, "type": p.kind, "options": p.options}.Append)
	e.newPorts[p.bridge] = append(e.newPorts[p.bridge],
		e.Insert("Port", ops.Values{"name": p.name, "interfaces": i, "external_ids": p.marks}.Append))
	e.adds++
}

func (e *edit) cutPort(bridge string, id ovsdb.UUID) {
	e.cut[bridge] = append(e.cut[bridge], id)
	e.cuts++
}

// editPhysical has the bridge of the physical switch forward by our flows alone, and speak our OpenFlow.
func (e *edit) editPhysical(ps *bridgeRow) {
	if ps.failMode != "secure" {
		e.Update("Bridge", ps.id, ops.Values{"fail_mode": "secure"}.Append)
		e.adds++
	}
	if len(ps.protocols) > 0 && !slices.Contains(ps.protocols, "OpenFlow14") {
		e.Update("Bridge", ps.id, ops.Values{"protocols": append(slices.Clone(ps.protocols), "OpenFlow14")}.Append)
		e.adds++
	}
}

// insertBridge makes the bridge of a logical switch, with the ports that it gets.
func (e *edit) insertBridge(name string, marks map[string]string, ps *bridgeRow) ovsdb.UUID {
	i := e.Insert("Interface", ops.Values{"name": name, "type": "internal"}.Append)
	local := e.Insert("Port", ops.Values{"name": name, "interfaces": i}.Append)
	ports := append([]ovsdb.UUID{local}, e.newPorts[name]...)
	delete(e.newPorts, name)
	e.adds++
	return e.Insert("Bridge", ops.Values{
		"name": name, "datapath_type": ps.datapathType, "fail_mode": "secure", "external_ids": marks,
		"protocols": bridgeProtocols, "other_config": map[string]string{"disable-in-band": "true"},
		"ports": ports,
	}.Append)
}

// movePorts has bridges that there are lose ports, or get them.
func (e *edit) movePorts(v *vswitch, mutator string, ports map[string][]ovsdb.UUID) {
	for _, name := range slices.Sorted(maps.Keys(ports)) {
		if b := v.bridges[name]; b != nil {
			e.Mutate("Bridge", b.id, ops.Mutation{Column: "ports", Mutator: mutator, Value: ops.Value(ports[name])})
		}
	}
}

// bridgeProtocols are those that Open vSwitch has by default, so that its tools work as ever.
var bridgeProtocols = []string{"OpenFlow10", "OpenFlow11", "OpenFlow12", "OpenFlow13", "OpenFlow14", "OpenFlow15"}

func (e *edit) editBridge(b *bridgeRow, marks map[string]string, ps *bridgeRow) {
	if !includes(b.externalIDs, marks) {
		e.Update("Bridge", b.id, ops.Values{"external_ids": merged(b.externalIDs, marks)}.Append)
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
func (n *names) cuts(e *edit, v *vswitch, l *layout) {
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
				e.cutPort(name, p.id)
			}
		}
	}
	for _, list := range e.cut {
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

// merged is all with some, which come before those of the same names.
func merged(all, some map[string]string) map[string]string {
	both := make(map[string]string, len(all)+len(some))
	maps.Copy(both, all)
	maps.Copy(both, some)
	return both
}

func includes(all, some map[string]string) bool {
	for k, v := range some {
		if have, ok := all[k]; !ok || have != v {
			return false
		}
	}
	return true
}
