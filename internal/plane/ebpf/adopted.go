package ebpf

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Adopted implements plane.Plane. It reads the pinned maps, and touches nothing.
func (p *Plane) Adopted(_ context.Context, whole bool) (*intent.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	s, err := p.readState(whole)
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: read what is pinned: %w", err)
	}
	if len(s.Bindings) == 0 {
		return nil, nil
	}
	return s, nil
}

// Disown implements plane.Plane.
func (p *Plane) Disown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.physical, p.position = plane.Nobody, 0
	if err := p.writeOrigin(); err != nil {
		return fmt.Errorf("ebpf plane: %w", err)
	}
	return nil
}

func (p *Plane) readState(whole bool) (*intent.State, error) {
	var c contents
	var errs [14]error
	c.switches, errs[0] = p.tSwitches.read()
	c.devices, errs[1] = p.tDevices.read()
	c.bindings, errs[2] = p.tBindings.read()
	c.members, errs[3] = p.tMembers.read()
	c.ends, errs[9] = p.tEnds.read()
	if whole {
		c.remotes, errs[4] = p.tRemotes.read()
		c.decaps, errs[5] = p.tDecaps.read()
		c.floods, errs[6] = p.tFloods.read()
		c.chunks, errs[7] = p.tChunks.read()
		c.peers, errs[8] = p.tPeers.read()
		c.policies, errs[10] = p.tPolicies.read()
		c.neighbors, errs[11] = p.tNeighbors.read()
		c.routers, errs[12] = p.tRouters.read()
		c.gateways, errs[13] = p.tGateways.read()
	}
	var origin layout.Origin
	if err := errors.Join(append(errs[:], p.objs.Origin.Lookup(uint32(0), &origin))...); err != nil {
		return nil, err
	}
	s := intent.NewState()
	s.Physical, s.Position = origin.Physical, origin.Position
	s.TunnelIPs = p.hadTunnelIPs()
	for ip, until := range c.ends {
		if until == 0 {
			s.Ends[ip.Addr()] = intent.End{}
		}
	}
	for index, dev := range c.devices {
		if d := p.devices.ByIndex[int(index)]; d.Index != 0 && dev.Port != 0 {
			s.Ports[d.Name] = intent.Port{}
		}
	}
	switches := map[uint32]intent.SwitchID{} // by bd
	for id, bd := range c.switches {
		switches[bd] = id.UUID
		s.Switches[id.UUID] = intent.Switch{}
	}
	acls := map[uint32]intent.ACLID{} // by number
	if whole {
		for id, l := range p.readACLs() {
			s.ACLs[id], acls[l.number] = l.acl, id
		}
	}
	for at, slot := range c.bindings {
		m, d := c.members[slot], p.devices.ByIndex[int(at.Ifindex)]
		if id, ok := switches[m.BD]; ok && d.Index != 0 {
			key := intent.BindingKey{Port: d.Name, VLAN: uint16(at.VID)}
			s.Bindings[key] = intent.Binding{Switch: id}
			if id, ok := acls[c.policies[slot]]; ok {
				s.Policies[key] = intent.Policy{ACL: id}
			}
		}
	}
	for key, n := range c.neighbors {
		if id, ok := switches[key.BD]; ok && n.Kind == layout.NeighborHost {
			s.Neighbours[intent.IPKey{Switch: id, IP: key.IP.Addr()}] = n.MAC
		}
	}
	for key, r := range c.remotes {
		if id, ok := switches[key.BD]; ok && r.Peer != layout.RouterPeer {
			s.Unicast[intent.MACKey{Switch: id, MAC: key.MAC}] = intent.Tunnel{Peer: c.peers[r.Peer].IP.Addr(), VNI: r.VNI}
		}
	}
	for key, f := range c.floods {
		id, ok := switches[key.BD]
		if !ok || key.Kind != layout.FloodTunnels {
			continue
		}
		set := intent.FloodSet{}
		for _, t := range targetsOf(f, c.chunks) {
			set = append(set, intent.Tunnel{Peer: c.peers[t.Peer].IP.Addr(), VNI: t.ID})
		}
		s.Floods[intent.MACKey{Switch: id, MAC: key.MAC}] = set
	}
	for key, to := range c.decaps {
		id, ok := switches[to.BD]
		switch {
		case ok && key.Peer == 0: // from any source
			s.Switches[id] = intent.Switch{VNI: key.VNI, VNI0: key.VNI == 0}
		case ok:
			s.Decap[intent.Tunnel{Peer: c.peers[key.Peer].IP.Addr(), VNI: key.VNI}] = id
		}
	}
	c.giveRouters(s, switches)
	return s, nil
}

// giveRouters gives s the routers of switches, which are by bd.
func (c *contents) giveRouters(s *intent.State, switches map[uint32]intent.SwitchID) {
	routers := make(map[uint32]intent.RouterID, len(c.routers)) // by number
	for id, n := range c.routers {
		routers[n] = id.UUID
	}
	for bd, g := range c.gateways {
		id, ok := switches[bd]
		router, is := routers[g.Router]
		if !ok || !is {
			continue
		}
		ls := s.Switches[id]
		ls.Router = router
		s.Switches[id] = ls
		s.Routers[router] = intent.Router{MAC: g.MAC}
	}
}

// writeOrigin notes of which database the maps have the forwarding.
func (p *Plane) writeOrigin() error {
	o := layout.Origin{Physical: p.physical, Position: p.position}
	if o == p.origin {
		return nil
	}
	if err := p.objs.Origin.Put(uint32(0), &o); err != nil {
		return fmt.Errorf("write map origin: %w", err)
	}
	p.origin = o
	return nil
}
