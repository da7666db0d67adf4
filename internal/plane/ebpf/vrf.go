package ebpf

import (
	"fmt"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/problem"
)

// The underlay may be in a VRF: the vxlan device then has the VRF's device below it, which binds its
// sockets there, and routes are asked for in the table of the VRF. Programs on the devices of the
// VRF see packets before it does.

// underlay is how VXLAN packets travel.
type underlay struct {
	port uint16 // UDP
	vrf  int    // ifindex; 0: none, -1: it is not there
	name string // of the VRF
}

func (p *Plane) underlay() underlay { return underlay{p.opts.Port, p.vrf(), p.opts.VRF} }

// vrf gives the ifindex of the VRF of the underlay; 0: there is to be none, -1: it is not there.
func (p *Plane) vrf() int {
	if p.opts.VRF == "" {
		return 0
	}
	if d := p.devices.named(p.opts.VRF); d.kind == "vrf" {
		return d.index
	}
	return -1
}

func (p *Plane) noVRF() error {
	name := problem.Argument(p.opts.VRF)
	if d := p.devices.named(p.opts.VRF); d.index != 0 {
		return problem.Errorf(problem.NoVRF, "name a VRF with --underlay-vrf", "network device %s is no VRF: there can be no tunnels", problem.Name(p.opts.VRF))
	}
	return problem.Errorf(problem.NoVRF, "ip link add "+name+" type vrf table TABLE, or name another one with --underlay-vrf",
		"there is no VRF %s, which the underlay is to be in: there can be no tunnels", problem.Name(p.opts.VRF))
}

// local says whether the ip is an address of the host, of the VRF of the underlay if there is one.
func (p *Plane) local(ip netip.Addr) bool {
	vrf := p.vrf()
	if vrf == 0 {
		return p.devices.local(ip)
	}
	for k := range p.devices.addrs {
		if k.addr == ip && (k.index == vrf || p.devices.byIndex[k.index].master == vrf) {
			return true
		}
	}
	return false
}

// vrfChanged looks at the tunnels again when the VRF comes.
func (p *Plane) vrfChanged(d device) {
	if d.name == p.opts.VRF && p.overlay.err != nil {
		p.reviveVXLAN("", false)
	}
}

// strangeVRF names a VRF that a tunnel IP is in, where tunnels are in none; "": there is none.
func (p *Plane) strangeVRF() (vrf string, ip netip.Addr) {
	if p.opts.VRF != "" {
		return "", ip
	}
	for k := range p.devices.addrs {
		d := p.devices.byIndex[k.index]
		if d.kind != "vrf" {
			d = p.devices.byIndex[d.master]
		}
		if d.kind == "vrf" && p.overlay.Source(k.addr) == k.addr {
			return d.name, k.addr
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

// bind has a socket use the VRF.
func (u underlay) bind(fd int) error {
	if u.name == "" {
		return nil
	}
	if err := unix.SetsockoptString(fd, unix.SOL_SOCKET, unix.SO_BINDTODEVICE, u.name); err != nil {
		return fmt.Errorf("use VRF %s: %w", problem.Name(u.name), err)
	}
	return nil
}
