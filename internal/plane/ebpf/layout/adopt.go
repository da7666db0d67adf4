package layout

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// Adopted is what the maps said about numbers when they were read: an object that is still
// wanted keeps its number, so that what stays as it is needs no write.
type Adopted struct {
	switches map[intent.SwitchID]uint32
	slots    map[intent.BindingKey]adoptedSlot
	ports    map[string]uint32
	peers    map[netip.Addr]uint32
	lists    map[MACKey]list
	Devices  map[uint32]Device // by ifindex
	routers  map[intent.RouterID]uint32
}

// Switches are the logical switches that the maps had.
func (a Adopted) Switches() map[intent.SwitchID]bool {
	had := make(map[intent.SwitchID]bool, len(a.switches))
	for id := range a.switches {
		had[id] = true
	}
	return had
}

type adoptedSlot struct {
	number, bd uint32
	standby    bool
}

// Limits are how many numbers there may be, and how many slots the map of members has now.
type Limits struct{ Members, Slots, Ports, Peers uint32 }

// Adopt forgets what is wanted, and takes the numbers from what was read from the maps: an object that is
// still wanted keeps its number. nextBD is the first that was never used, deviceName says which device
// has an ifindex, "" if none has.
func (c *Contents) Adopt(nextBD uint32, most Limits, deviceName func(ifindex uint32) string) {
	c.Maps.reset()
	for ip, until := range c.Maps.Ends.Have { // that there are former ones, only the map knows
		c.Maps.Ends.Set(ip, until)
	}
	c.Routing = newRouting()
	c.tunnels.reset(c.Maps.Decaps)
	c.segments = map[string]intent.Segment{}
	c.ports, c.Bindings = map[string]*Port{}, map[intent.BindingKey]*Binding{}
	c.BySlot, c.Unserved, c.dirty = map[uint32]*Binding{}, map[intent.BindingKey]*Binding{}, nil
	c.Domains, c.ByUUID = map[uint32]*Domain{}, map[intent.SwitchID]*Domain{}
	c.Unentered, c.Unnamed = nil, nil
	c.lastPeer = nil
	c.Peers, c.Numbered, c.Nameless = map[netip.Addr]*PeerUse{}, map[uint32]*PeerUse{}, map[any][]netip.Addr{}
	c.lists, c.Cut = map[MACKey]list{}, map[MACKey]int{}
	c.wanting, c.Anew = false, false
	c.idlePeers, c.Unresolved, c.Reused, c.ReusedPeers, c.ReusedPorts, c.anyVNI = nil, nil, nil, nil, nil, nil
	c.policyOf, c.ACLNumbers = map[intent.BindingKey]intent.ACLID{}, map[intent.ACLID]uint32{}
	c.NewSource, c.GonePeers = true, true

	a := Adopted{
		switches: map[intent.SwitchID]uint32{},
		slots:    map[intent.BindingKey]adoptedSlot{},
		ports:    map[string]uint32{},
		peers:    map[netip.Addr]uint32{},
		lists:    map[MACKey]list{},
		Devices:  c.Maps.Devices.Have,
		routers:  map[intent.RouterID]uint32{},
	}
	for id, n := range c.Maps.Routers.Have {
		a.routers[id.UUID] = n
		c.Routing.nextRouter = max(c.Routing.nextRouter, n+1)
	}
	c.NextBD = max(c.NextBD, nextBD, 1)
	for id, bd := range c.Maps.Switches.Have {
		a.switches[id.UUID] = bd
		c.NextBD = max(c.NextBD, bd+1)
	}

	c.gens = make([]uint32, most.Members)
	for slot, m := range c.Maps.Members.Have {
		c.gens[slot] = m.Gen
	}
	used := map[uint32]bool{}
	for at, slot := range c.Maps.Bindings.Have {
		m, name := c.Maps.Members.Have[slot], deviceName(at.Ifindex)
		if name == "" || m.Ifindex != at.Ifindex || m.VID != at.VID {
			continue
		}
		a.slots[intent.BindingKey{Port: name, VLAN: uint16(at.VID)}] = adoptedSlot{slot, m.BD, m.Features&FeatureStandby != 0}
		used[slot] = true
	}
	c.Slots = NewPool(most.Slots, used)

	used = map[uint32]bool{}
	for index, d := range c.Maps.Devices.Have {
		if name := deviceName(index); name != "" && d.Port != 0 {
			a.ports[name] = d.Port
			used[d.Port] = true
		}
	}
	c.PortSlots = NewPool(most.Ports, used)

	used = map[uint32]bool{}
	for n, pr := range c.Maps.Peers.Have {
		a.peers[pr.IP.Addr()] = n
		used[n] = true
	}
	c.PeerSlots = NewPool(most.Peers, used)

	c.nextList = max(c.nextList, 1)
	for k := range c.Maps.Chunks.Have {
		c.nextList = max(c.nextList, k.List+1)
	}
	for key, f := range c.Maps.Floods.Have {
		a.lists[key] = list{f.List, TargetsOf(f, c.Maps.Chunks.Have)}
	}
	c.Adopted = a
}

func TargetsOf(f FloodSet, chunks map[ChunkKey]Chunk) []Target {
	targets := make([]Target, 0, min(int(f.Count), FloodMax))
	for i := range cap(targets) {
		c := chunks[ChunkKey{List: f.List, Seq: uint32(i / ChunkTargets)}]
		targets = append(targets, c.Targets[i%ChunkTargets])
	}
	return targets
}
