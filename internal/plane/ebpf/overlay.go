package ebpf

import (
	"errors"
	"fmt"
	"math/bits"
	"net"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// vxlanPort is the UDP port that VXLAN has (RFC 7348, 8); Options may have another one.
const vxlanPort = 4789

// vxlanMTU is so large that the device never refuses what the programs let through; they
// check the size against the route.
const vxlanMTU = 65450

// overlay is the tunnel side: one vxlan device whose programs and metadata say peer and VNI
// of each frame.
type overlay struct {
	intent.TunnelIPs
	anySource bool
	dscp, pcp intent.Priority // of what leaves in tunnels, and with a tag
	fragment  bool            // outside, what is too large for the way to a peer
	groupMark uint32          // the bits of a frame's mark that have its group policy; 0: none
	ifindex   int             // of the vxlan device; 0: none
	strict    bool            // the device refuses frames with reserved bits set (reserved.go)
	err       error           // why there is no device
	underlays map[int]bool    // devices by which peers are reached and that run the short way in
	mtus      map[int]uint32  // least MTU of the routes to peers, by device

	revive  *time.Timer // looks at the device again; nil: none pending
	revived time.Time   // when that was done last
}

// vxlanName is unique for the switch name and fits a device name.
func (p *Plane) vxlanName() string { return "vtep" + hash(p.opts.Name) }

// configureOverlay brings device and settings to what ip and anySource say.
func (p *Plane) configureOverlay(s *intent.State) {
	p.coveredIn = nil
	p.overlay.TunnelIPs, p.overlay.anySource = s.TunnelIPs, s.AcceptAnySource
	p.overlay.dscp, p.overlay.pcp, p.overlay.groupMark = s.TunnelDSCP, s.TagPCP, s.GroupMark
	p.overlay.fragment = s.FragmentOuter
}

// ensureVXLAN makes the vxlan device as it must be and attaches the program to it. An error
// stands in overlay.err; it is tried again with every Apply, when a vxlan device changes or
// goes, and now and then (vxlan.go).
func (p *Plane) ensureVXLAN() {
	p.rerouted = true
	if !p.overlay.Any() {
		p.overlay.ifindex, p.overlay.err = 0, p.removeVXLAN()
		return
	}
	p.overlay.ifindex, p.overlay.err = p.makeVXLAN()
	if p.overlay.err == nil {
		p.overlay.err = p.attached.Attach(p.overlay.ifindex, p.objs.VtepOverlay, true)
	}
	if p.overlay.err != nil {
		p.reviveLater(reviveEvery)
	}
}

// makeVXLAN gives the number of the device. 0 and an error: it is not there, or can't work.
func (p *Plane) makeVXLAN() (int, error) {
	name := p.vxlanName()
	h := p.space.Links
	if p.vrf() < 0 {
		return 0, p.noVRF()
	}
	have, err := p.findVXLAN()
	if err != nil {
		return 0, err
	}
	if have != nil {
		if err := p.attached.ForeignProgram(have.Attrs().Index); err != nil {
			return 0, err
		}
	}
	if have != nil && (!p.isOurs(have) || p.overlay.TunnelIP6.IsValid() && !takesZeroChecksums(have) || hasGroups(have) != (p.overlay.groupMark != 0)) {
		if err := h.LinkDel(have); err != nil {
			return 0, fmt.Errorf("delete device %s, which is not as it must be: %w", name, err)
		}
		have = nil
	}
	if have == nil {
		err := p.space.AddVXLAN(name, vxlanMTU, p.underlay(), p.overlay.groupMark != 0)
		if errors.Is(err, unix.EEXIST) {
			return 0, p.portTaken(err)
		}
		if err != nil {
			return 0, kernel.Explain("add vxlan device "+name, err)
		}
		if have, err = h.LinkByName(name); err != nil {
			return 0, fmt.Errorf("find vxlan device %s: %w", name, err)
		}
		// Without an address of its own the device sends nothing by itself. Where IPv6 is
		// off this fails, and is not needed.
		_ = h.LinkSetIP6AddrGenMode(have, nl6AddrGenNone)
	}
	if err := p.mendVXLAN(have); err != nil {
		return 0, err
	}
	if p.overlay.strict, err = p.space.IsStrict(have.Attrs().Index); err != nil {
		return 0, err
	}
	return have.Attrs().Index, nil
}

const (
	nl6AddrGenNone = 1   // IN6_ADDR_GEN_MODE_NONE
	ifAliasSize    = 256 // IFALIASZ
)

func (p *Plane) isOurs(l netlink.Link) bool {
	v, ok := l.(*netlink.Vxlan)
	return ok && v.FlowBased && v.Port == int(p.opts.Port) && v.VtepDevIndex == max(0, p.vrf()) && !v.Learning
}

// takesZeroChecksums says whether frames of IPv6 tunnels may come without a UDP checksum, as
// of many senders they do (RFC 6935).
func takesZeroChecksums(l netlink.Link) bool { return l.(*netlink.Vxlan).UDP6ZeroCSumRx }

// hasGroups says whether the device knows of group policies, or takes their bits for reserved ones.
func hasGroups(l netlink.Link) bool { return l.(*netlink.Vxlan).GBP }

const ownPlace = "run this VTEP in a network namespace of its own, or with --vxlan-port, which its peers must have, too"

// checkPort refuses to go on where an earlier process has had tunnels by another UDP port, and
// somebody else has the new one: what is there would end for nothing.
func (p *Plane) checkPort() error {
	l, err := p.space.Links.LinkByName(p.vxlanName())
	if err != nil {
		return nil // there is nothing yet
	}
	if v, ok := l.(*netlink.Vxlan); !ok || v.Port == int(p.opts.Port) {
		return nil
	}
	var fd int
	err = p.space.Run(func() (err error) {
		if fd, err = unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		defer unix.Close(fd)
		return unix.Bind(fd, &unix.SockaddrInet4{Port: int(p.opts.Port)})
	})
	if errors.Is(err, unix.EADDRINUSE) {
		return p.portTaken(err)
	}
	return nil
}

// portTaken names who has the VXLAN port.
func (p *Plane) portTaken(cause error) error {
	links, err := p.space.AllLinks()
	if err != nil {
		return fmt.Errorf("UDP port %d is taken: %w", p.opts.Port, cause)
	}
	for _, l := range links {
		v, ok := l.(*netlink.Vxlan)
		// Its own device may be there too, kept down by whoever has the port. One that is
		// down has no port, but it may be of the same kind, of which there can be only one.
		if !ok || v.Port != int(p.opts.Port) || v.Name == p.vxlanName() || v.Flags&net.FlagUp == 0 && !errors.Is(cause, unix.EEXIST) {
			continue
		}
		who, remedy := "", "delete it; or "+ownPlace
		if name, runs, ok := leftBy(v.Name, v.Alias); ok {
			of := ""
			if name != "" {
				of = " (of switch " + problem.Name(name) + ")"
			}
			switch {
			case runs:
				who, remedy = ", of another VTEP in this network namespace"+of, ownPlace
			case name != "" && isLeft(v.Name):
				who = fmt.Sprintf(", which the VTEP of switch %s has left; no process runs it", problem.Name(name))
				remedy = "vtep cleanup " + problem.Argument(name) + " takes it down"
			default:
				who = ", of another VTEP in this network namespace" + of + ", or left by one"
				remedy = "end that one, or take down what it left with vtep cleanup PS-NAME; or " + ownPlace
			}
		}
		return problem.Errorf(problem.UDPPortTaken, remedy, "UDP port %d is taken by vxlan device %s%s: %w", p.opts.Port, v.Name, who, cause)
	}
	return problem.Errorf(problem.UDPPortTaken, "stop it; or "+ownPlace,
		"UDP port %d is taken by another program: %w", p.opts.Port, cause)
}

// removeVXLAN deletes the vxlan device, if there is one. That of a VTEP of the same name with other
// pins has the same name, too, and is left alone.
func (p *Plane) removeVXLAN() error {
	have, err := p.space.Links.LinkByName(p.vxlanName())
	var none netlink.LinkNotFoundError
	if errors.As(err, &none) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("find vxlan device: %w", err)
	}
	if _, ok := have.(*netlink.Vxlan); !ok {
		return nil
	}
	if err := p.attached.ForeignProgram(have.Attrs().Index); err != nil {
		p.log.Warn("the vxlan device is left in place", "device", p.vxlanName(), "err", err)
		return nil
	}
	err = errors.Join(p.attached.UnpinLink(have.Attrs().Index), p.space.Links.LinkDel(have))
	if err != nil {
		return fmt.Errorf("delete vxlan device: %w", err)
	}
	return nil
}

// tunnelError says why no tunnel works, or nil.
func (p *Plane) tunnelError() error {
	switch {
	case !p.overlay.Any() || p.overlay.err != nil:
		return p.overlay.err
	case p.attached.All[p.overlay.ifindex] != nil && p.attached.All[p.overlay.ifindex].Trouble != nil:
		return p.attached.All[p.overlay.ifindex].Trouble
	}
	for _, ip := range p.overlay.All() {
		if !p.local(ip) {
			return p.foreignIP(ip, "there can be no tunnels from it")
		}
	}
	return nil
}

// writeSettings writes the config map if it differs.
func (p *Plane) writeSettings() error {
	s := layout.Settings{NextBD: p.contents.NextBD, Netns: p.space.Inode, Home: p.space.Home, Alive: uint64(p.alive)}
	if p.opts.VRF != "" {
		s.Home = 0 // what comes by other devices than those of the VRF does not find a socket in it
	}
	if p.overlay.Any() && p.overlay.ifindex != 0 {
		s.VXLANIfindex = uint32(p.overlay.ifindex)
		if ip := p.begins(p.overlay.TunnelIP6); ip.IsValid() {
			s.TunnelIP6 = layout.AddressOf(ip)
		}
		if ip := p.begins(p.overlay.TunnelIP); ip.IsValid() {
			s.TunnelIP = layout.IPv4Number(ip)
		}
	}
	if p.overlay.anySource {
		s.Flags |= layout.ConfigAnySource
	}
	if p.directOut() {
		s.Flags |= layout.ConfigDirectEncap
	}
	if p.overlay.strict {
		s.Flags |= layout.ConfigStrict
	}
	if p.directIn() {
		s.Flags |= layout.ConfigDirectDecap
	}
	if p.watched.len() > 0 {
		s.Flags |= layout.ConfigWatched
	}
	if p.noteData {
		s.Flags |= layout.ConfigNoteData
	}
	if p.overlay.fragment {
		s.Flags |= layout.ConfigFragment
	}
	if p.tInterfaces.Want.Len() > 0 {
		s.Flags |= layout.ConfigInterfaces
	}
	if p.whole {
		s.Flags |= layout.ConfigWhole
	}
	if p.overlay.groupMark != 0 {
		s.Flags |= layout.ConfigGBP | uint32(bits.TrailingZeros32(p.overlay.groupMark))<<layout.ConfigGBPShift
	}
	s.Flags |= layout.PriorityFlags(p.overlay.dscp, p.overlay.dscp.Value) << layout.PriorityTunnelShift
	s.Flags |= layout.PriorityFlags(p.overlay.pcp, p.overlay.pcp.Value<<3) << layout.PriorityTagShift
	if s == p.settings {
		return nil
	}
	if err := p.objs.Config.Put(uint32(0), &s); err != nil {
		return fmt.Errorf("write map config: %w", err)
	}
	p.settings = s
	return nil
}

// outerTOS is the TOS that a packet of this machine with that TOS gets in a tunnel: nothing was around
// it before.
func (o *overlay) outerTOS(inner uint8) uint8 {
	switch o.dscp.From {
	case intent.Inner:
		return inner
	case intent.Outer:
		return 0
	}
	return o.dscp.Value << 2
}

// attachUnderlays makes the program of the short way in run on the devices by which peers
// are reached. It is a short cut only, so that a device which refuses it is no error.
func (p *Plane) attachUnderlays() {
	if !p.rerouted {
		return
	}
	p.rerouted, p.native.stale = false, true
	want := map[int]bool{}
	if (p.opts.Direct != DirectOff || p.overlay.strict) && p.overlay.Any() && p.overlay.err == nil {
		for _, pr := range p.contents.Peers {
			if d := p.devices.ByIndex[pr.Device]; d.Ethernet && p.portOf(d.Index) == nil {
				want[d.Index] = true
			}
		}
	}
	for index := range want {
		if p.overlay.underlays[index] {
			continue
		}
		if err := p.attached.Attach(index, p.objs.VtepUnderlay, false); err != nil {
			p.log.Warn("no short way in", "device", p.devices.ByIndex[index].Name, "err", err)
			delete(want, index)
			continue
		}
		p.tDevices.Set(uint32(index), layout.Device{})
	}
	for index := range p.overlay.underlays {
		if !want[index] {
			p.leaving = append(p.leaving, index)
		}
	}
	p.overlay.underlays = want
}
