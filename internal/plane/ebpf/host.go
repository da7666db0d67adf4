package ebpf

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/problem"
)

// What the machine itself needs can be no port: the frames of a port all come to the VTEP, so
// that the machine would be cut off, and what it sends and gets would be a logical switch's.
// Whoever writes Physical_Port rows need not be who may do that; --allow-port says that he is.

// carried says why the machine needs d, or a device that d is a part of, and what would end that.
// Both are empty if it does not.
func (p *Plane) carried(d host.Device) (why, end string) {
	if why, end := p.carries(d); why != "" {
		return "network device " + quoted(d) + " " + why, end
	}
	for _, o := range p.devices.ByIndex {
		if o.Index == d.Master || o.Below == d.Index {
			if why, end := p.carries(o); why != "" {
				return fmt.Sprintf("network device %s is below %s, which %s", quoted(d), quoted(o), why), end
			}
		}
	}
	return "", ""
}

func (p *Plane) carries(d host.Device) (why, end string) {
	var addrs []string
	for k := range p.devices.Addrs {
		if k.Index == d.Index && !k.Addr.IsLinkLocalUnicast() && !k.Addr.IsLoopback() {
			addrs = append(addrs, k.Addr.String())
		}
	}
	switch {
	case p.devices.Defaults[d.Index]:
		return "has the default route of this machine", "move the route to another device"
	case len(addrs) > 0:
		return "has the address " + slices.Min(addrs) + " of this machine, which would not be reached any more",
			"take its addresses away (ip addr flush dev " + problem.Argument(d.Name) + ") and keep DHCP clients and the like off it"
	case p.ways[d.Index]:
		return "is the way of tunnels to other VTEPs", "lead their routes to another device"
	}
	return "", ""
}

func quoted(d host.Device) string { return fmt.Sprintf("%q", d.Name) }

// needed is the error of a port whose device the machine needs.
func (p *Plane) needed(name string, d host.Device) error {
	if slices.Contains(p.opts.AllowPorts, name) {
		return nil
	}
	if why, end := p.carried(d); why != "" {
		return problem.Errorf(problem.NeededDevice,
			end+", or remove the port, or run the VTEP with --allow-port="+problem.Argument(name), "%s", why)
	}
	return nil
}

// defaultsChanged looks at the ports again when a default route has come or gone.
func (p *Plane) defaultsChanged() {
	fresh, err := p.space.Defaults()
	if err != nil {
		p.log.Error("reading the routes failed", "err", err)
		return
	}
	was := p.devices.Defaults
	p.devices.Defaults = fresh
	for _, d := range p.devices.ByIndex {
		if was[d.Index] != p.devices.Defaults[d.Index] {
			p.neededChanged(d)
		}
	}
}

// doubtDefaults has the default routes read again in a moment if the device has one: the kernel
// does not tell of routes that go with the state or the address of their device.
func (p *Plane) doubtDefaults(index int) {
	if p.devices.Defaults[index] {
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
func (p *Plane) neededChanged(d host.Device) {
	p.portChanged(d.Name)
	for _, o := range p.devices.ByIndex {
		if o.Master == d.Index || o.Index == d.Below {
			p.portChanged(o.Name)
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
	for _, pr := range p.contents.Peers {
		if pr.Device != 0 {
			now[pr.Device] = true
		}
	}
	p.ways = now
	p.nameCaptured()
	for index := range now {
		if !was[index] {
			p.neededChanged(p.devices.ByIndex[index])
		}
	}
	for index := range was {
		if !now[index] {
			p.neededChanged(p.devices.ByIndex[index])
		}
	}
}
