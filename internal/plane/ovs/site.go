package ovs

import (
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// site is the State by switch. It keeps nothing of the State that it is fed from but what does
// not change.
type site struct {
	intent.Scalars
	ports      map[string]intent.Port
	switches   map[intent.SwitchID]*lswitch
	bindings   map[intent.BindingKey]intent.SwitchID
	roles      map[intent.BindingKey]intent.Role // of those that are not designated
	segments   map[string]intent.Segment
	policies   map[intent.BindingKey]intent.ACLID
	routers    map[intent.RouterID]intent.Router
	interfaces map[intent.IPKey]intent.Interface
	routes     map[intent.RouteKey]intent.Route
	neighbours map[intent.IPKey]intent.MAC
	hosts      map[intent.MACKey]map[netip.Addr]bool // the same by MAC
	vlans      map[string]int                        // number of bindings with a VLAN, by port
	bfd        map[netip.Addr]intent.BFD
}

// lswitch is what one switch needs.
type lswitch struct {
	id        intent.SwitchID
	name      string
	vni       uint32
	overlay   bool // its own VNI may be used
	inner     bool // frames in its tunnels may have a tag
	flooding  intent.Flooding
	passed    intent.ReservedMACs
	router    intent.RouterID     // whose addresses are in it; zero: none
	addresses map[netip.Addr]bool // of the router
	active    bool                // it is one of the State's switches
	bindings  map[intent.BindingKey]bool
	unicast   map[intent.MAC]intent.Tunnel
	attached  map[intent.MAC]intent.BindingKey
	floods    map[intent.MAC]intent.FloodSet
	decap     map[intent.Tunnel]bool

	changed bool // otherwise than by MACs that rows place, since its flows were built
}

func newSite() *site {
	return &site{
		ports:      map[string]intent.Port{},
		switches:   map[intent.SwitchID]*lswitch{},
		bindings:   map[intent.BindingKey]intent.SwitchID{},
		roles:      map[intent.BindingKey]intent.Role{},
		segments:   map[string]intent.Segment{},
		policies:   map[intent.BindingKey]intent.ACLID{},
		routers:    map[intent.RouterID]intent.Router{},
		interfaces: map[intent.IPKey]intent.Interface{},
		routes:     map[intent.RouteKey]intent.Route{},
		neighbours: map[intent.IPKey]intent.MAC{},
		hosts:      map[intent.MACKey]map[netip.Addr]bool{},
		vlans:      map[string]int{},
		bfd:        map[netip.Addr]intent.BFD{},
	}
}

func (s *site) lswitch(id intent.SwitchID) *lswitch {
	ls := s.switches[id]
	if ls == nil {
		ls = &lswitch{
			id:        id,
			bindings:  map[intent.BindingKey]bool{},
			unicast:   map[intent.MAC]intent.Tunnel{},
			attached:  map[intent.MAC]intent.BindingKey{},
			floods:    map[intent.MAC]intent.FloodSet{},
			decap:     map[intent.Tunnel]bool{},
			addresses: map[netip.Addr]bool{},
		}
		s.switches[id] = ls
	}
	return ls
}

// change returns a switch that is about to change.
func (s *site) change(id intent.SwitchID) *lswitch {
	ls := s.lswitch(id)
	ls.changed = true
	return ls
}

// apply takes what changed. It returns the MACs that rows have placed, moved or given up, the IP addresses
// whose owner did, the routes that did, and whether anything else changed.
func (s *site) apply(d *intent.Delta) (macs []intent.MACKey, ips []intent.IPKey, routes []intent.RouteKey, more bool) {
	if d.Global {
		s.Scalars = d.Scalars
	}
	replace(s.bfd, d.BFD)
	replace(s.ports, d.Ports)
	s.applySwitches(d)
	s.applyBindings(d)
	s.applySegments(d)
	for _, c := range d.Unicast {
		set(s.lswitch(c.Key.Switch).unicast, c.Key.MAC, c.New)
		macs = append(macs, c.Key)
	}
	macs = append(macs, s.applyAttached(d)...)
	for _, c := range d.Floods {
		set(s.change(c.Key.Switch).floods, c.Key.MAC, c.New)
	}
	for _, c := range d.Decap {
		if c.Old != nil {
			delete(s.change(*c.Old).decap, c.Key)
		}
		if c.New != nil {
			s.change(*c.New).decap[c.Key] = true
		}
	}
	ips, routes = s.applyRouters(d)
	for _, c := range d.Switches {
		if ls := s.switches[c.Key]; !ls.active && len(ls.bindings)+len(ls.unicast)+len(ls.attached)+len(ls.floods)+len(ls.decap)+len(ls.addresses) == 0 {
			delete(s.switches, c.Key)
		}
	}
	more = d.Global || d.Len() > len(d.Unicast)+len(d.Attached)+len(d.Neighbours)+len(d.Routes)
	return macs, ips, routes, more
}

func (s *site) applySwitches(d *intent.Delta) {
	for _, c := range d.Switches {
		ls := s.change(c.Key)
		if ls.active = c.New != nil; ls.active {
			ls.name, ls.vni, ls.overlay, ls.inner = c.New.Name, c.New.VNI, c.New.OverlayUp(), c.New.InnerTags
			ls.flooding, ls.passed = c.New.Flooding, c.New.ReservedMACs
			ls.router = c.New.Router
		} else {
			ls.vni, ls.overlay, ls.router = 0, false, intent.RouterID{}
		}
	}
}

func (s *site) applyBindings(d *intent.Delta) {
	for _, c := range d.Bindings {
		if c.Old != nil {
			delete(s.change(c.Old.Switch).bindings, c.Key)
			delete(s.bindings, c.Key)
			delete(s.roles, c.Key)
			s.countVLAN(c.Key, -1)
		}
		if c.New != nil {
			s.change(c.New.Switch).bindings[c.Key] = true
			s.bindings[c.Key] = c.New.Switch
			if c.New.Role != intent.Designated {
				s.roles[c.Key] = c.New.Role
			}
			s.countVLAN(c.Key, 1)
		}
	}
	for _, c := range d.Policies {
		if c.New == nil {
			delete(s.policies, c.Key)
		} else {
			s.policies[c.Key] = c.New.ACL
		}
	}
}

// replace makes m what it is after changes.
func replace[K comparable, V any](m map[K]V, changes []intent.Change[K, V]) {
	for _, c := range changes {
		set(m, c.Key, c.New)
	}
}

// set gives a key its value; nil: it has none any more.
func set[K comparable, V any](m map[K]V, key K, value *V) {
	if value == nil {
		delete(m, key)
	} else {
		m[key] = *value
	}
}

func (s *site) countVLAN(at intent.BindingKey, n int) {
	if at.VLAN == 0 {
		return
	}
	if s.vlans[at.Port] += n; s.vlans[at.Port] == 0 {
		delete(s.vlans, at.Port)
	}
}

// sorted returns the switches that are active, in the order of their IDs.
func (s *site) sorted() []*lswitch {
	var all []*lswitch
	for _, ls := range s.switches {
		if ls.active {
			all = append(all, ls)
		}
	}
	slices.SortFunc(all, func(a, b *lswitch) int { return a.id.Compare(b.id) })
	return all
}

// tunnelPort is a tunnel port that a switch needs.
type tunnelPort struct {
	vni    uint32
	remote netip.Addr // valid: for this peer alone, because another switch has the VNI of all others
	blind  bool       // only for sending: no frame has its VNI
}

// tunnelPorts says which tunnel ports each switch needs. Open vSwitch gives a frame that comes
// in to the port with its VNI and its source, else to the one with its VNI for all sources, and
// of these there is one for a VNI. It is of the switch whose own VNI it is, else of the first;
// other switches with peers of the same VNI have ports for each of these.
func (s *site) tunnelPorts() map[intent.SwitchID][]tunnelPort {
	if !s.TunnelIP.IsValid() {
		return nil
	}
	all := s.sorted()
	users := map[uint32][]*lswitch{}
	for _, ls := range all {
		vnis := map[uint32]bool{}
		for t := range ls.decap {
			vnis[t.VNI] = true
		}
		if s.AcceptAnySource && ls.overlay {
			vnis[ls.vni] = true
		}
		for vni := range vnis {
			users[vni] = append(users[vni], ls)
		}
	}
	owner := map[uint32]*lswitch{}
	for vni, list := range users {
		slices.SortFunc(list, func(a, b *lswitch) int { return a.id.Compare(b.id) })
		owner[vni] = list[0]
		for _, ls := range list {
			if ls.overlay && ls.vni == vni {
				owner[vni] = ls
				break
			}
		}
	}
	ports := map[intent.SwitchID][]tunnelPort{}
	for _, ls := range all {
		var list []tunnelPort
		shared := false
		for t := range ls.decap {
			if owner[t.VNI] == ls {
				list = append(list, tunnelPort{vni: t.VNI})
			} else {
				list = append(list, tunnelPort{vni: t.VNI, remote: t.Peer})
				shared = true
			}
		}
		if s.AcceptAnySource && ls.overlay && owner[ls.vni] == ls {
			list = append(list, tunnelPort{vni: ls.vni})
		}
		if shared && !slices.ContainsFunc(list, func(p tunnelPort) bool { return !p.remote.IsValid() }) {
			list = append(list, tunnelPort{blind: true})
		}
		slices.SortFunc(list, tunnelPort.compare)
		if list = slices.Compact(list); len(list) > 0 {
			ports[ls.id] = list
		}
	}
	return ports
}

func (p tunnelPort) compare(q tunnelPort) int {
	if c := p.remote.Compare(q.remote); c != 0 { // those for all peers come first
		return c
	}
	if p.blind != q.blind {
		if p.blind {
			return 1
		}
		return -1
	}
	return int(int64(p.vni) - int64(q.vni))
}
