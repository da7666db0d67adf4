package lab

import (
	"fmt"
	"net"
	"os"
	"path/filepath"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/namespace"
)

// The hosts use what every host uses; the underlay has room for the outer headers and a tag.
const (
	hostMTU     = 1500
	underlayMTU = 1600
)

// wire is a veth pair between two nodes.
type wire struct {
	a, b       Node
	aDev, bDev string
	mtu        int
}

var wires = []wire{
	{H1, VTEP, "eth0", "p0", hostMTU},
	{H2, VTEP, "eth0", "p1", hostMTU},
	{VTEP, R1, "u0", "u0", underlayMTU},
	{R1, H3, "h3", "eth0", hostMTU},
	{R1, H4, "h4", "eth0", hostMTU},
}

func (l *Lab) build() error {
	if err := daemon.Make(l.Dir(), l.RunDir()); err != nil {
		return err
	}
	if err := l.noteMount(); err != nil {
		return err
	}
	if err := l.makeNodes(); err != nil {
		return err
	}
	for _, w := range wires {
		if err := l.addWire(w); err != nil {
			return fmt.Errorf("wire %s %s to %s %s: %w", w.a, w.aDev, w.b, w.bDev, err)
		}
	}
	if err := l.addTagged(Host2Tagged, "eth0", VLAN); err != nil {
		return fmt.Errorf("tagged device of %s: %w", Host2Tagged.Node, err)
	}
	for _, s := range Stations {
		if err := l.address(s.Node, s.Device, s.IP.String(), s.MAC); err != nil {
			return err
		}
	}
	if err := l.address(VTEP, "u0", TunnelIP.String()+"/24", nil); err != nil {
		return err
	}
	if err := l.address(R1, "u0", RemoteIP.String()+"/24", nil); err != nil {
		return err
	}
	for _, peer := range []struct {
		vni  int
		port string
	}{{VNIUntagged, "h3"}, {VNITagged, "h4"}} {
		if err := l.addRemote(peer.vni, peer.port); err != nil {
			return fmt.Errorf("kernel VTEP for VNI %d: %w", peer.vni, err)
		}
	}
	return nil
}

// makeNodes makes the namespaces.
func (l *Lab) makeNodes() error {
	for _, node := range l.nodes {
		n, err := namespace.Create(l.namespaceName(node))
		if err != nil {
			return err
		}
		l.spaces[node] = n
		if err := quiet(n); err != nil {
			return err
		}
	}
	return nil
}

// quiet switches IPv6 off where there is any, so that no router solicitation or duplicate
// address check fills the MAC tables before the first ping.
func quiet(n *namespace.Namespace) error {
	const name = "ipv6/conf/%s/disable_ipv6"
	return n.Do(func() error {
		for _, conf := range []string{"all", "default"} {
			path := filepath.Join("/proc/sys/net", fmt.Sprintf(name, conf))
			if _, err := os.Stat(path); err != nil {
				return nil // a kernel without IPv6
			}
			if err := os.WriteFile(path, []byte("1"), 0); err != nil {
				return fmt.Errorf("switch IPv6 off: %w", err)
			}
		}
		return nil
	})
}

// addWire makes a veth pair whose ends are in their namespaces from the beginning: nothing of
// a lab is ever seen in the machine's own.
func (l *Lab) addWire(w wire) error {
	far, err := os.Open(l.spaces[w.b].Path())
	if err != nil {
		return err
	}
	defer far.Close()
	err = l.spaces[w.a].Links(func(h *netlink.Handle) error {
		err := h.LinkAdd(&netlink.Veth{
			LinkAttrs:     netlink.LinkAttrs{Name: w.aDev, MTU: w.mtu},
			PeerName:      w.bDev,
			PeerMTU:       uint32(w.mtu),
			PeerNamespace: netlink.NsFd(far.Fd()),
		})
		if err != nil {
			return err
		}
		return up(h, w.aDev)
	})
	if err != nil {
		return err
	}
	return l.spaces[w.b].Links(func(h *netlink.Handle) error { return up(h, w.bDev) })
}

func up(h *netlink.Handle, device string) error {
	link, err := h.LinkByName(device)
	if err != nil {
		return fmt.Errorf("device %s: %w", device, err)
	}
	if err := h.LinkSetUp(link); err != nil {
		return fmt.Errorf("bring up %s: %w", device, err)
	}
	return nil
}

// address gives a device its address, and its MAC unless that is nil.
func (l *Lab) address(node Node, device, prefix string, mac net.HardwareAddr) error {
	err := l.spaces[node].Links(func(h *netlink.Handle) error {
		link, err := h.LinkByName(device)
		if err != nil {
			return err
		}
		if mac != nil {
			if err := h.LinkSetHardwareAddr(link, mac); err != nil {
				return err
			}
		}
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		return h.AddrAdd(link, addr)
	})
	if err != nil {
		return fmt.Errorf("address %s of %s %s: %w", prefix, node, device, err)
	}
	return nil
}

// addRemote makes the other VTEP of one network: the kernel's vxlan device in a bridge with
// the port of the host behind it. It learns by itself which MACs are behind our VTEP, and
// floods to it what it does not know.
func (l *Lab) addRemote(vni int, port string) error {
	return l.spaces[R1].Links(func(h *netlink.Handle) error {
		underlay, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		bridge := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: fmt.Sprintf("br%d", vni)}}
		if err := h.LinkAdd(bridge); err != nil {
			return fmt.Errorf("add %s (the kernel needs CONFIG_BRIDGE): %w", bridge.Name, err)
		}
		vxlan := &netlink.Vxlan{
			LinkAttrs:    netlink.LinkAttrs{Name: fmt.Sprintf("vx%d", vni), MTU: hostMTU},
			VxlanId:      vni,
			VtepDevIndex: underlay.Attrs().Index,
			SrcAddr:      RemoteIP.AsSlice(),
			Group:        TunnelIP.AsSlice(),
			Port:         4789,
			Learning:     true,
		}
		if err := h.LinkAdd(vxlan); err != nil {
			return fmt.Errorf("add %s (the kernel needs CONFIG_VXLAN): %w", vxlan.Name, err)
		}
		for _, name := range []string{vxlan.Name, port} {
			link, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := h.LinkSetMaster(link, bridge); err != nil {
				return fmt.Errorf("put %s into %s: %w", name, bridge.Name, err)
			}
		}
		for _, name := range []string{vxlan.Name, bridge.Name} {
			if err := up(h, name); err != nil {
				return err
			}
		}
		return nil
	})
}
