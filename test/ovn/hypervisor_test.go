package ovn

import (
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// hypervisor is ovs-vswitchd, with the userspace datapath, and ovn-controller.
type hypervisor struct {
	*testenv.VSwitch
	name, ip string // its tunnel IP
}

func newHypervisor(c *cloud, fabric *namespace.Namespace, name, ip string) *hypervisor {
	t := c.t
	t.Helper()
	n := join(t, fabric, name)
	testnet.Veth(t, c.ns, "m0", n, "m0", 0)
	testnet.Address(t, c.ns, "m0", centralIP+"/24")
	testnet.Address(t, n, "m0", managedIP+"/24")
	c.serve()
	h := &hypervisor{testenv.NewVSwitch(t, n), name, ip}
	underlay(t, h.VSwitch, ip)
	h.Vsctl(t, "set", "Open_vSwitch", ".", "external_ids:system-id="+name, "external_ids:ovn-bridge-datapath-type=netdev",
		"external_ids:ovn-encap-type=geneve,vxlan", "external_ids:ovn-encap-ip="+ip,
		fmt.Sprintf(`external_ids:ovn-remote="ssl:%s:%s"`, centralIP, sbPort))
	id := c.trusted.Issue(name)
	c.daemon(n, h.Env, c.program("ovn-controller"), "--private-key="+id.Key, "--certificate="+id.Cert, "--ca-cert="+c.trusted.File,
		"unix:"+h.Socket("db.sock"))
	testenv.Eventually(t, patience, func() error {
		if bridges := h.Vsctl(t, "list-br"); !strings.Contains(bridges, "br-int\n") {
			return fmt.Errorf("ovn-controller has made no br-int, only %q", bridges)
		}
		return nil
	})
	return h
}

// run starts a machine: a port of the logical switch, which OVN knows by name.
func (h *hypervisor) run(c *cloud, name string, vm host) {
	c.t.Helper()
	vm.plug(c.t, h.Namespace, name)
	h.Vsctl(c.t, "add-port", "br-int", name, "--", "set", "Interface", name, "external_ids:iface-id="+name)
}
