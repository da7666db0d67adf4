package ebpf

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"sync/atomic"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/acl"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// ReadEntry implements plane.Tracer. It looks the entry up in the maps, as the programs do.
func (p *Plane) ReadEntry(_ context.Context, into *plane.Installed, e plane.Entry) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	if !p.begun {
		return fmt.Errorf("ebpf plane: %w", errNotKnown)
	}
	r := reading{p: p, into: into}
	r.scalars()
	switch e.Kind {
	case plane.EntryPort:
		r.port(e.At.Port)
	case plane.EntryBinding:
		r.binding(e.At)
	case plane.EntrySwitch:
		r.members(e.Switch)
	case plane.EntryUnicast:
		r.unicast(e.Switch, e.MAC)
	case plane.EntryLearned:
		r.learned(e.Switch, e.MAC)
	case plane.EntryFlood:
		r.flood(e.Switch, e.MAC)
	case plane.EntryMembers:
		r.group(e.Switch, e.MAC)
	case plane.EntryDecap:
		r.decap(e.Tunnel)
	case plane.EntryInterface, plane.EntryNeighbour:
		r.neighbor(e.Switch, e.IP)
	case plane.EntryGuard:
		r.guard(e.Switch, e.IP)
	case plane.EntryRoute:
		r.route(e.Router, e.IP)
	case plane.EntryWay:
		r.way(e.IP)
	}
	if r.err != nil {
		return fmt.Errorf("ebpf plane: read %s: %w", e.Kind, r.err)
	}
	return nil
}

// reading reads single entries of the maps into an Installed. Plane.mu is held.
type reading struct {
	p    *Plane
	into *plane.Installed
	err  error // the first one
}

// look looks a key up. What is not there is no error; an element of an array that is zero is there.
func look[K, V any](r *reading, m *ebpf.Map, key K) (v V, ok bool) {
	err := m.Lookup(&key, &v)
	if err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
		r.err = errors.Join(r.err, err)
	}
	return v, err == nil
}

func (r *reading) scalars() {
	s, ok := look[uint32, vtepSettings](r, r.p.objs.Config, 0)
	if !ok {
		return
	}
	to := &r.into.Scalars
	to.TunnelIPs = intent.TunnelIPs{TunnelIP6: s.TunnelIp6.ip()}
	if s.TunnelIp != 0 {
		to.TunnelIP = ipOf(s.TunnelIp)
	}
	to.AcceptAnySource, to.FragmentOuter = s.Flags&configAnySource != 0, s.Flags&configFragment != 0
	to.TunnelDSCP, to.TagPCP = priorityOf(s.Flags>>priorityTunnelShift), priorityOf(s.Flags>>priorityTagShift)
	to.TagPCP.Value >>= 3
	r.into.NoTunnels = s.VxlanIfindex == 0
}

// priorityOf is the reverse of priorityFlags.
func priorityOf(flags uint32) intent.Priority {
	return intent.Priority{From: intent.PriorityFrom(flags >> 6 & 3), Value: uint8(flags & 63)}
}

// port reads what there is of a port, and looks whether its program is in force.
func (r *reading) port(name string) {
	d, ok := r.device(name)
	if !ok {
		return
	}
	at := r.p.attachments[d.index]
	if at == nil {
		r.into.Devices[name] = false
		return
	}
	what := ""
	switch c, ahead := r.p.examine(at); c {
	case detached:
		what = fmt.Sprintf("the program of port %s is detached: its frames go elsewhere", name)
	case replaced:
		what = fmt.Sprintf("port %s runs another program: its frames go elsewhere", name)
	case behind:
		what = fmt.Sprintf("at port %s another program sees frames first: %s", name, ahead)
	}
	if what != "" {
		r.into.Problems = append(r.into.Problems, what)
	}
}

func (r *reading) device(name string) (device, bool) {
	d := r.p.devices.named(name)
	dev, ok := look[uint32, vtepDevice](r, r.p.objs.Devices, uint32(d.index))
	if d.index == 0 || !ok || dev.Port == 0 {
		return d, false
	}
	r.into.Devices[name] = true
	if _, has := r.into.Ports[name]; !has {
		r.into.Ports[name] = intent.Port{}
	}
	return d, true
}

func (r *reading) binding(at intent.BindingKey) {
	d := r.p.devices.named(at.Port)
	if d.index == 0 {
		return
	}
	if slot, ok := look[vtepBindKey, uint32](r, r.p.objs.Bindings, vtepBindKey{Ifindex: uint32(d.index), Vid: uint32(at.VLAN)}); ok {
		r.slot(slot)
	}
}

// slot reads a binding by its number, and says which one it is.
func (r *reading) slot(slot uint32) (at intent.BindingKey, m vtepMember, ok bool) {
	m, ok = look[uint32, vtepMember](r, r.p.objs.Members, slot)
	d := r.p.devices.byIndex[int(m.Ifindex)]
	if !ok || m.Bd == 0 || d.index == 0 {
		return at, m, false
	}
	at = intent.BindingKey{Port: d.name, VLAN: uint16(m.Vid)}
	if _, done := r.into.Bindings[at]; done {
		return at, m, true
	}
	id := r.domain(m.Bd, m.Features)
	r.into.Bindings[at] = intent.Binding{Switch: id}
	r.device(d.name)
	r.into.MTU[d.name] = int(m.Mtu)
	prt := r.into.Ports[d.name]
	prt.ServiceTags = prt.ServiceTags || m.Flags&memberServiceTag != 0
	prt.Group = uint16(m.Flags >> memberGroupShift)
	r.into.Ports[d.name] = prt
	if m.Vid != 0 || m.Flags&memberNoTags != 0 {
		r.into.Tagged[d.name] = true
	}
	if m.Features&featureACL != 0 {
		if number, ok := look[uint32, uint32](r, r.p.objs.Policies, slot); ok {
			if id, ok := r.acl(number); ok {
				r.into.Policies[at] = intent.Policy{ACL: id}
			}
		}
	}
	return at, m, true
}

// guard reads the ACL of the router's interface that an address is next to.
func (r *reading) guard(id intent.SwitchID, ip netip.Addr) {
	d := r.p.byUUID[id]
	if d == nil {
		return
	}
	number, ok := look[vtepInterfaceKey, uint32](r, r.p.objs.Interfaces, vtepInterfaceKey{Length: anyLength6 + 128, Bd: d.bd, Ip: addressOf(ip)})
	if !ok {
		return
	}
	if id, ok := r.acl(number); ok {
		r.into.Guards[intent.IPKey{Switch: d.id, IP: ip}] = id
	}
}

// acl reads the ACL with the number; false: there is none.
func (r *reading) acl(number uint32) (id intent.ACLID, ok bool) {
	if number == 0 || int(number) >= len(r.p.access.roots) {
		return id, false
	}
	root := atomic.LoadUint32(&r.p.access.roots[number].Root)
	if root == 0 {
		return id, false
	}
	program, err := acl.Open(r.p.access.blockMemory, root)
	if err == nil {
		id = program.ID()
		r.into.ACLs[id], err = program.Source()
	}
	r.err = errors.Join(r.err, err)
	return id, err == nil
}

// domain notes what the features of a bd say of its switch, and says which one it is.
func (r *reading) domain(bd, features uint32) intent.SwitchID {
	d := r.p.domains[bd]
	if d == nil { // the maps name one that nobody knows
		id := intent.SwitchID{0: 0xff}
		binary.BigEndian.PutUint32(id[12:], bd)
		r.into.Switches[id] = intent.Switch{}
		return id
	}
	if _, done := r.into.Switches[d.id]; done {
		return d.id
	}
	ls := intent.Switch{Name: d.sw.Name, VNI: d.sw.VNI, VNI0: d.sw.VNI0, SwitchOptions: optionsOf(features)}
	if g, ok := look[uint32, vtepGateway](r, r.p.objs.Gateways, bd); ok {
		for id, number := range r.p.routing.numbers {
			if number == g.Router {
				ls.Router = id
				r.into.Routers[id] = intent.Router{MAC: g.Mac}
			}
		}
		for _, ip := range []netip.Addr{g.Ip.ip(), g.Ip6.ip()} {
			if ip.IsValid() {
				r.into.Interfaces[intent.IPKey{Switch: d.id, IP: ip}] = intent.Interface{}
			}
		}
	}
	r.into.Switches[d.id] = ls
	return d.id
}

// optionsOf is the reverse of featuresOf.
func optionsOf(features uint32) intent.SwitchOptions {
	o := intent.SwitchOptions{
		InnerTags: features&featureInnerTags != 0, SnoopIPs: features&featureSnoop != 0, Suppress: features&featureSuppress != 0,
		SnoopGroups: features&featureGroups != 0, ReservedMACs: intent.ReservedMACs(features >> reservedShift),
	}
	switch {
	case features&featureFloodNeighbors != 0:
		o.Flooding = intent.FloodNeighbors
	case features&featureFloodNone != 0:
		o.Flooding = intent.FloodNone
	}
	return o
}

// key is that of a MAC in a switch; false: the programs know nothing of the switch.
func (r *reading) key(id intent.SwitchID, mac intent.MAC, kind uint16) (vtepMacKey, bool) {
	d := r.p.byUUID[id]
	if d == nil {
		return vtepMacKey{}, false
	}
	return vtepMacKey{Bd: d.bd, Mac: mac, Kind: kind}, true
}

// targets reads a flood set.
func (r *reading) targets(key vtepMacKey) ([]vtepTarget, bool) {
	set, ok := look[vtepMacKey, vtepFloodSet](r, r.p.objs.Floods, key)
	if !ok {
		return nil, false
	}
	chunks := map[vtepChunkKey]vtepChunk{}
	for seq := range (set.Count + uint32(chunkTargets) - 1) / uint32(chunkTargets) {
		at := vtepChunkKey{List: set.List, Seq: seq}
		chunks[at], _ = look[vtepChunkKey, vtepChunk](r, r.p.objs.Chunks, at)
	}
	return targetsOf(set, chunks), true
}

// bindings are those of the targets that are in force in the domain.
func (r *reading) bindings(key vtepMacKey) (all intent.MemberSet, ok bool) {
	targets, ok := r.targets(key)
	for _, t := range targets {
		if at, m, is := r.slot(t.Id); is && m.Bd == key.Bd {
			all = append(all, at)
		}
	}
	return all, ok
}

func (r *reading) members(id intent.SwitchID) {
	if key, ok := r.key(id, intent.MAC{}, floodMembers); ok {
		r.bindings(key)
	}
}

func (r *reading) group(id intent.SwitchID, mac intent.MAC) {
	if key, ok := r.key(id, mac, floodMembers); ok {
		if set, ok := r.bindings(key); ok {
			r.into.Members[intent.MACKey{Switch: id, MAC: mac}] = set
		}
	}
}

func (r *reading) flood(id intent.SwitchID, mac intent.MAC) {
	key, ok := r.key(id, mac, floodTunnels)
	if !ok {
		return
	}
	targets, ok := r.targets(key)
	if !ok {
		return
	}
	set := intent.FloodSet{}
	for _, t := range targets {
		if peer, ok := r.peer(t.Peer); ok {
			set = append(set, intent.Tunnel{Peer: peer, VNI: t.Id})
		}
	}
	r.into.Floods[intent.MACKey{Switch: id, MAC: mac}] = set
}

func (r *reading) peer(number uint32) (netip.Addr, bool) {
	pr, ok := look[uint32, vtepPeer](r, r.p.objs.Peers, number)
	return pr.Ip.ip(), ok && pr.Ip.ip().IsValid()
}

func (r *reading) unicast(id intent.SwitchID, mac intent.MAC) {
	key, ok := r.key(id, mac, 0)
	if !ok {
		return
	}
	to, ok := look[vtepMacKey, vtepRemote](r, r.p.objs.Remotes, key)
	switch {
	case !ok:
	case to.Peer == routerPeer:
		if mac != r.into.Routers[r.into.Switches[id].Router].MAC {
			r.into.ARPSource = mac
		}
	default:
		if peer, ok := r.peer(to.Peer); ok {
			r.into.Unicast[intent.MACKey{Switch: id, MAC: mac}] = intent.Tunnel{Peer: peer, VNI: to.Vni}
		}
	}
}

func (r *reading) learned(id intent.SwitchID, mac intent.MAC) {
	key, ok := r.key(id, mac, 0)
	if !ok {
		return
	}
	l, ok := look[vtepMacKey, vtepLocal](r, r.p.objs.Locals, key)
	if !ok {
		return
	}
	if at, m, ok := r.slot(l.Slot); ok && m.Bd == key.Bd && m.Gen == l.Gen {
		r.into.Learned[intent.MACKey{Switch: id, MAC: mac}] = at
	}
}

func (r *reading) decap(t intent.Tunnel) {
	if number, ok := look[vtepAddress, uint32](r, r.p.objs.Addresses, addressOf(t.Peer)); ok {
		if to, ok := look[vtepTunnelKey, vtepDecap](r, r.p.objs.Decaps, vtepTunnelKey{Peer: number, Vni: t.VNI}); ok {
			r.into.Decap[t] = r.domain(to.Bd, to.Features)
			return
		}
	}
	if !r.into.AcceptAnySource {
		return
	}
	if to, ok := look[vtepTunnelKey, vtepDecap](r, r.p.objs.Decaps, vtepTunnelKey{Vni: t.VNI}); ok {
		r.into.AnySource[t.VNI] = r.domain(to.Bd, to.Features)
	}
}

func (r *reading) neighbor(id intent.SwitchID, ip netip.Addr) {
	d := r.p.byUUID[id]
	if d == nil {
		return
	}
	n, ok := look[vtepIpKey, vtepNeighbor](r, r.p.objs.Neighbors, vtepIpKey{Bd: d.bd, Ip: addressOf(ip)})
	key := intent.IPKey{Switch: id, IP: ip}
	switch {
	case !ok:
	case n.Kind == neighborRouter:
		r.into.Interfaces[key] = intent.Interface{}
	default:
		r.into.Neighbours[key] = n.Mac
	}
}

// route reads the way of a router to an address.
func (r *reading) route(id intent.RouterID, ip netip.Addr) {
	number := r.p.routing.numbers[id]
	if number == 0 {
		return
	}
	w, bits, ok := r.wayTo(number, ip, ip.BitLen())
	if ok && w.Kind == waySelf {
		r.into.Own[plane.RouterIP{Router: id, IP: ip}] = true
		return
	}
	if ok && w.Kind == wayEdge { // of the network that is next larger
		w, bits, ok = r.wayTo(number, ip, ip.BitLen()-1)
	}
	d := r.p.domains[w.Bd]
	if !ok || d == nil {
		return
	}
	way := intent.Route{Switch: d.id}
	if w.Kind == wayVia {
		way.Via = w.Via.ip()
	}
	r.into.Routes[intent.RouteKey{Router: id, Prefix: netip.PrefixFrom(ip, bits).Masked()}] = way
	r.domain(w.Bd, d.features)
}

// wayTo looks for the longest prefix of no more than that many bits. A look-up in a trie does not tell how long it
// is: it is as long as a key may be shortened without finding another.
func (r *reading) wayTo(number uint32, ip netip.Addr, most int) (w vtepWay, bits int, ok bool) {
	find := func(bits int) (vtepWay, bool) {
		if ip.Is4() {
			return look[vtepRouteKey4, vtepWay](r, r.p.objs.Routes4, vtepRouteKey4{Length: 32 + uint32(bits), Router: number, Ip: addressOf(ip).Word[3]})
		}
		return look[vtepRouteKey6, vtepWay](r, r.p.objs.Routes6, vtepRouteKey6{Length: 32 + uint32(bits), Router: number, Ip: addressOf(ip)})
	}
	if w, ok = find(most); !ok {
		return w, 0, false
	}
	for bits = most; bits > 0; bits-- {
		shorter, has := find(bits - 1)
		if !has || shorter != w {
			break
		}
	}
	return w, bits, true
}

func (r *reading) way(peer netip.Addr) {
	w := plane.Way{Source: r.into.Source(peer)}
	number, ok := look[vtepAddress, uint32](r, r.p.objs.Addresses, addressOf(peer))
	if ok {
		pr, _ := look[uint32, vtepPeer](r, r.p.objs.Peers, number)
		w.MTU, w.NextHop = int(pr.Mtu), pr.Hop.ip()
		if pr.Ifindex != 0 {
			w.Device = r.p.nameOf(pr.Ifindex)
			w.Short = r.p.settings.Flags&configDirectEncap != 0
		} else if p := r.p.peers[peer]; p != nil && p.device != 0 {
			w.Device = r.p.nameOf(uint32(p.device))
		}
	}
	if err := r.p.unreachable[peer]; err != nil {
		w.Problem = err.Error()
	} else if err := r.p.tunnelError(); err != nil {
		w.Problem = err.Error()
	}
	r.into.Ways[peer] = w
}
