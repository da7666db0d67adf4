package test

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
)

// inLS0 and inLS1 are addresses of both families in the two networks of a router.
func inLS0(n byte) [2]netip.Addr { return inPrefix([3]byte{192, 0, 2}, 1, n) }
func inLS1(n byte) [2]netip.Addr { return inPrefix([3]byte{198, 51, 100}, 2, n) }

func inPrefix(four [3]byte, six, n byte) [2]netip.Addr {
	return [2]netip.Addr{netip.AddrFrom4([4]byte{four[0], four[1], four[2], n}), netip.AddrFrom16([16]byte{0x20, 0x01, 0x0d, 0xb8, 5: six, 15: n})}
}

// bits is the length of the prefixes.
func bits(ip netip.Addr) int {
	if ip.Is4() {
		return 24
	}
	return 64
}

const gatewayHost = 254

// enable gives a device IPv6, and these addresses in place of those that it has.
func (w *world) enable(node lab.Node, device string, ips [2]netip.Addr) {
	w.t.Helper()
	for _, conf := range [][2]string{{"accept_dad", "0"}, {"accept_ra", "0"}, {"disable_ipv6", "0"}} {
		if err := w.lab.Namespace(node).Sysctl("ipv6/conf/"+device+"/"+conf[0], conf[1]); err != nil {
			w.t.Fatal(err)
		}
	}
	w.linkAddresses(node, device)
	for _, ip := range ips {
		w.address(node, device, netip.PrefixFrom(ip, bits(ip)).String())
	}
}

// linkAddresses takes all addresses off a device but those of the link, by which routers ask.
func (w *world) linkAddresses(node lab.Node, device string) {
	w.t.Helper()
	w.device(node, device, func(h *netlink.Handle, l netlink.Link) error {
		have, err := h.AddrList(l, netlink.FAMILY_ALL)
		if err != nil {
			return err
		}
		for _, a := range have {
			if a.IP.IsLinkLocalUnicast() {
				continue
			}
			if err := h.AddrDel(l, &a); err != nil && !errors.Is(err, syscall.EADDRNOTAVAIL) {
				return err
			}
		}
		return nil
	})
}

// via has a node reach everybody else by a router.
func (w *world) via(node lab.Node, device string, routers [2]netip.Addr) {
	w.t.Helper()
	w.device(node, device, func(h *netlink.Handle, l netlink.Link) error {
		for _, ip := range routers {
			all := &net.IPNet{IP: make(net.IP, ip.BitLen()/8), Mask: make(net.IPMask, ip.BitLen()/8)}
			if err := h.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: all, Gw: ip.AsSlice()}); err != nil {
				return fmt.Errorf("route by %v: %w", ip, err)
			}
		}
		return nil
	})
}

// routedHosts gives the hosts of the lab addresses of both families: h1 and h3 in ls0, h2 (tagged) and h4
// in ls1. near is the router of h1 and h2, far that of h3 and h4. Nobody has said a word then.
func (w *world) routedHosts(near, far byte) {
	w.t.Helper()
	w.enable(lab.H1, "eth0", inLS0(1))
	w.enable(lab.H3, "eth0", inLS0(3))
	w.enable(lab.H2, "vlan100", inLS1(2))
	w.linkAddresses(lab.H2, "eth0") // or it reaches ls0 without a router
	w.enable(lab.H4, "eth0", inLS1(4))
	w.via(lab.H1, "eth0", inLS0(near))
	w.via(lab.H2, "vlan100", inLS1(near))
	w.via(lab.H3, "eth0", inLS0(far))
	w.via(lab.H4, "eth0", inLS1(far))
}

// setMAC gives a device another address.
func (w *world) setMAC(node lab.Node, device string, mac net.HardwareAddr) {
	w.t.Helper()
	w.device(node, device, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetHardwareAddr(l, mac) })
}

// addRouter makes a router of ls0 and ls1.
func (w *world) addRouter(mac net.HardwareAddr) {
	w.t.Helper()
	command := fmt.Sprintf(`add-lr lr -- set Logical_Router lr other_config:router_mac="%v"`, mac)
	for ls, ips := range map[string][2]netip.Addr{"ls0": inLS0(gatewayHost), "ls1": inLS1(gatewayHost)} {
		id := strings.TrimSpace(w.ctl("get Logical_Switch " + ls + " _uuid"))
		for _, ip := range ips {
			command += fmt.Sprintf(` -- set Logical_Router lr switch_binding:"%v/%d"=%s`, ip, bits(ip), id)
		}
	}
	w.ctl(command)
}

// forwardsPackets makes a node a router of the kernel's.
func (w *world) forwardsPackets(node lab.Node) {
	w.t.Helper()
	for _, conf := range []string{"ipv4/ip_forward", "ipv6/conf/all/forwarding"} {
		if err := w.lab.Namespace(node).Sysctl(conf, "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			w.t.Fatal(err)
		}
	}
}

var routerMAC = net.HardwareAddr{0x02, 0, 0, 0, 0xaa, 0x01}

// TestRouterAndKernel has a router of ours and the kernel's with an address in each network (asymmetric IRB): what
// one routes, the other bridges. Hosts are silent until somebody asks for them; nobody says where they
// are. First each router has addresses of its own, then both have the same.
func TestRouterAndKernel(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	w.howto(w.ours())
	w.addRouter(routerMAC)
	const far = 253
	w.forwardsPackets(lab.R1)
	w.enable(lab.R1, "br5000", inLS0(far))
	w.enable(lab.R1, "br5100", inLS1(far))
	w.routedHosts(gatewayHost, far)

	for family := range 2 {
		h1, h2, h3, h4 := inLS0(1)[family], inLS1(2)[family], inLS0(3)[family], inLS1(4)[family]
		near := inLS0(gatewayHost)[family]
		w.hears(lab.H1, h4, 0, reply(h4)) // silent behind the peer
		w.hears(lab.H3, h2, 0, reply(h2))
		w.hears(lab.H1, h2, 0, reply(h2)) // both at ports of ours
		w.hears(lab.H3, h4, 0, reply(h4)) // both at the peer
		w.hears(lab.H2, h3, 0, reply(h3))
		w.hears(lab.H4, h1, 0, reply(h1))
		for _, gateway := range []netip.Addr{near, inLS1(gatewayHost)[family], inLS0(far)[family], inLS1(far)[family]} {
			w.hears(lab.H1, gateway, 0, reply(gateway))
		}

		// Each sender is told by its own router, and there is one on the way.
		w.hears(lab.H1, h4, 1, expired(near))
		w.hears(lab.H1, h4, 2, reply(h4))
		w.hears(lab.H4, h1, 1, expired(inLS1(far)[family]))
		w.hears(lab.H4, h1, 2, reply(h1))
		w.hears(lab.H1, inLS1(77)[family], 0, unreachable(near)) // nobody has it
		w.carries(lab.H1, lab.H4, h4)
		w.carries(lab.H3, lab.H2, h2)
		w.carries(lab.H1, lab.H2, h2)
	}

	// Nobody has to be there for what is known.
	w.signal(syscall.SIGKILL)
	for family := range 2 {
		h4, near := inLS1(4)[family], inLS0(gatewayHost)[family]
		w.hears(lab.H1, h4, 0, reply(h4))
		w.hears(lab.H1, near, 0, reply(near))
	}
	w.start(usual...)
	w.enable(lab.H4, "eth0", inLS1(5)) // one who was not asked for before
	w.via(lab.H4, "eth0", inLS1(far))
	for family := range 2 {
		w.hears(lab.H1, inLS1(5)[family], 0, reply(inLS1(5)[family]))
	}
}

// TestAnycastGateway has two VTEPs of ours with the same router, and hosts of both networks at each. All are silent until
// they are asked for. Then two hosts change places.
func TestAnycastGateway(t *testing.T) {
	w := newWorld(t)
	w.start(append([]string{"--no-protect"}, usual...)...)
	w.withoutKernel()
	far, stop := w.vtepIn(lab.R1, "--connect=unix:"+w.socket(), "--tunnel-ip="+lab.RemoteIP.String(), "--port=h3", "--port=h4")
	w.ctl(fmt.Sprintf(`
		add-ls ls0
		add-ls ls1
		set Logical_Switch ls0 tunnel_key=%d replication_mode=source_node
		set Logical_Switch ls1 tunnel_key=%d replication_mode=source_node
		bind-ls %s p0 0 ls0
		bind-ls %[3]s p1 %[4]d ls1
		bind-ls %[5]s h3 0 ls0
		bind-ls %[5]s h4 0 ls1`, lab.VNIUntagged, lab.VNITagged, w.name, lab.VLAN, far))
	w.addRouter(routerMAC)
	w.routedHosts(gatewayHost, gatewayHost)
	all := func() {
		t.Helper()
		for family := range 2 {
			h1, h2, h3, h4 := inLS0(1)[family], inLS1(2)[family], inLS0(3)[family], inLS1(4)[family]
			near, other := inLS0(gatewayHost)[family], inLS1(gatewayHost)[family]
			w.hears(lab.H1, h4, 0, reply(h4))
			w.hears(lab.H3, h2, 0, reply(h2))
			w.hears(lab.H1, h2, 0, reply(h2))
			w.hears(lab.H3, h4, 0, reply(h4))
			w.hears(lab.H1, h3, 0, reply(h3))
			w.hears(lab.H4, h1, 0, reply(h1))
			for node, gateway := range map[lab.Node]netip.Addr{lab.H1: near, lab.H2: other, lab.H3: near, lab.H4: other} {
				w.hears(node, gateway, 0, reply(gateway))
			}
			if family == 0 { // who was asked by ARP takes the other VTEP for its router, for some seconds
				w.forgetNeighbor(lab.Host1, near)
				w.forgetNeighbor(lab.Host4, other)
			}
			w.hears(lab.H1, h4, 1, expired(near))
			w.hears(lab.H4, h1, 1, expired(other))
			w.hears(lab.H1, h4, 2, reply(h4)) // there is one router on the way
		}
	}
	all()
	w.carries(lab.H1, lab.H4, inLS1(4)[1])
	w.carries(lab.H3, lab.H2, inLS1(2)[0])
	for _, node := range []lab.Node{lab.H1, lab.H3} { // each is told where he is
		w.hears(node, inLS1(77)[0], 0, unreachable(inLS0(gatewayHost)[0]))
	}

	// h1 is where h3 was, and the other way round; those in ls1 know nothing of that.
	first, second := lab.Host1.MAC, lab.Host3.MAC
	w.setMAC(lab.H1, "eth0", second)
	w.setMAC(lab.H3, "eth0", first)
	w.enable(lab.H1, "eth0", inLS0(3))
	w.enable(lab.H3, "eth0", inLS0(1))
	w.via(lab.H1, "eth0", inLS0(gatewayHost))
	w.via(lab.H3, "eth0", inLS0(gatewayHost))
	for family := range 2 {
		gateway := inLS0(gatewayHost)[family]
		w.hears(lab.H1, gateway, 0, reply(gateway)) // they say that they are there
		w.hears(lab.H3, gateway, 0, reply(gateway))
	}
	for family := range 2 {
		for _, node := range []lab.Node{lab.H2, lab.H4} {
			for _, n := range []byte{1, 3} {
				w.hears(node, inLS0(n)[family], 0, reply(inLS0(n)[family]))
			}
		}
	}
	w.carries(lab.H2, lab.H1, inLS0(3)[0])
	w.carries(lab.H4, lab.H3, inLS0(1)[1])
	stop()
}
