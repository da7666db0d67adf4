package ovn

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// patience is how long anything may take to happen on a busy machine.
const patience = 90 * time.Second

// The underlay has room for the outer headers.
const (
	hostMTU     = 1500
	underlayMTU = 1600
)

// host is a station of the network of the tenant.
type host struct {
	ns      *namespace.Namespace
	ip, mac string
}

func newHost(t testing.TB, name, ip, mac string) host {
	return host{testenv.Netns(t, name), ip, mac}
}

// plug gives the host its only device, the other end of which is a port of a gateway or of the
// hypervisor.
func (h host) plug(t testing.TB, to *namespace.Namespace, port string) {
	t.Helper()
	wire(t, h.ns, "eth0", to, port, hostMTU)
	address(t, h.ns, "eth0", h.ip+"/24", h.mac)
}

// answer wants every host to get an answer from every other, once rows had time to take effect.
func answer(t *testing.T, hosts ...host) {
	t.Helper()
	pairs(hosts, func(from, to host) {
		testenv.Eventually(t, patience, func() error { return from.ping(t, to, "-c", "1", "-W", "1") })
	})
}

// lossless wants the answers, and from then on no packet to be lost: while OVN tells of a change,
// its hypervisors may well lose one.
func lossless(t *testing.T, hosts ...host) {
	t.Helper()
	answer(t, hosts...)
	pairs(hosts, func(from, to host) {
		if err := from.ping(t, to, "-c", "10", "-i", "0.01", "-W", "10"); err != nil {
			t.Errorf("after an answer, some are lost: %v", err)
		}
	})
}

func pairs(hosts []host, f func(from, to host)) {
	for _, from := range hosts {
		for _, to := range hosts {
			if from != to {
				f(from, to)
			}
		}
	}
}

func (h host) ping(t testing.TB, to host, args ...string) error {
	t.Helper()
	var out strings.Builder
	cmd := exec.Command(testenv.Program(t, "ping"), append(args, to.ip)...)
	cmd.Stdout, cmd.Stderr = &out, &out
	err := h.ns.Run(cmd)
	if err == nil && !strings.Contains(out.String(), " 0% packet loss") {
		err = errors.New("packets are lost")
	}
	if err != nil {
		return fmt.Errorf("ping %s from %s: %w\n%s", to.ip, h.ip, err, &out)
	}
	return nil
}

// fabric makes the underlay: what is put into it is in one network.
func fabric(t testing.TB) *namespace.Namespace {
	t.Helper()
	n := testenv.Netns(t, "fabric")
	links(t, n, func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "fabric", MTU: underlayMTU}})
	})
	links(t, n, func(h *netlink.Handle) error { return up(h, "fabric") })
	return n
}

// join wires u0 of a node to the underlay.
func join(t testing.TB, fabric, node *namespace.Namespace, name string) {
	t.Helper()
	wire(t, fabric, name, node, "u0", underlayMTU)
	links(t, fabric, func(h *netlink.Handle) error {
		bridge, err := h.LinkByName("fabric")
		if err != nil {
			return err
		}
		port, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(port, bridge)
	})
}

// wire makes a veth pair. IPv6 is switched off, or hosts would speak before they are asked.
func wire(t testing.TB, a *namespace.Namespace, aDev string, b *namespace.Namespace, bDev string, mtu int) {
	t.Helper()
	far, err := os.Open(b.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	for _, n := range []*namespace.Namespace{a, b} {
		for _, conf := range []string{"all", "default"} {
			if err := n.Sysctl("ipv6/conf/"+conf+"/disable_ipv6", "1"); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}
	links(t, a, func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Veth{
			LinkAttrs: netlink.LinkAttrs{Name: aDev, MTU: mtu}, PeerName: bDev, PeerMTU: uint32(mtu), PeerNamespace: netlink.NsFd(far.Fd()),
		})
	})
	links(t, a, func(h *netlink.Handle) error { return up(h, aDev) })
	links(t, b, func(h *netlink.Handle) error { return up(h, bDev) })
}

// address gives a device an address, and a MAC unless that is empty.
func address(t testing.TB, n *namespace.Namespace, dev, prefix, mac string) {
	t.Helper()
	links(t, n, func(h *netlink.Handle) error {
		link, err := h.LinkByName(dev)
		if err != nil {
			return err
		}
		if mac != "" {
			hw, err := net.ParseMAC(mac)
			if err != nil {
				return err
			}
			if err := h.LinkSetHardwareAddr(link, hw); err != nil {
				return err
			}
		}
		addr, err := netlink.ParseAddr(prefix)
		if err != nil {
			return err
		}
		if err := h.AddrAdd(link, addr); err != nil {
			return err
		}
		return h.LinkSetUp(link)
	})
}

func links(t testing.TB, n *namespace.Namespace, f func(*netlink.Handle) error) {
	t.Helper()
	if err := n.Links(f); err != nil {
		t.Fatalf("links of %s: %v", n.Name, err)
	}
}

func up(h *netlink.Handle, dev string) error {
	link, err := h.LinkByName(dev)
	if err != nil {
		return err
	}
	return h.LinkSetUp(link)
}
