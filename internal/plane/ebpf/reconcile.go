package ebpf

import (
	"errors"
	"net/netip"
	"sync/atomic"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// adopted is what the maps said about numbers when they were read: an object that is still
// wanted keeps its number, so that what stays as it is needs no write.
type adopted struct {
	switches map[intent.SwitchID]uint32
	slots    map[intent.BindingKey]adoptedSlot
	ports    map[string]uint32
	peers    map[netip.Addr]uint32
	lists    map[layout.MACKey]list
	devices  map[uint32]layout.Device // by ifindex
	acls     map[intent.ACLID]*accessList
	routers  map[intent.RouterID]uint32
}

type adoptedSlot struct{ number, bd uint32 }

// reconcile makes everything equal to next, whatever is there now: it reads all maps, says
// anew what must be in them, and writes the differences.
func (p *Plane) reconcile(next *intent.State) error {
	if err := p.loadDevices(); err != nil {
		return err
	}
	have, err := p.readAll()
	if err != nil {
		return err
	}
	p.adopt(have)
	p.stage(next, intent.Whole(next))
	// Who gets a slot next has to know that it was used: what was counted and learned there is
	// none of its.
	for slot, m := range have.members {
		if p.bySlot[slot] == nil {
			p.tMembers.set(slot, layout.Member{Gen: m.Gen})
		}
	}
	have.diff(&p.tables)
	p.stale = true
	err = p.install()
	p.adopted = adopted{} // numbers given back may have other owners from now on
	if err != nil {
		return err
	}
	return errors.Join(p.detachUnwanted(have.devices), p.pins.prune(), p.pins.pruneStages(p.objs.Stages), p.keepPrograms(), p.recount(), p.clearWatched())
}

// contents is one reading of the agent's maps.
type contents struct {
	switches  map[layout.SwitchID]uint32
	devices   map[uint32]layout.Device
	bindings  map[layout.BindKey]uint32
	members   map[uint32]layout.Member
	remotes   map[layout.MACKey]layout.Remote
	decaps    map[layout.TunnelKey]layout.Decap
	peers     map[uint32]layout.Peer
	addresses map[layout.Address]uint32
	neighbors map[layout.IPKey]layout.Neighbor
	ends      map[layout.Address]uint64
	floods    map[layout.MACKey]layout.FloodSet
	chunks    map[layout.ChunkKey]layout.Chunk
	policies  map[uint32]uint32

	routers  map[layout.SwitchID]uint32
	gateways map[uint32]layout.Gateway
	routes4  map[layout.RouteKey4]layout.Way
	routes6  map[layout.RouteKey6]layout.Way

	interfaces map[layout.InterfaceKey]uint32
}

func (p *Plane) readAll() (*contents, error) {
	var c contents
	var errs [18]error
	c.switches, errs[0] = p.tSwitches.read()
	c.devices, errs[1] = p.tDevices.read()
	c.bindings, errs[2] = p.tBindings.read()
	c.members, errs[3] = p.tMembers.read()
	c.remotes, errs[4] = p.tRemotes.read()
	c.decaps, errs[5] = p.tDecaps.read()
	c.peers, errs[6] = p.tPeers.read()
	c.floods, errs[7] = p.tFloods.read()
	c.chunks, errs[8] = p.tChunks.read()
	c.addresses, errs[9] = p.tAddresses.read()
	c.policies, errs[10] = p.tPolicies.read()
	c.routers, errs[11] = p.tRouters.read()
	c.gateways, errs[12] = p.tGateways.read()
	c.neighbors, errs[13] = p.readNeighbors()
	c.routes4, errs[14] = p.tRoutes4.read()
	c.routes6, errs[15] = p.tRoutes6.read()
	c.ends, errs[16] = p.tEnds.read()
	c.interfaces, errs[17] = p.tInterfaces.read()
	return &c, errors.Join(errs[:]...)
}

// diff stages in each table what turns c into what is wanted.
func (c *contents) diff(t *tables) {
	t.tSwitches.diff(c.switches)
	t.tDevices.diff(c.devices)
	t.tBindings.diff(c.bindings)
	t.tMembers.diff(c.members)
	t.tRemotes.diff(c.remotes)
	t.tDecaps.diff(c.decaps)
	t.tPeers.diff(c.peers)
	t.tAddresses.diff(c.addresses)
	t.tNeighbors.diff(c.neighbors)
	t.tEnds.diff(c.ends)
	t.tFloods.diff(c.floods)
	t.tChunks.diff(c.chunks)
	t.tPolicies.diff(c.policies)
	t.tRouters.diff(c.routers)
	t.tGateways.diff(c.gateways)
	t.tRoutes4.diff(c.routes4)
	t.tRoutes6.diff(c.routes6)
	t.tInterfaces.diff(c.interfaces)
	// Devices are written when they are attached, removed when they are detached.
	t.tDevices.gone = nil
}

// adopt empties the plane's memory and takes the numbers from c.
func (p *Plane) adopt(c *contents) {
	p.tSwitches.reset()
	p.tDevices.reset()
	p.tBindings.reset()
	p.tMembers.reset()
	p.tRemotes.reset()
	p.tDecaps.reset()
	p.tPeers.reset()
	p.tAddresses.reset()
	p.tNeighbors.reset()
	p.tEnds.reset()
	for ip, until := range c.ends {
		p.tEnds.set(ip, until)
	}
	p.tFloods.reset()
	p.tChunks.reset()
	p.tPolicies.reset()
	p.tRouters.reset()
	p.tGateways.reset()
	p.tRoutes4.reset()
	p.tRoutes6.reset()
	p.tInterfaces.reset()
	p.routing = newRouting()
	p.ports, p.bindings = map[string]*port{}, map[intent.BindingKey]*binding{}
	p.bySlot, p.unserved, p.dirty = map[uint32]*binding{}, map[intent.BindingKey]*binding{}, nil
	p.rerouted = true
	p.domains, p.byUUID = map[uint32]*domain{}, map[intent.SwitchID]*domain{}
	p.unentered, p.unnamed = nil, nil
	p.peers, p.numbered, p.unreachable, p.due = map[netip.Addr]*peer{}, map[uint32]*peer{}, map[netip.Addr]error{}, nil
	p.coveredIn, p.nameless = nil, map[any][]netip.Addr{}
	p.lists, p.cut = map[layout.MACKey]list{}, map[layout.MACKey]int{}
	p.wanting, p.anew = false, false
	p.retired, p.leaving, p.idlePeers = nil, nil, nil
	p.overlay.anyVNI, p.overlay.underlays = nil, nil

	a := adopted{
		switches: map[intent.SwitchID]uint32{},
		slots:    map[intent.BindingKey]adoptedSlot{},
		ports:    map[string]uint32{},
		peers:    map[netip.Addr]uint32{},
		lists:    map[layout.MACKey]list{},
		devices:  c.devices,
		routers:  map[intent.RouterID]uint32{},
	}
	for id, n := range c.routers {
		a.routers[id.UUID] = n
		p.routing.nextRouter = max(p.routing.nextRouter, n+1)
	}
	p.nextBD = max(p.nextBD, p.settings.NextBD, 1)
	for id, bd := range c.switches {
		a.switches[id.UUID] = bd
		p.nextBD = max(p.nextBD, bd+1)
	}

	p.gens = make([]uint32, p.objs.Members.MaxEntries())
	for slot, m := range c.members {
		p.gens[slot] = m.Gen
	}
	used := map[uint32]bool{}
	for at, slot := range c.bindings {
		m, dev := c.members[slot], p.devices.ByIndex[int(at.Ifindex)]
		if dev.Index == 0 || m.Ifindex != at.Ifindex || m.VID != at.VID {
			continue
		}
		a.slots[intent.BindingKey{Port: dev.Name, VLAN: uint16(at.VID)}] = adoptedSlot{slot, m.BD}
		used[slot] = true
	}
	p.slots = newPool(min(p.limit("members"), p.limit("bindings")), used)

	used = map[uint32]bool{}
	for index, d := range c.devices {
		if dev := p.devices.ByIndex[int(index)]; dev.Index != 0 && d.Port != 0 {
			a.ports[dev.Name] = d.Port
			used[d.Port] = true
		}
	}
	p.portSlots = newPool(p.objs.Quotas.MaxEntries(), used)

	used = map[uint32]bool{}
	for n, pr := range c.peers {
		a.peers[pr.IP.Addr()] = n
		used[n] = true
	}
	p.peerSlots = newPool(min(p.limit("peers"), p.objs.Paths.MaxEntries()), used)

	p.nextList = max(p.nextList, 1)
	for k := range c.chunks {
		p.nextList = max(p.nextList, k.List+1)
	}
	for key, f := range c.floods {
		a.lists[key] = list{f.List, targetsOf(f, c.chunks)}
	}
	p.adopted = a
	p.adoptACLs()
}

func targetsOf(f layout.FloodSet, chunks map[layout.ChunkKey]layout.Chunk) []layout.Target {
	targets := make([]layout.Target, 0, min(int(f.Count), layout.FloodMax))
	for i := range cap(targets) {
		c := chunks[layout.ChunkKey{List: f.List, Seq: uint32(i / layout.ChunkTargets)}]
		targets = append(targets, c.Targets[i%layout.ChunkTargets])
	}
	return targets
}

// detachUnwanted lets go of the devices that an earlier process or State had as ports.
func (p *Plane) detachUnwanted(have map[uint32]layout.Device) error {
	var errs []error
	keep := map[int]bool{p.overlay.ifindex: true}
	for _, prt := range p.ports {
		keep[prt.device] = true
	}
	for index := range p.overlay.underlays {
		keep[index] = true
	}
	for index, d := range have {
		if !keep[int(index)] {
			errs = append(errs, p.detachPort(int(index), d.Flags))
			err := p.objs.Devices.Delete(&index)
			if err != nil && !isMissing(err) {
				errs = append(errs, err)
			}
		}
	}
	indexes, err := p.linked()
	errs = append(errs, err)
	for _, i := range indexes {
		if !keep[i] {
			errs = append(errs, p.unpinLink(i))
		}
	}
	return errors.Join(errs...)
}

// recount makes the quotas' counts agree with the learned MACs, should a process have died while
// it replaced their map. The programs go on counting meanwhile: what may be their doing is let be.
func (p *Plane) recount() error {
	before, found := make([]uint32, len(p.quotas)), make([]uint32, len(p.quotas))
	for i := range before {
		before[i] = atomic.LoadUint32(&p.quotas[i].Count)
	}
	err := scan(p.objs.Locals, func(_ layout.MACKey, l layout.Local) {
		if int(l.Port) < len(found) { // else it is leaving
			found[l.Port]++
			found[0]++
		}
	})
	if err != nil {
		return err
	}
	for i, n := range found {
		after := atomic.LoadUint32(&p.quotas[i].Count)
		if nearest := min(max(n, min(before[i], after)), max(before[i], after)); n != nearest {
			atomic.AddUint32(&p.quotas[i].Count, n-nearest)
		}
	}
	return nil
}
