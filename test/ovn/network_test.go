package ovn

import (
	"fmt"
	"net"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// patience is how long anything may take to happen on a busy machine.
const patience = 90 * time.Second

// underlayMTU has room for the outer headers.
const underlayMTU = 1600

// host is a station of the network of the tenant.
type host struct {
	ns      *namespace.Namespace
	ip, mac string
}

func newHost(t testing.TB, name, ip, mac string) host {
	return host{testnet.Quiet(t, name), ip, mac}
}

// plug gives the host its only device, the other end of which is a port of a gateway or of the
// hypervisor.
func (h host) plug(t testing.TB, to *namespace.Namespace, port string) {
	t.Helper()
	testnet.Veth(t, h.ns, "eth0", to, port, 0)
	testnet.Link(t, h.ns, "eth0", func(n *netlink.Handle, l netlink.Link) error {
		mac, err := net.ParseMAC(h.mac)
		if err != nil {
			return err
		}
		return n.LinkSetHardwareAddr(l, mac)
	})
	testnet.Address(t, h.ns, "eth0", h.ip+"/24")
}

// answer wants every host to get an answer from every other, once rows had time to take effect.
func answer(t *testing.T, hosts ...host) {
	t.Helper()
	pairs(hosts, func(from, to host) {
		testenv.Eventually(t, patience, func() error { return from.ping(t, to, "-c", "1", "-W", "1") })
	})
}

// lossless wants the answers, and from then on no packet to be lost. Each is waited for by itself:
// of several, ping waits for the last ones no longer than the others took.
func lossless(t *testing.T, hosts ...host) {
	t.Helper()
	answer(t, hosts...)
	pairs(hosts, func(from, to host) {
		for range 5 {
			if err := from.ping(t, to, "-c", "1", "-W", "30"); err != nil {
				t.Errorf("after an answer, one is lost: %v", err)
			}
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
	if err := h.ns.Run(cmd); err != nil {
		return fmt.Errorf("ping %s from %s: %w\n%s", to.ip, h.ip, err, &out)
	}
	return nil
}

// newFabric makes the underlay: what joins it is in one network.
func newFabric(t testing.TB) *namespace.Namespace {
	t.Helper()
	n := testnet.Quiet(t, "fabric")
	testnet.Links(t, n, func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "fabric", MTU: underlayMTU}})
	})
	testnet.Up(t, n, "fabric")
	return n
}

// join makes a node whose u0 is in the underlay.
func join(t testing.TB, fabric *namespace.Namespace, name string) *namespace.Namespace {
	t.Helper()
	node := testnet.Quiet(t, name)
	testnet.Veth(t, fabric, name, node, "u0", underlayMTU)
	testnet.Link(t, node, "u0", func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetMTU(l, underlayMTU) })
	testnet.Link(t, fabric, name, func(h *netlink.Handle, l netlink.Link) error {
		return h.LinkSetMaster(l, &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "fabric"}})
	})
	return node
}
