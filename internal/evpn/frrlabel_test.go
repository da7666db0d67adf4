package evpn_test

import (
	"fmt"
	"net"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testnet"
)

// A leaf has the network as another VNI: it sends with its own one, and gets frames with that.
func TestFRROtherVNI(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	f.ctl("set", "Logical_Switch", "ls0", `other_config:evpn_import="65002:99"`)
	l := f.leaf(2, 65002, "router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
		" address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n  vni 99\n   route-target import 65001:33\n   route-target export 65002:99\n  exit-vni\n exit-address-family\n",
		func(l *leaf) {
			testnet.Links(t, l.ns, func(h *netlink.Handle) error {
				br, err := h.LinkByName("br33")
				if err != nil {
					return err
				}
				vx := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx33"}}
				if err := h.LinkDel(vx); err != nil {
					return fmt.Errorf("remove the VNI 33: %w", err)
				}
				vx.VxlanId, vx.SrcAddr, vx.Port = 99, net.ParseIP(l.ip), 4789
				if err := h.LinkAdd(vx); err != nil {
					return fmt.Errorf("VNI 99: %w", err)
				}
				if err := h.LinkSetMaster(vx, br); err != nil {
					return err
				}
				if err := h.LinkSetLearning(vx, false); err != nil {
					return err
				}
				return h.LinkSetUp(vx)
			})
		})
	a := f.bound("ha", 11)
	c := l.bridged("hc", "h1", 13, nil)
	f.pings(c, "192.168.0.11")
	f.pings(a, "2001:db8::13")
	f.remote("unknown-dst>10.0.0.2", testnet.MAC(t, c, "eth0").String()+">10.0.0.2")
	l.sends(testnet.MAC(t, a, "eth0").String(), "10.0.0.1")
}
