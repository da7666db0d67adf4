package layout

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// State gives what was read of the maps as an intent, as far as they tell: of tables that were not read there is
// nothing. deviceName says which device has an ifindex, "" if none has; acls are those in force, by number.
func (c *Contents) State(deviceName func(ifindex uint32) string, acls map[uint32]intent.ACLID) *intent.State {
	s := intent.NewState()
	for ip, until := range c.Maps.Ends.Have {
		if until == 0 {
			s.Ends[ip.Addr()] = intent.End{}
		}
	}
	ports := map[uint32]string{} // by their numbers
	for index, dev := range c.Maps.Devices.Have {
		if name := deviceName(index); name != "" && dev.Port != 0 {
			s.Ports[name] = intent.Port{}
			ports[dev.Port] = name
		}
	}
	for key := range c.Maps.Segments.Have {
		if name, ok := ports[key.Port]; ok {
			s.Segments[name] = append(s.Segments[name], key.IP.Addr())
		}
	}
	for _, seg := range s.Segments {
		slices.SortFunc(seg, netip.Addr.Compare)
	}
	switches := map[uint32]intent.SwitchID{} // by bd
	for id, bd := range c.Maps.Switches.Have {
		switches[bd] = id.UUID
		s.Switches[id.UUID] = intent.Switch{}
	}
	slots := map[uint32]intent.BindingKey{}
	for at, slot := range c.Maps.Bindings.Have {
		m, name := c.Maps.Members.Have[slot], deviceName(at.Ifindex)
		if id, ok := switches[m.BD]; ok && name != "" {
			key := intent.BindingKey{Port: name, VLAN: uint16(at.VID)}
			s.Bindings[key], slots[slot] = intent.Binding{Switch: id, Role: RoleOf(m)}, key
			if id, ok := acls[c.Maps.Policies.Have[slot]]; ok {
				s.Policies[key] = intent.Policy{ACL: id}
			}
		}
	}
	for key, n := range c.Maps.Neighbors.Have {
		if id, ok := switches[key.BD]; ok && n.Kind == NeighborHost {
			s.Neighbours[intent.IPKey{Switch: id, IP: key.IP.Addr()}] = n.MAC
		}
	}
	for key, r := range c.Maps.Remotes.Have {
		id, ok := switches[key.BD]
		mac := intent.MACKey{Switch: id, MAC: key.MAC}
		switch at, is := slots[r.VNI]; {
		case !ok || r.Peer == RouterPeer:
		case r.Peer != AttachedPeer:
			s.Unicast.Set(mac, intent.Tunnel{Peer: c.Maps.Peers.Have[r.Peer].IP.Addr(), VNI: r.VNI})
		case is && s.Bindings[at].Switch == id:
			s.Attached[mac] = at
		}
	}
	for key, f := range c.Maps.Floods.Have {
		id, ok := switches[key.BD]
		if !ok || key.Kind != FloodTunnels {
			continue
		}
		set := intent.FloodSet{}
		for _, t := range TargetsOf(f, c.Maps.Chunks.Have) {
			set = append(set, intent.Tunnel{Peer: c.Maps.Peers.Have[t.Peer].IP.Addr(), VNI: t.ID})
		}
		s.Floods[intent.MACKey{Switch: id, MAC: key.MAC}] = set
	}
	for key, to := range TunnelsOf(maps.All(c.Maps.Decaps.Have), c.decapThere) {
		id, ok := switches[to.BD]
		switch {
		case ok && key.Peer == 0: // from any source
			s.Switches[id] = intent.Switch{VNI: key.VNI, VNI0: key.VNI == 0}
		case ok:
			s.Decap.Set(intent.Tunnel{Peer: c.Maps.Peers.Have[key.Peer].IP.Addr(), VNI: key.VNI}, id)
		}
	}
	c.giveRouters(s, switches)
	return s
}

// giveRouters gives s the routers of switches, which are by bd.
func (c *Contents) giveRouters(s *intent.State, switches map[uint32]intent.SwitchID) {
	routers := make(map[uint32]intent.RouterID, len(c.Maps.Routers.Have)) // by number
	for id, n := range c.Maps.Routers.Have {
		routers[n] = id.UUID
	}
	for bd, g := range c.Maps.Gateways.Have {
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
