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
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
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
	case plane.EntrySegment:
		r.segment(e.At.Port, e.IP)
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
	s, ok := look[uint32, layout.Settings](r, r.p.objs.Config, 0)
	if !ok {
		return
	}
	to := &r.into.Scalars
	to.TunnelIPs = intent.TunnelIPs{TunnelIP6: s.TunnelIP6.Addr()}
	if s.TunnelIP != 0 {
		to.TunnelIP = layout.IPv4Of(s.TunnelIP)
	}
	to.AcceptAnySource, to.FragmentOuter = s.Flags&layout.ConfigAnySource != 0, s.Flags&layout.ConfigFragment != 0
	to.TunnelDSCP, to.TagPCP = layout.PriorityOf(s.Flags>>layout.PriorityTunnelShift), layout.PriorityOf(s.Flags>>layout.PriorityTagShift)
	to.TagPCP.Value >>= 3
	r.into.NoTunnels = s.VXLANIfindex == 0
}

// port reads what there is of a port, and looks whether its program is in force.
func (r *reading) port(name string) {
	d, ok := r.device(name)
	if !ok {
		return
	}
	at := r.p.attached.All[d.Index]
	if at == nil {
		r.into.Devices[name] = false
		return
	}
	what := ""
	switch c, ahead := r.p.attached.Examine(at); c {
	case kernel.Detached:
		what = fmt.Sprintf("the program of port %s is detached: its frames go elsewhere", name)
	case kernel.Replaced:
		what = fmt.Sprintf("port %s runs another program: its frames go elsewhere", name)
	case kernel.Behind:
		what = fmt.Sprintf("at port %s another program sees frames first: %s", name, ahead)
	}
	if what != "" {
		r.into.Problems = append(r.into.Problems, what)
	}
}

func (r *reading) device(name string) (host.Device, bool) {
	d := r.p.devices.Named(name)
	dev, ok := look[uint32, layout.Device](r, r.p.objs.Devices, uint32(d.Index))
	if d.Index == 0 || !ok || dev.Port == 0 {
		return d, false
	}
	r.into.Devices[name] = true
	if _, has := r.into.Ports[name]; !has {
		r.into.Ports[name] = intent.Port{}
	}
	return d, true
}

func (r *reading) binding(at intent.BindingKey) {
	d := r.p.devices.Named(at.Port)
	if d.Index == 0 {
		return
	}
	if slot, ok := look[layout.BindKey, uint32](r, r.p.objs.Bindings, layout.BindKey{Ifindex: uint32(d.Index), VID: uint32(at.VLAN)}); ok {
		r.slot(slot)
	}
}

// slot reads a binding by its number, and says which one it is.
func (r *reading) slot(slot uint32) (at intent.BindingKey, m layout.Member, ok bool) {
	m, ok = look[uint32, layout.Member](r, r.p.objs.Members, slot)
	d := r.p.devices.ByIndex[int(m.Ifindex)]
	if !ok || m.BD == 0 || d.Index == 0 {
		return at, m, false
	}
	at = intent.BindingKey{Port: d.Name, VLAN: uint16(m.VID)}
	if _, done := r.into.Bindings[at]; done {
		return at, m, true
	}
	id := r.domain(m.BD, m.Features)
	r.into.Bindings[at] = intent.Binding{Switch: id, Role: layout.RoleOf(m)}
	r.device(d.Name)
	r.into.MTU[d.Name] = int(m.MTU)
	prt := r.into.Ports[d.Name]
	prt.ServiceTags = prt.ServiceTags || m.Flags&layout.MemberServiceTag != 0
	prt.Group = uint16(m.Flags >> layout.MemberGroupShift)
	r.into.Ports[d.Name] = prt
	if m.VID != 0 || m.Flags&layout.MemberNoTags != 0 {
		r.into.Tagged[d.Name] = true
	}
	if m.Features&layout.FeatureACL != 0 {
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
	d := r.p.contents.ByUUID[id]
	if d == nil {
		return
	}
	number, ok := look[layout.InterfaceKey, uint32](r, r.p.objs.Interfaces, layout.InterfaceKey{Length: layout.AnyLength6 + 128, BD: d.BD, IP: layout.AddressOf(ip)})
	if !ok {
		return
	}
	if id, ok := r.acl(number); ok {
		r.into.Guards[intent.IPKey{Switch: d.ID, IP: ip}] = id
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
	d := r.p.contents.Domains[bd]
	if d == nil { // the maps name one that nobody knows
		id := intent.SwitchID{0: 0xff}
		binary.BigEndian.PutUint32(id[12:], bd)
		r.into.Switches[id] = intent.Switch{}
		return id
	}
	if _, done := r.into.Switches[d.ID]; done {
		return d.ID
	}
	ls := intent.Switch{Name: d.Switch.Name, VNI: d.Switch.VNI, VNI0: d.Switch.VNI0, SwitchOptions: layout.OptionsOf(features)}
	if g, ok := look[uint32, layout.Gateway](r, r.p.objs.Gateways, bd); ok {
		for id, number := range r.p.contents.Routing.Numbers {
			if number == g.Router {
				ls.Router = id
				r.into.Routers[id] = intent.Router{MAC: g.MAC}
			}
		}
		for _, ip := range []netip.Addr{g.IP.Addr(), g.IP6.Addr()} {
			if ip.IsValid() {
				r.into.Interfaces[intent.IPKey{Switch: d.ID, IP: ip}] = intent.Interface{}
			}
		}
	}
	r.into.Switches[d.ID] = ls
	return d.ID
}

// key is that of a MAC in a switch; false: the programs know nothing of the switch.
func (r *reading) key(id intent.SwitchID, mac intent.MAC, kind uint16) (layout.MACKey, bool) {
	d := r.p.contents.ByUUID[id]
	if d == nil {
		return layout.MACKey{}, false
	}
	return layout.MACKey{BD: d.BD, MAC: mac, Kind: kind}, true
}

// targets reads a flood set.
func (r *reading) targets(key layout.MACKey) ([]layout.Target, bool) {
	set, ok := look[layout.MACKey, layout.FloodSet](r, r.p.objs.Floods, key)
	if !ok {
		return nil, false
	}
	chunks := map[layout.ChunkKey]layout.Chunk{}
	for seq := range (set.Count + uint32(layout.ChunkTargets) - 1) / uint32(layout.ChunkTargets) {
		at := layout.ChunkKey{List: set.List, Seq: seq}
		chunks[at], _ = look[layout.ChunkKey, layout.Chunk](r, r.p.objs.Chunks, at)
	}
	return layout.TargetsOf(set, chunks), true
}

// bindings are those of the targets that are in force in the domain.
func (r *reading) bindings(key layout.MACKey) (all intent.MemberSet, ok bool) {
	targets, ok := r.targets(key)
	for _, t := range targets {
		if at, m, is := r.slot(t.ID); is && m.BD == key.BD {
			all = append(all, at)
		}
	}
	return all, ok
}

func (r *reading) members(id intent.SwitchID) {
	if key, ok := r.key(id, intent.MAC{}, layout.FloodMembers); ok {
		r.bindings(key)
	}
}

func (r *reading) group(id intent.SwitchID, mac intent.MAC) {
	if key, ok := r.key(id, mac, layout.FloodMembers); ok {
		if set, ok := r.bindings(key); ok {
			r.into.Members[intent.MACKey{Switch: id, MAC: mac}] = set
		}
	}
}

func (r *reading) flood(id intent.SwitchID, mac intent.MAC) {
	key, ok := r.key(id, mac, layout.FloodTunnels)
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
			set = append(set, intent.Tunnel{Peer: peer, VNI: t.ID})
		}
	}
	r.into.Floods[intent.MACKey{Switch: id, MAC: mac}] = set
}

func (r *reading) peer(number uint32) (netip.Addr, bool) {
	pr, ok := look[uint32, layout.Peer](r, r.p.objs.Peers, number)
	return pr.IP.Addr(), ok && pr.IP.Addr().IsValid()
}

func (r *reading) unicast(id intent.SwitchID, mac intent.MAC) {
	key, ok := r.key(id, mac, 0)
	if !ok {
		return
	}
	to, ok := look[layout.MACKey, layout.Remote](r, r.p.objs.Remotes, key)
	switch {
	case !ok:
	case to.Peer == layout.RouterPeer:
		if mac != r.into.Routers[r.into.Switches[id].Router].MAC {
			r.into.ARPSource = mac
		}
	case to.Peer == layout.AttachedPeer:
		if at, m, is := r.slot(to.VNI); is && m.BD == key.BD {
			r.into.Attached[intent.MACKey{Switch: id, MAC: mac}] = at
		}
	default:
		if peer, ok := r.peer(to.Peer); ok {
			r.into.Unicast.Set(intent.MACKey{Switch: id, MAC: mac}, intent.Tunnel{Peer: peer, VNI: to.VNI})
		}
	}
}

func (r *reading) learned(id intent.SwitchID, mac intent.MAC) {
	key, ok := r.key(id, mac, 0)
	if !ok {
		return
	}
	l, ok := look[layout.MACKey, layout.Local](r, r.p.objs.Locals, key)
	if !ok {
		return
	}
	if at, m, ok := r.slot(l.Slot); ok && m.BD == key.BD && m.Gen == l.Gen {
		r.into.Learned[intent.MACKey{Switch: id, MAC: mac}] = at
	}
}

func (r *reading) decap(t intent.Tunnel) {
	entry := func(k layout.DecapKey) (layout.Decap, bool) {
		return look[layout.DecapKey, layout.Decap](r, r.p.objs.Decaps, k)
	}
	if number, ok := look[layout.Address, uint32](r, r.p.objs.Addresses, layout.AddressOf(t.Peer)); ok {
		if to, ok := layout.FindDecap(layout.TunnelKey{Peer: number, VNI: t.VNI}, entry); ok {
			r.into.Decap.Set(t, r.domain(to.BD, to.Features))
			return
		}
	}
	if !r.into.AcceptAnySource {
		return
	}
	if to, ok := layout.FindDecap(layout.TunnelKey{VNI: t.VNI}, entry); ok {
		r.into.AnySource[t.VNI] = r.domain(to.BD, to.Features)
	}
}

func (r *reading) neighbor(id intent.SwitchID, ip netip.Addr) {
	d := r.p.contents.ByUUID[id]
	if d == nil {
		return
	}
	n, ok := look[layout.IPKey, layout.Neighbor](r, r.p.objs.Neighbors, layout.IPKey{BD: d.BD, IP: layout.AddressOf(ip)})
	key := intent.IPKey{Switch: id, IP: ip}
	switch {
	case !ok:
	case n.Kind == layout.NeighborRouter:
		r.into.Interfaces[key] = intent.Interface{}
	default:
		r.into.Neighbours[key] = n.MAC
	}
}

// route reads the way of a router to an address.
func (r *reading) route(id intent.RouterID, ip netip.Addr) {
	number := r.p.contents.Routing.Numbers[id]
	if number == 0 {
		return
	}
	w, bits, ok := r.wayTo(number, ip, ip.BitLen())
	if ok && w.Kind == layout.WaySelf {
		r.into.Own[plane.RouterIP{Router: id, IP: ip}] = true
		return
	}
	if ok && w.Kind == layout.WayEdge { // of the network that is next larger
		w, bits, ok = r.wayTo(number, ip, ip.BitLen()-1)
	}
	d := r.p.contents.Domains[w.BD]
	if !ok || d == nil {
		return
	}
	way := intent.Route{Switch: d.ID}
	if w.Kind == layout.WayVia {
		way.Via = w.Via.Addr()
	}
	r.into.Routes[intent.RouteKey{Router: id, Prefix: netip.PrefixFrom(ip, bits).Masked()}] = way
	r.domain(w.BD, d.Features)
}

// wayTo looks for the longest prefix of no more than that many bits. A look-up in a trie does not tell how long it
// is: it is as long as a key may be shortened without finding another.
func (r *reading) wayTo(number uint32, ip netip.Addr, most int) (w layout.Way, bits int, ok bool) {
	find := func(bits int) (layout.Way, bool) {
		if ip.Is4() {
			return look[layout.RouteKey4, layout.Way](r, r.p.objs.Routes4, layout.RouteKey4{Length: 32 + uint32(bits), Router: number, IP: layout.AddressOf(ip).Word[3]})
		}
		return look[layout.RouteKey6, layout.Way](r, r.p.objs.Routes6, layout.RouteKey6{Length: 32 + uint32(bits), Router: number, IP: layout.AddressOf(ip)})
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
	number, ok := look[layout.Address, uint32](r, r.p.objs.Addresses, layout.AddressOf(peer))
	if ok {
		pr, _ := look[uint32, layout.Peer](r, r.p.objs.Peers, number)
		w.MTU, w.NextHop = int(pr.MTU), pr.Hop.Addr()
		if pr.Ifindex != 0 {
			w.Device = r.p.nameOf(pr.Ifindex)
			w.Short = r.p.settings.Flags&layout.ConfigDirectEncap != 0
		} else if p := r.p.contents.Peers[peer]; p != nil && p.Device != 0 {
			w.Device = r.p.nameOf(uint32(p.Device))
		}
	}
	if err := r.p.unreachable[peer]; err != nil {
		w.Problem = err.Error()
	} else if err := r.p.tunnelError(); err != nil {
		w.Problem = err.Error()
	}
	r.into.Ways[peer] = w
}
