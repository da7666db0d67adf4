package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// Routers is a listing of routers that are in force here.
type Routers []Router

// Router is one of them.
type Router struct {
	Name       string            `json:"name"`
	UUID       string            `json:"uuid"`
	MAC        string            `json:"mac"`
	Interfaces []RouterInterface `json:"interfaces"`
	Routes     []RouterRoute     `json:"routes"`
}

// RouterInterface is an address of a router.
type RouterInterface struct {
	Prefix netip.Prefix `json:"prefix"` // with host bits
	Switch string       `json:"logical_switch"`
	ACL    string       `json:"acl,omitempty"`
}

// RouterRoute is where packets to a prefix go.
type RouterRoute struct {
	Prefix netip.Prefix `json:"prefix"`
	Switch string       `json:"logical_switch"`
	Via    string       `json:"via,omitempty"` // the next hop there; "": the destination itself
}

func (all Routers) String() string {
	var b strings.Builder
	lines := 0
	for _, r := range all {
		fmt.Fprintf(&b, "router %s mac %s\n", problem.Name(r.Name), r.MAC)
		for _, i := range r.Interfaces {
			fmt.Fprintf(&b, "  interface %v in %s", i.Prefix, problem.Name(i.Switch))
			if i.ACL != "" {
				b.WriteString(" acl " + problem.Name(i.ACL))
			}
			b.WriteByte('\n')
		}
		for i, route := range r.Routes {
			if lines++; lines > macLines {
				fmt.Fprintf(&b, "  and %d more routes\n", len(r.Routes)-i)
				break
			}
			fmt.Fprintf(&b, "  route %v in %s", route.Prefix, problem.Name(route.Switch))
			if route.Via != "" {
				b.WriteString(" via " + route.Via)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

// Routers lists the router called name, or all if that is "".
func (a *Agent) Routers(ctx context.Context, name string) (Routers, error) {
	return ask(ctx, a, func(context.Context) (Routers, error) {
		s := a.compiler.State()
		byID := map[intent.RouterID]*Router{}
		for id, r := range s.Routers {
			if name == "" || r.Name == name {
				byID[id] = &Router{Name: r.Name, UUID: id.String(), MAC: r.MAC.String(), Interfaces: []RouterInterface{}, Routes: []RouterRoute{}}
			}
		}
		if name != "" && len(byID) == 0 {
			return nil, fmt.Errorf("no router %s has an interface here", problem.Name(name))
		}
		for key, i := range s.Interfaces {
			ls := s.Switches[key.Switch]
			if r := byID[ls.Router]; r != nil {
				r.Interfaces = append(r.Interfaces, RouterInterface{netip.PrefixFrom(key.IP, i.Bits), ls.Name, s.ACLs[i.ACL].Name})
			}
		}
		for key, route := range s.Routes {
			r := byID[key.Router]
			if r == nil {
				continue
			}
			via := ""
			if route.Via.IsValid() {
				via = route.Via.String()
			}
			r.Routes = append(r.Routes, RouterRoute{key.Prefix, s.Switches[route.Switch].Name, via})
		}
		all := Routers{}
		for _, r := range byID {
			slices.SortFunc(r.Interfaces, func(x, y RouterInterface) int {
				return cmp.Or(cmp.Compare(x.Switch, y.Switch), x.Prefix.Addr().Compare(y.Prefix.Addr()))
			})
			slices.SortFunc(r.Routes, func(x, y RouterRoute) int {
				return cmp.Or(x.Prefix.Addr().Compare(y.Prefix.Addr()), cmp.Compare(x.Prefix.Bits(), y.Prefix.Bits()))
			})
			all = append(all, *r)
		}
		slices.SortFunc(all, func(x, y Router) int { return cmp.Or(cmp.Compare(x.Name, y.Name), cmp.Compare(x.UUID, y.UUID)) })
		return all, nil
	})
}

// Neighbors is a listing of those whom routers hand packets to; as text a line each.
type Neighbors []Neighbor

// Neighbor is one of them. Its state is "row" if a row says who has the address, "host" if a host at a
// port said it of itself, or a state of Neighbor Unreachability Detection.
type Neighbor struct {
	Router string     `json:"router"`
	Switch string     `json:"logical_switch"`
	IP     netip.Addr `json:"ip"`
	MAC    string     `json:"mac"` // "": not known
	State  string     `json:"state"`
	Age    *int       `json:"age"` // seconds since the state began, the answer or, of "host", the last frame; nil: of a row
}

func (all Neighbors) String() string {
	var b strings.Builder
	for i, n := range all {
		if i == macLines {
			fmt.Fprintf(&b, "and %d more\n", len(all)-i)
			break
		}
		mac := n.MAC
		if mac == "" {
			mac = "-"
		}
		fmt.Fprintf(&b, "%s %s %v %s %s", problem.Name(n.Router), problem.Name(n.Switch), n.IP, mac, n.State)
		if n.Age != nil {
			fmt.Fprintf(&b, " age %d", *n.Age)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// Neighbors lists those of the router called name, or of all if that is "".
func (a *Agent) Neighbors(ctx context.Context, name string) (Neighbors, error) {
	return ask(ctx, a, func(loop context.Context) (Neighbors, error) {
		a.sweepNow(loop) // for the ages
		now, s := time.Now(), a.compiler.State()
		if name != "" && !slices.ContainsFunc(slices.Collect(maps.Values(s.Routers)), func(r intent.Router) bool { return r.Name == name }) {
			return nil, fmt.Errorf("no router %s has an interface here", problem.Name(name))
		}
		all := Neighbors{}
		add := func(key intent.IPKey, mac intent.MAC, state string, since time.Time) {
			ls := s.Switches[key.Switch]
			r, routed := s.Routers[ls.Router]
			if !routed || name != "" && r.Name != name {
				return
			}
			n := Neighbor{Router: r.Name, Switch: ls.Name, IP: key.IP, State: state}
			if !mac.IsZero() {
				n.MAC = mac.String()
			}
			if !since.IsZero() {
				age := max(0, int(now.Sub(since).Seconds()))
				n.Age = &age
			}
			all = append(all, n)
		}
		for n := range a.neighbors.All() {
			add(n.Key, n.MAC, n.State.String(), n.Since)
		}
		for key, mac := range s.Neighbours {
			if _, _, asked := a.neighbors.Get(key); asked {
				continue
			}
			if a.compiler.KnownByRow(key) {
				add(key, mac, "row", time.Time{})
			} else {
				add(key, mac, "host", a.table.Seen(intent.MACKey{Switch: key.Switch, MAC: mac}))
			}
		}
		slices.SortFunc(all, func(x, y Neighbor) int {
			return cmp.Or(cmp.Compare(x.Router, y.Router), cmp.Compare(x.Switch, y.Switch), x.IP.Compare(y.IP))
		})
		return all, nil
	})
}
