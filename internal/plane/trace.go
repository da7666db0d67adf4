package plane

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// Tracer is a Plane that tells what it has installed, entry by entry, and so what would become of a
// frame. It may be asked by any goroutine.
type Tracer interface {
	// ReadEntry puts into what is found of an entry in the dataplane itself, not in what the plane
	// has been told: nothing, where there is none.
	ReadEntry(ctx context.Context, into *Installed, e Entry) error
}

// Rehearser is a Tracer whose dataplane can take a frame as if it had come in, and say what it would
// do, without doing it.
type Rehearser interface {
	Tracer

	// Rehearse has the dataplane decide about a frame. Nothing leaves, is counted, or learned. seen are
	// the entries that the frame depends on.
	Rehearse(ctx context.Context, frame Arriving, seen []Entry) (Rehearsal, error)
}

// ErrNoRehearsal is returned for a frame that can't be rehearsed, for its size or the number of its copies.
var ErrNoRehearsal = errors.New("it can't be rehearsed")

// Arriving is a frame that comes in: at a port, or by a tunnel if it has no Port.
type Arriving struct {
	Port   string
	Tunnel intent.Tunnel
	TOS    uint8  // of the outer IP header in a tunnel
	Frame  []byte // as on the wire of the port; in a tunnel, the inner frame
}

// Teller is a Plane whose switch says itself, in words of its own, what would become of a frame. Nothing is sent or
// learned.
type Teller interface {
	Tell(context.Context, Arriving) (string, error)
}

// Rehearsal is what the dataplane would do with a frame.
type Rehearsal struct {
	Copies []Copy
	Drops  []string // reasons, as in Stats.Drops: of the frame, or of copies of it
	Way    string   // by what of the dataplane
}

// Copy is one that leaves.
type Copy struct {
	Port   string        // "": by Tunnel
	Tunnel intent.Tunnel // the VTEP it goes to, and the VNI
	TOS    uint8         // of the outer IP header in a tunnel
	Frame  []byte        // as on the wire of the port; in a tunnel, the inner frame
}

// EntryKind is of which table an Entry is.
type EntryKind string

// The kinds. What an Entry of each is known by stands behind it.
const (
	EntryPort      EntryKind = "port"      // At.Port
	EntryBinding   EntryKind = "binding"   // At; with its switch, and its ACL
	EntrySwitch    EntryKind = "switch"    // Switch; all bindings of it
	EntrySegment   EntryKind = "segment"   // At.Port; whether IP is one of its VTEPs
	EntryUnicast   EntryKind = "unicast"   // Switch, MAC: by a tunnel, or at a binding
	EntryLearned   EntryKind = "learned"   // Switch, MAC
	EntryFlood     EntryKind = "flood"     // Switch, MAC
	EntryMembers   EntryKind = "members"   // Switch, MAC
	EntryDecap     EntryKind = "decap"     // Tunnel
	EntryInterface EntryKind = "interface" // Switch, IP
	EntryRoute     EntryKind = "route"     // Router, IP: the longest prefix that has it
	EntryNeighbour EntryKind = "neighbour" // Switch, IP
	EntryGuard     EntryKind = "guard"     // Switch, IP: the ACL of the router's interface next to it
	EntryWay       EntryKind = "way"       // IP of a peer
)

// Entry names an entry of a table of forwarding.
type Entry struct {
	Kind   EntryKind
	At     intent.BindingKey
	Switch intent.SwitchID
	MAC    intent.MAC
	Tunnel intent.Tunnel
	Router intent.RouterID
	IP     netip.Addr
}

// Installed is a part of what is installed: of the entries that were asked for.
type Installed struct {
	*intent.State

	Devices   map[string]bool // of ports, that are there
	MTU       map[string]int  // of these; none: there is no limit
	Tagged    map[string]bool // ports that have bindings with a VLAN
	Learned   map[intent.MACKey]intent.BindingKey
	AnySource map[uint32]intent.SwitchID // who gets the frames of a VNI of peers that no Decap has
	Own       map[RouterIP]bool          // addresses of routers, in whatever switch
	Guards    map[intent.IPKey]intent.ACLID
	Ways      map[netip.Addr]Way // to peers
	NoTunnels bool               // there can be none
	Problems  []string           // what is wrong with what was asked for
}

// RouterIP is an address as a router sees it.
type RouterIP struct {
	Router intent.RouterID
	IP     netip.Addr
}

// Way is how packets get to a peer.
type Way struct {
	Source  netip.Addr
	Device  string // "": only the kernel's own lookup tells, when a packet is sent
	NextHop netip.Addr
	MTU     int    // 0: not known
	Short   bool   // simple frames go past the kernel's VXLAN device
	Problem string // why nothing gets there; "": nothing is known to be wrong
}

// NewInstalled returns one of no entries.
func NewInstalled() *Installed {
	return &Installed{
		State: intent.NewState(), Devices: map[string]bool{}, MTU: map[string]int{}, Tagged: map[string]bool{},
		Learned: map[intent.MACKey]intent.BindingKey{}, AnySource: map[uint32]intent.SwitchID{},
		Own: map[RouterIP]bool{}, Guards: map[intent.IPKey]intent.ACLID{}, Ways: map[netip.Addr]Way{},
	}
}

// Take puts what a State has of an entry into i. What no State has is left as it is.
func (i *Installed) Take(from *intent.State, e Entry) {
	i.Scalars = from.Scalars
	switch e.Kind {
	case EntryPort:
		if p, ok := from.Ports[e.At.Port]; ok {
			i.Ports[e.At.Port] = p
		}
	case EntryBinding:
		i.takeBinding(from, e.At)
	case EntrySwitch:
		i.takeSwitch(from, e.Switch)
		for at, b := range from.Bindings {
			if b.Switch == e.Switch {
				i.takeBinding(from, at)
			}
		}
	case EntryUnicast:
		key := intent.MACKey{Switch: e.Switch, MAC: e.MAC}
		if t, ok := from.Unicast.Get(key); ok {
			i.Unicast.Set(key, t)
		}
		if at, ok := from.Attached[key]; ok {
			i.Attached[key] = at
			i.takeBinding(from, at)
		}
	case EntrySegment:
		if slices.Contains(from.Segments[e.At.Port], e.IP) {
			i.Segments[e.At.Port] = intent.Segment{e.IP}
		}
	case EntryFlood:
		take(i.Floods, from.Floods, intent.MACKey{Switch: e.Switch, MAC: e.MAC})
	case EntryMembers:
		take(i.Members, from.Members, intent.MACKey{Switch: e.Switch, MAC: e.MAC})
	case EntryDecap:
		id, ok := from.Decap.Get(e.Tunnel)
		if ok {
			i.Decap.Set(e.Tunnel, id)
		}
		if !ok && from.AcceptAnySource {
			for of, ls := range from.Switches {
				if ls.OverlayUp() && ls.VNI == e.Tunnel.VNI {
					i.AnySource[ls.VNI], id, ok = of, of, true
				}
			}
		}
		if ok {
			i.takeSwitch(from, id)
		}
	case EntryInterface:
		take(i.Interfaces, from.Interfaces, intent.IPKey{Switch: e.Switch, IP: e.IP})
	case EntryRoute:
		for bits := e.IP.BitLen(); bits >= 0; bits-- {
			key := intent.RouteKey{Router: e.Router, Prefix: netip.PrefixFrom(e.IP, bits).Masked()}
			if way, ok := from.Routes[key]; ok {
				i.Routes[key] = way
				i.takeSwitch(from, way.Switch)
				break
			}
		}
		for key := range from.Interfaces {
			if key.IP == e.IP && from.Switches[key.Switch].Router == e.Router {
				i.Own[RouterIP{e.Router, e.IP}] = true
			}
		}
	case EntryGuard:
		if id, ok := from.InterfaceACL(e.Switch, e.IP); ok {
			i.Guards[intent.IPKey{Switch: e.Switch, IP: e.IP}] = id
			take(i.ACLs, from.ACLs, id)
		}
	case EntryNeighbour:
		take(i.Neighbours, from.Neighbours, intent.IPKey{Switch: e.Switch, IP: e.IP})
	}
}

func (i *Installed) takeBinding(from *intent.State, at intent.BindingKey) {
	b, ok := from.Bindings[at]
	if !ok {
		return
	}
	i.Bindings[at] = b
	take(i.Ports, from.Ports, at.Port)
	if p, ok := from.Policies[at]; ok {
		i.Policies[at] = p
		take(i.ACLs, from.ACLs, p.ACL)
	}
	i.takeSwitch(from, b.Switch)
}

// takeSwitch takes a switch, and its router with the addresses that it has there.
func (i *Installed) takeSwitch(from *intent.State, id intent.SwitchID) {
	ls, ok := from.Switches[id]
	if !ok {
		return
	}
	if _, done := i.Switches[id]; done {
		return
	}
	i.Switches[id] = ls
	if ls.Router == (intent.RouterID{}) {
		return
	}
	take(i.Routers, from.Routers, ls.Router)
	for key, is := range from.Interfaces {
		if key.Switch == id {
			i.Interfaces[key] = is
		}
	}
}

func take[K comparable, V any](into, from map[K]V, key K) {
	if v, ok := from[key]; ok {
		into[key] = v
	}
}

// Text says what i has of an entry, in words that are equal where forwarding is; "": nothing.
func (i *Installed) Text(e Entry) string {
	key := intent.MACKey{Switch: e.Switch, MAC: e.MAC}
	switch e.Kind {
	case EntryPort:
		if _, ok := i.Ports[e.At.Port]; ok {
			return "is a port"
		}
	case EntryBinding:
		return i.bindingText(e.At)
	case EntrySwitch:
		return i.switchText(e.Switch)
	case EntryUnicast:
		if t, ok := i.Unicast.Get(key); ok {
			return t.String()
		}
		if at, ok := i.Attached[key]; ok {
			return "at " + at.String()
		}
	case EntrySegment:
		if slices.Contains(i.Segments[e.At.Port], e.IP) {
			return "is attached, too"
		}
	case EntryFlood:
		if set, ok := i.Floods[key]; ok {
			return fmt.Sprint([]intent.Tunnel(set))
		}
	case EntryMembers:
		if set, ok := i.Members[key]; ok {
			return fmt.Sprint([]intent.BindingKey(set))
		}
	case EntryDecap:
		if id, ok := i.Decap.Get(e.Tunnel); ok {
			return "enters " + id.String()
		}
		if id, ok := i.AnySource[e.Tunnel.VNI]; ok {
			return "enters " + id.String() + " from any source"
		}
	case EntryInterface:
		if _, ok := i.Interfaces[intent.IPKey{Switch: e.Switch, IP: e.IP}]; ok {
			return "is the router's"
		}
	case EntryRoute:
		return i.routeText(e)
	case EntryGuard:
		if id, ok := i.Guards[intent.IPKey{Switch: e.Switch, IP: e.IP}]; ok {
			return i.aclText(id)
		}
	case EntryNeighbour:
		if mac, ok := i.Neighbours[intent.IPKey{Switch: e.Switch, IP: e.IP}]; ok {
			return mac.String()
		}
	}
	return ""
}

func (i *Installed) bindingText(at intent.BindingKey) string {
	b, ok := i.Bindings[at]
	if !ok {
		return ""
	}
	text := "is in " + b.Switch.String()
	if b.Role != intent.Designated {
		text += ", " + b.Role.String()
	}
	if p, ok := i.Policies[at]; ok {
		text += " with " + i.aclText(p.ACL)
	}
	return text
}

func (i *Installed) aclText(id intent.ACLID) string {
	text := "ACL " + id.String()
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		for _, e := range i.ACLs[id].Entries(d) {
			text += fmt.Sprintf("; %v %v", d, e)
		}
	}
	return text
}

func (i *Installed) switchText(id intent.SwitchID) string {
	var all []intent.BindingKey
	for at, b := range i.Bindings {
		if b.Switch == id {
			all = append(all, at)
		}
	}
	slices.SortFunc(all, intent.BindingKey.Compare)
	ls, ok := i.Switches[id]
	if !ok && len(all) == 0 {
		return ""
	}
	text := fmt.Sprint(all, ls.SwitchOptions)
	if ls.Router != (intent.RouterID{}) {
		text += " router " + ls.Router.String()
	}
	return text
}

func (i *Installed) routeText(e Entry) string {
	if i.Own[RouterIP{e.Router, e.IP}] {
		return "is the router's own"
	}
	if key, way, ok := i.Route(e.Router, e.IP); ok {
		text := key.Prefix.String() + " in " + way.Switch.String()
		if way.Via.IsValid() {
			text += " via " + way.Via.String()
		}
		return text
	}
	return ""
}

// Route finds the longest prefix of a router that an address is in.
func (i *Installed) Route(r intent.RouterID, ip netip.Addr) (intent.RouteKey, intent.Route, bool) {
	for bits := ip.BitLen(); bits >= 0; bits-- {
		key := intent.RouteKey{Router: r, Prefix: netip.PrefixFrom(ip, bits).Masked()}
		if way, ok := i.Routes[key]; ok {
			return key, way, true
		}
	}
	return intent.RouteKey{}, intent.Route{}, false
}
