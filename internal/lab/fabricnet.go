package lab

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"unsafe"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// vxlanPort is the UDP port of VXLAN.
const vxlanPort = 4789

// loopbackPrefix finds addresses of the loopback device for n VTEPs, that nobody uses: labs of the
// memory plane may be there at once, of several users.
func loopbackPrefix(n int) (netip.Addr, error) {
	var last error
	for range 100 {
		a := [4]byte{127, byte(64 + rand.IntN(128)), byte(rand.IntN(256)), 0}
		if last = loopbackFree(a, n); last == nil {
			return netip.AddrFrom4(a), nil
		}
	}
	return netip.Addr{}, fmt.Errorf("find free addresses of the loopback device for tunnels: %w", last)
}

func loopbackFree(a [4]byte, n int) error {
	for i := range n {
		a[3] = byte(i + 1)
		conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: a[:], Port: vxlanPort})
		if err != nil {
			return err
		}
		conn.Close()
	}
	return nil
}

// wireUp makes the namespaces and the cables.
func (f *Fabric) wireUp() error {
	if err := f.makeNodes(); err != nil {
		return err
	}
	err := f.spaces[netNode].Links(func(h *netlink.Handle) error {
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "underlay", MTU: underlayMTU}}
		if err := h.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add the underlay (the kernel needs CONFIG_BRIDGE): %w", err)
		}
		return up(h, bridge.Name)
	})
	if err != nil {
		return err
	}
	for _, m := range f.Members {
		if err := f.addWire(wire{netNode, Node(m.Name), m.Name, "u0", underlayMTU}); err != nil {
			return fmt.Errorf("wire %s to the underlay: %w", m.Name, err)
		}
		err := f.spaces[netNode].Links(func(h *netlink.Handle) error { return enslave(h, m.Name, "underlay") })
		if err == nil && (m.Peer || f.Options.Plane != "ovs") { // a bridge of Open vSwitch gets it
			err = f.address(Node(m.Name), "u0", m.IP.String()+"/24", nil)
		}
		if err != nil {
			return err
		}
	}
	for i := range f.Hosts {
		h, err := f.Host(f.Hosts[i].Name)
		if err != nil {
			return err
		}
		if err := f.addWire(wire{Node(h.Name), Node(h.At), "eth0", h.Name, hostMTU}); err != nil {
			return fmt.Errorf("wire %s to %s: %w", h.Name, h.At, err)
		}
		if err := f.address(Node(h.Name), "eth0", h.IP.String()+"/15", h.mac); err != nil {
			return err
		}
	}
	if f.Options.Plane == "ovs" {
		if err := f.checksum(); err != nil {
			return err
		}
	}
	for _, m := range f.Members[f.Options.VTEPs:] {
		for _, ls := range f.switches() {
			if err := f.addBridge(m, ls); err != nil {
				return fmt.Errorf("peer %s, %s: %w", m.Name, ls, err)
			}
		}
	}
	return nil
}

func enslave(h *netlink.Handle, device, bridge string) error {
	link, err := h.LinkByName(device)
	if err != nil {
		return err
	}
	master, err := h.LinkByName(bridge)
	if err != nil {
		return err
	}
	if err := h.LinkSetMaster(link, master); err != nil {
		return fmt.Errorf("put %s into %s: %w", device, bridge, err)
	}
	return nil
}

// addBridge makes the VTEP of a peer in one network: the kernel's vxlan device in a bridge with the ports of
// its hosts. It floods to all members what it does not know, and learns by itself who is behind them.
func (f *Fabric) addBridge(peer Member, ls string) error {
	return f.spaces[Node(peer.Name)].Links(func(h *netlink.Handle) error {
		underlay, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		vni := f.vni(ls)
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("br%d", vni)}}
		vxlan := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("vx%d", vni), MTU: hostMTU}, VxlanId: vni,
			VtepDevIndex: underlay.Attrs().Index, SrcAddr: peer.IP.AsSlice(), Port: vxlanPort, Learning: true}
		if err := errors.Join(h.LinkAdd(bridge), h.LinkAdd(vxlan)); err != nil {
			return fmt.Errorf("add %s and %s (the kernel needs CONFIG_BRIDGE and CONFIG_VXLAN): %w", bridge.Name, vxlan.Name, err)
		}
		for _, m := range f.Members {
			if m.Name == peer.Name {
				continue
			}
			err := h.NeighAppend(&netlink.Neigh{LinkIndex: vxlan.Index, Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT | netlink.NUD_NOARP,
				Flags: netlink.NTF_SELF, IP: m.IP.AsSlice(), HardwareAddr: make(net.HardwareAddr, 6)})
			if err != nil {
				return fmt.Errorf("flood to %s: %w", m.Name, err)
			}
		}
		devices := []string{vxlan.Name}
		for _, host := range f.Hosts {
			if host.At == peer.Name && host.Switch == ls {
				devices = append(devices, host.Name)
			}
		}
		for _, name := range devices {
			if err := enslave(h, name, bridge.Name); err != nil {
				return err
			}
		}
		return errors.Join(up(h, vxlan.Name), up(h, bridge.Name))
	})
}

// replug takes the far end of a host's cable out of one VTEP and puts it into another.
func (f *Fabric) replug(h *Host, to string) error {
	from, into := f.spaces[Node(h.At)], f.spaces[Node(to)]
	if from == nil || into == nil {
		return fmt.Errorf("move the cable of %s: %w", h.Name, ErrNotThere)
	}
	target, err := netnsFile(into)
	if err != nil {
		return err
	}
	defer target.Close()
	err = from.Links(func(handle *netlink.Handle) error {
		link, err := handle.LinkByName(h.Name)
		if err != nil {
			return err
		}
		return handle.LinkSetNsFd(link, int(target.Fd()))
	})
	if err != nil {
		return fmt.Errorf("move the cable of %s: %w", h.Name, err)
	}
	return into.Links(func(handle *netlink.Handle) error { return up(handle, h.Name) })
}

// checksum has hosts and peers finish the checksums of what they send. They leave that to a device, and a veth
// leaves it undone; Open vSwitch, whose datapath is in user space, takes such packets for broken ones.
func (f *Fabric) checksum() error {
	devices := map[Node]string{}
	for _, h := range f.Hosts {
		devices[Node(h.Name)] = "eth0"
	}
	for _, m := range f.Members[f.Options.VTEPs:] {
		devices[Node(m.Name)] = "u0"
	}
	for node, device := range devices {
		if err := f.spaces[node].Do(func() error { return noTxChecksum(device) }); err != nil {
			return fmt.Errorf("switch checksum offload of %s %s off: %w", node, device, err)
		}
	}
	return nil
}

// noTxChecksum is "ethtool -K DEVICE tx off", in the thread's namespace.
func noTxChecksum(device string) error {
	const setTxChecksum = 0x17 // ETHTOOL_STXCSUM
	value := struct{ command, on uint32 }{command: setTxChecksum}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // a struct ifreq is larger
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:unix.IFNAMSIZ-1], device)
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request))); errno != 0 {
		return errno
	}
	return nil
}
