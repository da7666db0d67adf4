package ebpf

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/problem"
)

// Whether a device may be a port. A port's frames all come to the VTEP, whoever else wants
// them: a program at TC ingress sees them before bridges, bonds and the host's stack do. So
// all that speaks against it is asked here, from what the host says of the device.

// fitnessError says why d can't be the device of the port called name, or nil. takeOver is for a
// device that belongs to somebody else and is to be taken away.
func (p *Plane) fitnessError(name string, takeOver bool, d device) error {
	tunnelIP := p.tunnelIPOn(d)
	switch {
	case d.index == 0:
		return problem.Errorf(problem.MissingDevice, "add it, or remove the port", "no network device named %q", name)
	case !d.ethernet:
		return problem.Errorf(problem.UnfitDevice, "remove the port", "network device %q has no Ethernet frames", name)
	case d.name == p.vxlanName():
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
	owner := p.devices.owner(d)
	if owner == "" {
		owner = p.userspaceOwner(d)
	}
	if owner != "" {
		return problem.Errorf(problem.UnfitDevice, "take it out of there, or set other_config:take_over=true of the Physical_Port",
			"network device %q belongs to %s", name, owner)
	}
	return nil
}

// tunnelIPOn gives the tunnel IP that the device has, if it has one.
func (p *Plane) tunnelIPOn(d device) netip.Addr {
	for _, ip := range p.overlay.All() {
		if _, ok := p.devices.addrs[addrKey{d.index, ip}]; ok {
			return ip
		}
	}
	return netip.Addr{}
}

// stacked are the kinds of devices that take frames from the device below them.
var stacked = []string{"vlan", "macvlan", "macvtap", "ipvlan", "ipvtap", "macsec"}

// owner names who gets the frames of d from the kernel: the device that it is enslaved to, or
// one that is stacked upon it. It is empty if nobody does. A stacked device in another network
// namespace is not seen.
func (d *devices) owner(dev device) string {
	if dev.master != 0 {
		switch m := d.byIndex[dev.master]; m.kind {
		case "":
			return fmt.Sprintf("the device with index %d, as its master", dev.master)
		case "openvswitch":
			return "an Open vSwitch bridge"
		default:
			return fmt.Sprintf("the %s %q", m.kind, m.name)
		}
	}
	var on []string
	for _, o := range d.byIndex {
		if o.below == dev.index {
			on = append(on, fmt.Sprintf("the %s %q upon it", o.kind, o.name))
		}
	}
	if len(on) == 0 {
		return ""
	}
	return slices.Min(on)
}

// userspaceOwner names Open vSwitch if its daemon reads the device with a packet socket, as it
// does in bridges of datapath_type "netdev". The kernel does not know of such bridges: that
// socket is all there is to see, and only for those who share the process id namespace.
func (p *Plane) userspaceOwner(d device) string {
	var sockets map[string]bool
	err := p.space.run(func() error {
		table, err := os.ReadFile("/proc/thread-self/net/packet")
		sockets = packetSockets(string(table), d.index)
		return err
	})
	if err != nil || len(sockets) == 0 {
		return ""
	}
	processes, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range processes {
		if name, err := os.ReadFile(filepath.Join(dir, "comm")); err != nil || string(name) != "ovs-vswitchd\n" {
			continue
		}
		files, _ := os.ReadDir(filepath.Join(dir, "fd"))
		for _, f := range files {
			if to, err := os.Readlink(filepath.Join(dir, "fd", f.Name())); err == nil && sockets[to] {
				return fmt.Sprintf("an Open vSwitch bridge (ovs-vswitchd, process %s, reads it)", filepath.Base(dir))
			}
		}
	}
	return ""
}

// packetSockets gives the sockets of /proc/net/packet that are bound to a device, as links of
// /proc/PID/fd show them.
func packetSockets(table string, ifindex int) map[string]bool {
	sockets := map[string]bool{}
	for line := range strings.Lines(table) {
		// sk RefCnt Type Proto Iface R Rmem User Inode
		if f := strings.Fields(line); len(f) >= 9 && f[4] == strconv.Itoa(ifindex) {
			sockets["socket:["+f[8]+"]"] = true
		}
	}
	return sockets
}

// recheckFitness looks again at ports of which the kernel does not tell that somebody has taken them,
// or given them free.
func (p *Plane) recheckFitness() {
	var table []byte
	_ = p.space.run(func() (err error) {
		table, err = os.ReadFile("/proc/thread-self/net/packet")
		return err
	})
	for name, prt := range p.ports {
		if d := p.devices.named(name); d.index != 0 && (prt.device == 0 || len(packetSockets(string(table), d.index)) > 0) {
			p.portChanged(name)
		}
	}
}
