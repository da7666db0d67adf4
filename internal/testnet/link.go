package testnet

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// Quiet makes a namespace without IPv6, whose devices send nothing by themselves.
func Quiet(t testing.TB, name string) *namespace.Namespace {
	t.Helper()
	n := testenv.Netns(t, name)
	for _, conf := range []string{"all", "default"} {
		if err := n.Sysctl("ipv6/conf/"+conf+"/disable_ipv6", "1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return n
}

// Links calls f with a netlink handle of a namespace.
func Links(t testing.TB, n *namespace.Namespace, f func(*netlink.Handle) error) {
	t.Helper()
	if err := n.Links(f); err != nil {
		t.Fatalf("links of %s: %v", n.Name, err)
	}
}

// Link calls f with a device of a namespace.
func Link(t testing.TB, n *namespace.Namespace, device string, f func(*netlink.Handle, netlink.Link) error) {
	t.Helper()
	Links(t, n, func(h *netlink.Handle) error {
		l, err := h.LinkByName(device)
		if err != nil {
			return fmt.Errorf("find %s: %w", device, err)
		}
		if err := f(h, l); err != nil {
			return fmt.Errorf("%s: %w", device, err)
		}
		return nil
	})
}

// Veth joins a namespace with another by a pair of devices, and waits until frames pass. mtu 0 is
// the default.
func Veth(t testing.TB, a *namespace.Namespace, nameA string, b *namespace.Namespace, nameB string, mtu int) {
	t.Helper()
	fd, err := os.Open(b.Path())
	if err != nil {
		t.Fatal(err)
	}
	defer fd.Close()
	Links(t, a, func(h *netlink.Handle) error {
		attrs := netlink.NewLinkAttrs()
		attrs.Name, attrs.MTU = nameA, mtu
		if err := h.LinkAdd(&netlink.Veth{LinkAttrs: attrs, PeerName: nameB, PeerNamespace: netlink.NsFd(fd.Fd())}); err != nil {
			return fmt.Errorf("add veth %s: %w", nameA, err)
		}
		return nil
	})
	Up(t, a, nameA)
	Up(t, b, nameB)
	Running(t, a, nameA)
	Running(t, b, nameB)
}

// Up sets a device up.
func Up(t testing.TB, n *namespace.Namespace, device string) {
	t.Helper()
	Link(t, n, device, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })
}

// Running waits until the kernel has noticed that the device has a carrier: until then it
// drops what is sent.
func Running(t testing.TB, n *namespace.Namespace, device string) {
	t.Helper()
	testenv.Eventually(t, Patience, func() error {
		return n.Links(func(h *netlink.Handle) error {
			l, err := h.LinkByName(device)
			if err == nil && l.Attrs().OperState != netlink.OperUp {
				err = fmt.Errorf("%s is %v", device, l.Attrs().OperState)
			}
			return err
		})
	})
}

// Remove removes a device.
func Remove(t testing.TB, n *namespace.Namespace, device string) {
	t.Helper()
	Link(t, n, device, func(h *netlink.Handle, l netlink.Link) error { return h.LinkDel(l) })
}

// Address gives a device an address with its prefix, if it does not have that.
func Address(t testing.TB, n *namespace.Namespace, device, prefix string) {
	t.Helper()
	a, err := netlink.ParseAddr(prefix)
	if err != nil {
		t.Fatal(err)
	}
	Link(t, n, device, func(h *netlink.Handle, l netlink.Link) error { return h.AddrReplace(l, a) })
}

// MAC returns the address of a device.
func MAC(t testing.TB, n *namespace.Namespace, device string) (mac net.HardwareAddr) {
	t.Helper()
	Link(t, n, device, func(_ *netlink.Handle, l netlink.Link) error {
		mac = l.Attrs().HardwareAddr
		return nil
	})
	return mac
}

// Neighbour says for good which MAC an IP address has on a device.
func Neighbour(t testing.TB, n *namespace.Namespace, device string, ip netip.Addr, mac net.HardwareAddr) {
	t.Helper()
	Link(t, n, device, func(h *netlink.Handle, l netlink.Link) error {
		return h.NeighSet(&netlink.Neigh{LinkIndex: l.Attrs().Index, State: netlink.NUD_PERMANENT, IP: ip.AsSlice(), HardwareAddr: mac})
	})
}
