package ebpf

import (
	"fmt"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// What the machine itself needs can be no port: the frames of a port all come to the VTEP, so
// that the machine would be cut off, and what it sends and gets would be a logical switch's.
// Whoever writes Physical_Port rows need not be who may do that; --allow-port says that he is.

// carried says why the machine needs d, or a device that d is a part of, and what would end that.
// Both are empty if it does not.
func (p *Plane) carried(d device) (why, end string) {
	if why, end := p.carries(d); why != "" {
		return "network device " + quoted(d) + " " + why, end
	}
	for _, o := range p.devices.byIndex {
		if o.index == d.master || o.below == d.index {
			if why, end := p.carries(o); why != "" {
				return fmt.Sprintf("network device %s is below %s, which %s", quoted(d), quoted(o), why), end
			}
		}
	}
	return "", ""
}

func (p *Plane) carries(d device) (why, end string) {
	var addrs []string
	for k := range p.devices.addrs {
		if k.index == d.index && !k.addr.IsLinkLocalUnicast() && !k.addr.IsLoopback() {
			addrs = append(addrs, k.addr.String())
		}
	}
	switch {
	case p.devices.defaults[d.index]:
		return "has the default route of this machine", "move the route to another device"
	case len(addrs) > 0:
		return "has the address " + slices.Min(addrs) + " of this machine, which would not be reached any more",
			"take its addresses away (ip addr flush dev " + problem.Argument(d.name) + ") and keep DHCP clients and the like off it"
	case p.ways[d.index]:
		return "is the way of tunnels to other VTEPs", "lead their routes to another device"
	}
	return "", ""
}

func quoted(d device) string { return fmt.Sprintf("%q", d.name) }

// needed is the error of a port whose device the machine needs.
func (p *Plane) needed(name string, d device) error {
	if slices.Contains(p.opts.AllowPorts, name) {
		return nil
	}
	if why, end := p.carried(d); why != "" {
		return problem.Errorf(problem.NeededDevice,
			end+", or remove the port, or run the VTEP with --allow-port="+problem.Argument(name), "%s", why)
	}
	return nil
}

// loadDefaults finds the devices of default routes, in whatever routing table.
func (p *Plane) loadDefaults() error {
	fresh := map[int]bool{}
	for _, family := range []int{netlink.FAMILY_V4, netlink.FAMILY_V6} {
		take := func(r netlink.Route) bool {
			if r.Dst != nil {
				if ones, _ := r.Dst.Mask.Size(); ones != 0 {
					return true
				}
			}
			if r.Type == unix.RTN_UNICAST {
				fresh[r.LinkIndex] = true
				for _, hop := range r.MultiPath {
					fresh[hop.LinkIndex] = true
				}
			}
			return true
		}
		every := &netlink.Route{Table: unix.RT_TABLE_UNSPEC}
		if err := p.space.links.RouteListFilteredIter(family, every, netlink.RT_FILTER_TABLE, take); err != nil {
			return fmt.Errorf("list routes: %w", err)
		}
	}
	delete(fresh, 0)
	p.devices.defaults = fresh
	return nil
}

// isDefault says whether a route message speaks of a default route.
func isDefault(b []byte) bool { return len(b) >= unix.SizeofRtMsg && b[1] == 0 }

// defaultsChanged looks at the ports again when a default route has come or gone.
func (p *Plane) defaultsChanged() {
	was := p.devices.defaults
	if err := p.loadDefaults(); err != nil {
		p.log.Error("reading the routes failed", "err", err)
		return
	}
	for _, d := range p.devices.byIndex {
		if was[d.index] != p.devices.defaults[d.index] {
			p.neededChanged(d)
		}
	}
}

// doubtDefaults has the default routes read again in a moment if the device has one: the kernel
// does not tell of routes that go with the state or the address of their device.
func (p *Plane) doubtDefaults(index int) {
	if p.devices.defaults[index] {
		p.defaultsDoubt = true
		p.scheduleReroute()
	}
}

func (p *Plane) reviewDefaults() {
	if p.defaultsDoubt {
		p.defaultsDoubt = false
		p.defaultsChanged()
	}
}

// neededChanged looks again at the ports that d is, or is above.
func (p *Plane) neededChanged(d device) {
	p.portChanged(d.name)
	for _, o := range p.devices.byIndex {
		if o.master == d.index || o.index == d.below {
			p.portChanged(o.name)
		}
	}
}

// updateWays finds the devices by which peers are reached, and looks again at the ports that
// this concerns.
func (p *Plane) updateWays() {
	if !p.rerouted {
		return
	}
	was, now := p.ways, map[int]bool{}
	for _, pr := range p.peers {
		if pr.device != 0 {
			now[pr.device] = true
		}
	}
	p.ways = now
	for index := range now {
		if !was[index] {
			p.neededChanged(p.devices.byIndex[index])
		}
	}
	for index := range was {
		if !now[index] {
			p.neededChanged(p.devices.byIndex[index])
		}
	}
}
