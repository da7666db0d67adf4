package vtep

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// port is a Physical_Port row of our switch.
type port struct {
	id       UUID
	name     string
	bindings map[uint16]intent.SwitchID // those that can be
	acls     map[uint16]UUID            // by VLAN, 0: of all that have none of their own
	macLimit int
	takeOver bool
	service  bool
	group    uint16
	segment  segment
	badVLAN  bool // it has bindings that can't be
	badACL   bool // likewise of ACLs
	unserved bool // it is to be of a segment, which can't be: it forwards as if it were of none
}

// resolvePorts brings the ports that changed, and their bindings, up to date.
func (c *Compiler) resolvePorts() {
	names := map[string]struct{}{}
	for id := range c.dirty.ports {
		if old := c.ports[id]; old != nil {
			names[old.name] = struct{}{}
			c.dropPort(old)
		}
		if !c.scope.ports[id] {
			continue
		}
		if row, ok := c.view.PhysicalPort(id); ok {
			names[row.Name] = struct{}{}
			c.addPort(&row)
		}
	}
	trim.Empty(&c.dirty.ports)
	for name := range names {
		c.resolveName(name)
	}
}

func (c *Compiler) dropPort(p *port) {
	delete(c.ports, p.id)
	ids := slices.DeleteFunc(c.portsByName[p.name], func(id UUID) bool { return id == p.id })
	if c.portsByName[p.name] = ids; len(ids) == 0 {
		delete(c.portsByName, p.name)
	}
	if !c.features.ACLs {
		for acl := range invert(p.acls) {
			if c.unserved[acl]--; c.unserved[acl] == 0 {
				delete(c.unserved, acl)
			}
		}
	}
	c.problems.setAll(rowOf(hwvtep.TablePhysicalPort, p.id), nil)
	c.problems.clear(duplicateSubject(p.id))
	c.clearSegment(p.id)
}

func (c *Compiler) addPort(row *hwvtep.PhysicalPort) {
	p := &port{id: row.UUID, name: row.Name, bindings: make(map[uint16]intent.SwitchID, len(row.VLANBindings))}
	var wrong []complaint
	vlans := slices.Sorted(maps.Keys(row.VLANBindings))
	for _, vlan := range vlans {
		ls := row.VLANBindings[vlan]
		if vlan < 0 || vlan > 4094 {
			p.badVLAN = true
			wrong = append(wrong, complaint{
				kind: problem.BadVLAN, text: fmt.Sprintf("vlan_bindings has VLAN %d, which does not exist: it is ignored", vlan),
				remedy: fmt.Sprintf("vtep-ctl remove Physical_Port %s vlan_bindings %d", problem.Argument(row.Name), vlan)})
			continue
		}
		p.bindings[uint16(vlan)] = switchID(ls)
	}
	acls, bad := readACLBindings(row)
	p.acls, p.badACL = acls, len(bad) > 0
	wrong = append(wrong, bad...)
	if !c.features.ACLs && len(row.ACLBindings) > 0 {
		wrong = append(wrong, complaint{
			kind: problem.NoACL, text: "acl_bindings: this VTEP has no access control lists: the port is open",
			remedy: "filter elsewhere, and clear acl_bindings"})
		p.badACL = true
		// An ACL is counted once for a port, however often it is bound.
		for acl := range invert(p.acls) {
			c.unserved[acl]++
		}
	}
	set := settings{values: row.OtherConfig}
	p.macLimit = set.integer(keyMACLimit, maxMACLimit, 0)
	p.takeOver = set.bool(keyTakeOver)
	p.service = set.serviceTags(keyTPID)
	p.group = uint16(set.integer(keyGBPGroup, 1<<16-1, 0))
	if !c.features.GroupPolicies {
		p.group = unserved(&set, keyGBPGroup, p.group)
	} else if p.group != 0 && c.scope.group == 0 {
		wrong = append(wrong, complaint{
			kind: problem.BadOption, text: fmt.Sprintf("other_config:%s is %d, but the switch has no %s: no frame gets it", keyGBPGroup, p.group, keyGBPMark),
			remedy: "vtep-ctl set Physical_Switch " + problem.Argument(c.name) + " other_config:" + keyGBPMark + "=0xffff"})
	}
	p.segment, p.unserved = c.readPortSegment(&set)
	wrong = append(wrong, set.bad...)
	if p.name == "" {
		wrong = append(wrong, complaint{
			kind: problem.UnnamedPort, text: "the port has no name, hence no device: it is ignored", remedy: "delete it, and add one with a name"})
	}
	c.problems.setAll(rowOf(hwvtep.TablePhysicalPort, p.id), wrong)
	c.ports[p.id] = p
	ids := c.portsByName[p.name]
	i, _ := slices.BinarySearchFunc(ids, p.id, compareUUIDs)
	c.portsByName[p.name] = slices.Insert(ids, i, p.id)
}

func invert[K, V comparable](m map[K]V) map[V]K {
	inverse := make(map[V]K, len(m))
	for k, v := range m {
		inverse[v] = k
	}
	return inverse
}

func duplicateSubject(id UUID) subject {
	return subject{table: hwvtep.TablePhysicalPort, row: id, aspect: "name"}
}

// resolveName writes the port called name, which is that of the row with the lowest UUID.
func (c *Compiler) resolveName(name string) {
	ids := c.portsByName[name]
	for i, id := range ids {
		if i == 0 {
			c.problems.clear(duplicateSubject(id))
			continue
		}
		c.problems.set(duplicateSubject(id), complaint{
			kind: problem.DuplicatePort, text: fmt.Sprintf("%d rows of the switch have this name: only one is used", len(ids)),
			remedy: "\"vtep-ctl list Physical_Port\" shows them: remove all but one"})
	}
	want := map[uint16]intent.Binding{}
	var acls map[uint16]UUID
	var seg segment
	if len(ids) == 0 || name == "" {
		intent.PortTable.Delete(c.edit, name)
	} else {
		p := c.ports[ids[0]]
		acls, seg = p.acls, p.segment
		for vlan, id := range p.bindings {
			want[vlan] = intent.Binding{Switch: id, Role: seg.role(vlan)}
		}
		shown := intent.Port{MACLimit: uint32(p.macLimit), TakeOver: p.takeOver, ServiceTags: p.service, Group: p.group}
		intent.PortTable.Set(c.edit, name, shown)
	}
	have := c.bound[name]
	rebound := !maps.Equal(have, want)
	for vlan, b := range have {
		if now, ok := want[vlan]; !ok || now.Switch != b.Switch {
			c.countBinding(b.Switch, -1)
			if !ok {
				intent.BindingTable.Delete(c.edit, intent.BindingKey{Port: name, VLAN: vlan})
			}
		}
	}
	for vlan, b := range want {
		if was, ok := have[vlan]; !ok || was.Switch != b.Switch {
			c.countBinding(b.Switch, 1)
		}
		intent.BindingTable.Set(c.edit, intent.BindingKey{Port: name, VLAN: vlan}, b)
	}
	if c.bound[name] = want; len(want) == 0 {
		delete(c.bound, name)
	}
	c.resolveSegment(name, seg, rebound)
	if c.features.ACLs {
		c.guardBindings(name, want, acls)
	}
	c.news.ports = true
}

func (c *Compiler) countBinding(id intent.SwitchID, n int) {
	c.lswitch(UUID(id)).bound += n
	c.dirty.switches[id] = struct{}{}
}
