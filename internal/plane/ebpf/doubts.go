package ebpf

import (
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/problem"
)

// tunnelRoom is what a tunnel adds to a frame as the MTU of the underlay counts: the frame's own
// Ethernet header, IPv4, UDP, VXLAN.
const tunnelRoom = 14 + 20 + 8 + 8

// doubts says what works, but hardly as it was meant.
func (p *Plane) doubts() []problem.Problem {
	var list []problem.Problem
	var widest *port // of those with bindings
	for name, prt := range p.ports {
		d := p.devices.ByIndex[prt.Device]
		if d.Index == 0 {
			continue
		}
		if !d.Up {
			list = append(list, problem.Problem{
				Kind: problem.PortDown, Object: problem.Port(name), Text: "its network device has no link: it is set down, or has no carrier",
				Remedy: "ip link set " + problem.Argument(name) + " up, and see to its other end"})
		}
		if a := p.attached.All[prt.Device]; a != nil && !a.Restored.IsZero() {
			// No fault: whoever sets the device up the old way clears what was set since he looked.
			list = append(list, problem.Problem{
				Kind: problem.Disturbed, Object: problem.Port(name), Text: "somebody has cleared the promiscuous mode of its network device; it has been set again",
				Remedy: "find out who did it, if that comes again"})
		}
		if len(prt.Bindings) == 0 {
			continue
		}
		if widest == nil || prt.MTU > widest.MTU || prt.MTU == widest.MTU && name < widest.Name {
			widest = prt
		}
		if d.Kind == "vlan" && len(prt.Bindings) > 1 || d.Kind == "vlan" && prt.Bindings[0] == nil {
			list = append(list, problem.Problem{
				Kind: problem.VLANDevice, Object: problem.Port(name),
				Text:   "its network device is a VLAN already: the tags of its bindings are put inside the tag of that one",
				Remedy: "bind VLAN 0, or take the device below it as the port"})
		}
	}
	becomes := "dropped"
	if p.overlay.fragment {
		becomes = "dropped, or fragmented where their sender is not told"
	}
	for index, mtu := range p.overlay.mtus {
		if widest == nil || mtu == 0 || mtu >= widest.MTU+tunnelRoom {
			continue
		}
		need := widest.MTU + tunnelRoom
		name := p.devices.ByIndex[index].Name
		list = append(list, problem.Problem{
			Kind: problem.SmallMTU, Object: problem.Device(name),
			Text: fmt.Sprintf("by it tunnels take packets of %d bytes, but port %s (MTU %d) may send what needs %d: larger frames are %s",
				mtu, problem.Name(widest.Name), widest.MTU, need, becomes),
			Remedy: fmt.Sprintf("ip link set %s mtu %d, and as much on the way to the peers; or give the hosts the MTU %d",
				problem.Argument(name), need, max(int(mtu)-tunnelRoom, 0))})
	}
	list = append(list, p.attachingProblem()...)
	list = append(list, p.vrfProblem()...)
	list = append(list, p.endProblems()...)
	list = append(list, p.policyProblems()...)
	list = append(list, p.firewallProblem()...)
	list = append(list, p.nativeProblems()...)
	list = append(list, p.watchedProblem()...)
	list = append(list, p.bfdProblems()...)
	list = append(list, p.ringProblems()...)
	slices.SortFunc(list, problem.Problem.Compare)
	return list
}

// measureUnderlays notes the least MTU of the routes to peers, by device.
func (p *Plane) measureUnderlays() {
	if !p.rerouted {
		return
	}
	mtus := map[int]uint32{}
	for _, pr := range p.contents.Peers {
		if pr.Device == 0 {
			continue
		}
		mtu := p.tPeers.Want.Get(pr.Number).MTU
		if least, ok := mtus[pr.Device]; !ok || mtu < least {
			mtus[pr.Device] = mtu
		}
	}
	p.overlay.mtus = mtus
}
