package evpn_test

import (
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// A session over IPv6, with a password, whoever of both connects: routes are those of the same VTEPs, and what goes goes.
func TestFRROverIPv6(t *testing.T) {
	for connects, c := range map[string]struct{ ours, theirs string }{
		"bridge": {"port: -1\n", " neighbor fd00::1 passive\n"},
		"FRR":    {"", ""},
	} {
		t.Run(connects, func(t *testing.T) {
			passive := connects == "FRR"
			f := newFabric(t, "v", "10.0.0.1", fmt.Sprintf("as: 65001\nrouter-id: 10.0.0.1\n%sneighbors:\n- address: fd00::2\n  as: 65002\n  local-address: fd00::1\n  password: secret\n  passive: %v\n", c.ours, passive))
			f.ipv6(f.own, "u0")
			testnet.Address(t, f.own, "u0", "fd00::1/64")
			l := f.leaf(2, 65002, "router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor fd00::1 remote-as 65001\n neighbor fd00::1 timers connect 1\n neighbor fd00::1 password secret\n"+c.theirs+
				" address-family l2vpn evpn\n  neighbor fd00::1 activate\n  advertise-all-vni\n exit-address-family\n", func(l *leaf) {
				l.ipv6(l.ns, "u0")
				testnet.Address(t, l.ns, "u0", "fd00::2/64")
			})
			f.ctl("add-ucast-local", "ls0", macA, "10.0.0.1")
			l.sends(all, "10.0.0.1")
			l.sends(macA, "10.0.0.1")
			l.speaks(macB)
			f.remote("unknown-dst>10.0.0.2", macB+">10.0.0.2")
			l.silent(macB)
			f.ctl("del-ucast-local", "ls0", macA)
			f.remote("unknown-dst>10.0.0.2")
			l.sends(macA, "")
		})
	}
}

// The MAC of FRR's default gateway stays there, though it is heard here, too (RFC 7432, section 10.1).
func TestFRRGateway(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	const gateway = "02:00:00:00:33:33"
	hw, err := net.ParseMAC(gateway)
	if err != nil {
		t.Fatal(err)
	}
	l := f.leaf(2, 65002, "router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
		" address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n  advertise-default-gw\n exit-address-family\n", func(l *leaf) {
		testnet.Link(t, l.ns, "br33", func(h *netlink.Handle, link netlink.Link) error {
			return h.LinkSetHardwareAddr(link, hw)
		})
		testnet.Address(t, l.ns, "br33", "10.3.0.1/24")
	})
	testenv.Eventually(t, deadline, func() error { // bgpd does not tell zebra of it where that has come later than its configuration
		out, err := l.vty("zebra", "show evpn")
		if err == nil && !strings.Contains(out, "Advertise gateway mac-ip: Yes") {
			_, err = l.vty("bgpd", "configure terminal", "router bgp 65002", "address-family l2vpn evpn", "no advertise-default-gw", "advertise-default-gw")
			err = errors.Join(fmt.Errorf("zebra announces no gateways: %s", out), err)
		}
		return err
	})
	f.remote("unknown-dst>10.0.0.2", gateway+">10.0.0.2")
	f.ctl("add-ucast-local", "ls0", gateway, "10.0.0.1", "--", "add-ucast-local", "ls0", macA, "10.0.0.1")
	testenv.Eventually(t, deadline, func() error {
		if out := f.appctl("evpn/explain", macA); !strings.Contains(out, "announced here") {
			return fmt.Errorf("explains %s", out)
		}
		return nil
	})
	out := f.appctl("evpn/explain", gateway)
	if !strings.Contains(out, "10.3.0.1 at 10.0.0.2 VNI 33") || !strings.Contains(out, "sticky") || strings.Contains(out, "announced here") {
		t.Errorf("explains %s", out)
	}
	f.remote("unknown-dst>10.0.0.2", gateway+">10.0.0.2")
}
