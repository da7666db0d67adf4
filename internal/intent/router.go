package intent

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
)

// RouterID names a logical router: the UUID of its Logical_Router row.
type RouterID [16]byte

// Compare orders routers by the bytes of their UUIDs.
func (id RouterID) Compare(o RouterID) int { return bytes.Compare(id[:], o[:]) }

// String returns the UUID form.
func (id RouterID) String() string { return SwitchID(id).String() }

// Router is a logical router that has an interface here. Each has addresses and routes of its own,
// which may overlap those of others.
type Router struct {
	Name string // for logs and listings; not an identity
	MAC  MAC    // of all of its interfaces, the same at every VTEP
}

// IPKey is an IP address in a logical switch.
type IPKey struct {
	Switch SwitchID
	IP     netip.Addr
}

// Compare orders addresses by switch, then IP.
func (k IPKey) Compare(o IPKey) int {
	return cmp.Or(k.Switch.Compare(o.Switch), k.IP.Compare(o.IP))
}

// String returns "SWITCH IP".
func (k IPKey) String() string { return k.Switch.String() + " " + k.IP.String() }

// Interface is an address of the router of a switch (Switch.Router) there. The prefix that it makes
// of the address is on the switch: the State has the route.
type Interface struct {
	Bits int   // of the prefix
	ACL  ACLID // of packets that come to the router from its prefix, and that it hands on there; zero: none. See InterfaceACL
}

// RouteKey is a prefix, without host bits, as a router sees it.
type RouteKey struct {
	Router RouterID
	Prefix netip.Prefix
}

// Compare orders routes by router, then prefix.
func (k RouteKey) Compare(o RouteKey) int {
	return cmp.Or(k.Router.Compare(o.Router), k.Prefix.Addr().Compare(o.Prefix.Addr()), cmp.Compare(k.Prefix.Bits(), o.Prefix.Bits()))
}

// String returns "ROUTER PREFIX".
func (k RouteKey) String() string { return k.Router.String() + " " + k.Prefix.String() }

// Route is where packets to a prefix go: into a switch, and there to the next hop, or without a
// valid one to their destination itself. Of several the longest prefix counts. All that a router has are in the
// State, connected ones, too; one whose next hop can't be reached is not.
type Route struct {
	Switch SwitchID
	Via    netip.Addr
}

// InterfaceACL returns the ACL that asks what a router gets from an address of a switch, or hands to one there: of
// the interface whose prefix the address is in or, if it is in none, of any of its family. Of several it is
// that of the lowest address which has one. false: there is none.
func (s *State) InterfaceACL(id SwitchID, ip netip.Addr) (ACLID, bool) {
	near := false // there is an interface whose prefix has it
	var at, any netip.Addr
	for k, i := range s.Interfaces {
		if k.Switch != id || k.IP.Is4() != ip.Is4() {
			continue
		}
		has := netip.PrefixFrom(k.IP, i.Bits).Contains(ip)
		near = near || has
		if i.ACL == (ACLID{}) {
			continue
		}
		if has && (!at.IsValid() || k.IP.Less(at)) {
			at = k.IP
		}
		if !any.IsValid() || k.IP.Less(any) {
			any = k.IP
		}
	}
	if !near {
		at = any
	}
	acl := s.Interfaces[IPKey{id, at}].ACL
	return acl, acl != (ACLID{})
}

func routerText(n names, id RouterID, r Router) string {
	return fmt.Sprintf("router %s mac %v", n.router(id), r.MAC)
}

func checkRouter(_ *State, _ RouterID, r Router) error {
	if r.MAC.IsGroup() || r.MAC.IsZero() {
		return fmt.Errorf("%v is not the address of a station", r.MAC)
	}
	return nil
}

func interfaceText(n names, k IPKey, i Interface) string {
	text := fmt.Sprintf("interface %s %v/%d", n.of(k.Switch), k.IP, i.Bits)
	if i.ACL != (ACLID{}) {
		text += " acl " + n.acl(i.ACL)
	}
	return text
}

func checkInterface(s *State, k IPKey, i Interface) error {
	r := s.Switches[k.Switch].Router
	switch {
	case !has(s.Switches, k.Switch):
		return errors.New("no such switch")
	case !has(s.Routers, r):
		return errors.New("the switch has no router")
	case !k.IP.IsValid() || i.Bits < 1 || i.Bits > k.IP.BitLen():
		return errors.New("no such prefix")
	case i.ACL != (ACLID{}) && !has(s.ACLs, i.ACL):
		return fmt.Errorf("no ACL %v", i.ACL)
	case !has(s.Routes, RouteKey{r, netip.PrefixFrom(k.IP, i.Bits).Masked()}):
		return errors.New("there is no route to its prefix")
	}
	return nil
}

func routeText(n names, k RouteKey, r Route) string {
	text := fmt.Sprintf("route %s %v -> %s", n.router(k.Router), k.Prefix, n.of(r.Switch))
	if r.Via.IsValid() {
		text += " via " + r.Via.String()
	}
	return text
}

func checkRoute(s *State, k RouteKey, r Route) error {
	switch {
	case !has(s.Routers, k.Router):
		return errors.New("no such router")
	case s.Switches[r.Switch].Router != k.Router:
		return errors.New("it leads to a switch that the router is not in")
	case !k.Prefix.IsValid() || k.Prefix.Masked() != k.Prefix:
		return errors.New("no such prefix")
	case r.Via.IsValid() && r.Via.Is4() != k.Prefix.Addr().Is4():
		return errors.New("the next hop is of the other family")
	}
	return nil
}

func neighbourText(n names, k IPKey, mac MAC) string {
	return fmt.Sprintf("neighbour %s %v -> %v", n.of(k.Switch), k.IP, mac)
}

func checkNeighbour(s *State, k IPKey, mac MAC) error {
	switch {
	case !has(s.Switches, k.Switch):
		return errors.New("no such switch")
	case !k.IP.IsValid() || mac.IsGroup() || mac.IsZero():
		return errors.New("not the address of a station")
	case has(s.Interfaces, k):
		return errors.New("it is the router's own address")
	}
	return nil
}
