package ebpf

import (
	"net/netip"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/problem"
)

// Whether a device may be a port. A port's frames all come to the VTEP, whoever else wants
// them: a program at TC ingress sees them before bridges, bonds and the host's stack do. So
// all that speaks against it is asked here, from what the host says of the device.

// fitnessError says why d can't be the device of the port called name, or nil. takeOver is for a
// device that belongs to somebody else and is to be taken away.
func (p *Plane) fitnessError(name string, takeOver bool, d host.Device) error {
	tunnelIP := p.tunnelIPOn(d)
	switch {
	case d.Index == 0:
		return problem.Errorf(problem.MissingDevice, "add it, or remove the port", "no network device named %q", name)
	case !d.Ethernet:
		return problem.Errorf(problem.UnfitDevice, "remove the port", "network device %q has no Ethernet frames", name)
	case d.Name == p.vxlanName():
		return problem.Errorf(problem.UnfitDevice, "remove the port", "network device %q is the end of this VTEP's tunnels", name)
	case tunnelIP.IsValid():
		return problem.Errorf(problem.UnfitDevice, "remove the port, or move the address to another device",
			"network device %q has the tunnel IP %v", name, tunnelIP)
	}
	if err := p.needed(name, d); err != nil {
		return err
	}
	if takeOver {
		return nil
	}
	owner := p.devices.Owner(d)
	if owner == "" {
		owner = p.space.UserspaceOwner(d)
	}
	if owner != "" {
		return problem.Errorf(problem.UnfitDevice, "take it out of there, or set other_config:take_over=true of the Physical_Port",
			"network device %q belongs to %s", name, owner)
	}
	return nil
}

// tunnelIPOn gives the tunnel IP that the device has, if it has one.
func (p *Plane) tunnelIPOn(d host.Device) netip.Addr {
	for _, ip := range p.overlay.All() {
		if p.devices.HasAddr(d.Index, ip) {
			return ip
		}
	}
	return netip.Addr{}
}

// recheckFitness looks again at ports of which the kernel does not tell that somebody has taken them,
// or given them free.
func (p *Plane) recheckFitness() {
	isRead := p.space.IsRead()
	for name, prt := range p.ports {
		if d := p.devices.Named(name); d.Index != 0 && (prt.Device == 0 || isRead(d.Index)) {
			p.portChanged(name)
		}
	}
}
