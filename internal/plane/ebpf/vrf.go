package ebpf

import (
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/problem"
)

// The underlay may be in a VRF: the vxlan device then has the VRF's device below it, which binds its
// sockets there, and routes are asked for in the table of the VRF. Programs on the devices of the
// VRF see packets before it does.

func (p *Plane) underlay() host.Underlay {
	return host.Underlay{Port: p.opts.Port, VRF: p.vrf(), Name: p.opts.VRF}
}

// vrf gives the ifindex of the VRF of the underlay; 0: there is to be none, -1: it is not there.
func (p *Plane) vrf() int {
	if p.opts.VRF == "" {
		return 0
	}
	if d := p.devices.Named(p.opts.VRF); d.Kind == "vrf" {
		return d.Index
	}
	return -1
}

func (p *Plane) noVRF() error {
	name := problem.Argument(p.opts.VRF)
	if d := p.devices.Named(p.opts.VRF); d.Index != 0 {
		return problem.Errorf(problem.NoVRF, "name a VRF with --underlay-vrf", "network device %s is no VRF: there can be no tunnels", problem.Name(p.opts.VRF))
	}
	return problem.Errorf(problem.NoVRF, "ip link add "+name+" type vrf table TABLE, or name another one with --underlay-vrf",
		"there is no VRF %s, which the underlay is to be in: there can be no tunnels", problem.Name(p.opts.VRF))
}

// local says whether the ip is an address of the host, of the VRF of the underlay if there is one.
func (p *Plane) local(ip netip.Addr) bool {
	vrf := p.vrf()
	if vrf == 0 {
		return p.devices.Local(ip)
	}
	for k := range p.devices.Addrs {
		if k.Addr == ip && (k.Index == vrf || p.devices.ByIndex[k.Index].Master == vrf) {
			return true
		}
	}
	return false
}

// vrfChanged looks at the tunnels again when the VRF comes.
func (p *Plane) vrfChanged(d host.Device) {
	if d.Name == p.opts.VRF && p.overlay.err != nil {
		p.reviveVXLAN("", false)
	}
}

// strangeVRF names a VRF that a tunnel IP is in, where tunnels are in none; "": there is none.
func (p *Plane) strangeVRF() (vrf string, ip netip.Addr) {
	if p.opts.VRF != "" {
		return "", ip
	}
	for k := range p.devices.Addrs {
		d := p.devices.ByIndex[k.Index]
		if d.Kind != "vrf" {
			d = p.devices.ByIndex[d.Master]
		}
		if d.Kind == "vrf" && p.overlay.Source(k.Addr) == k.Addr {
			return d.Name, k.Addr
		}
	}
	return "", ip
}

// vrfProblem tells of a tunnel IP in a VRF that tunnels are not in.
func (p *Plane) vrfProblem() []problem.Problem {
	name, ip := p.strangeVRF()
	if name == "" {
		return nil
	}
	return []problem.Problem{{
		Kind: problem.StrangeVRF, Object: problem.Device(name),
		Text:   fmt.Sprintf("tunnel IP %v is in this VRF, and tunnels are in none: they take other routes, and packets that come by it may not be theirs", ip),
		Remedy: "start with --underlay-vrf=" + problem.Argument(name)}}
}
