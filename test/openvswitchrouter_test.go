package test

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// TestRouterOnOpenVSwitch has a host reach one behind a remote VTEP in another logical switch, of which
// no row knows the MAC: the router asks for both, and answers ping itself. It goes on when the process ends.
func TestRouterOnOpenVSwitch(t *testing.T) {
	h := newHowto(t)
	h.switchOn(true)
	ctl := h.program("vtep-ctl", true)
	h.run(ctl, "add-ps br0 -- set Physical_Switch br0 tunnel_ips=10.2.2.1")
	h.daemon(h.program("ovs-vtep", true), "--log-file --pidfile --detach br0")
	testenv.Eventually(t, patience, func() error {
		if ports := h.run(ctl, "list-ports br0"); ports != "p0\np1\n" {
			return fmt.Errorf("ports %q", ports)
		}
		return nil
	})
	h.run(ctl, "add-ls ls0 -- add-ls ls1 -- add-lr lr0 -- set Logical_Switch ls0 tunnel_key=33 -- set Logical_Switch ls1 tunnel_key=34")
	h.run(ctl, "bind-ls br0 p0 0 ls0 -- add-mcast-remote ls1 unknown-dst 10.2.2.2")
	const mac = "02:00:00:00:00:fe"
	h.run(ctl, "set Logical_Router lr0 other_config:router_mac=\""+mac+"\"")
	for ls, prefix := range map[string]string{"ls0": "192.168.33.254/24", "ls1": "192.168.34.254/24"} {
		h.run(ctl, "set Logical_Router lr0 switch_binding:"+prefix+"="+strings.TrimSpace(h.run(ctl, "get Logical_Switch "+ls+" _uuid")))
	}
	ip := func(n *namespace.Namespace, line string) {
		t.Helper()
		if err := n.Run(exec.Command(testenv.Program(t, "ip"), strings.Fields(line)...)); err != nil {
			t.Fatalf("ip %s: %v", line, err)
		}
	}
	ip(h.far, "link del vx0")
	ip(h.far, "link add vx1 mtu 1400 type vxlan id 34 local 10.2.2.2 remote 10.2.2.1 dstport 4789 noudpcsum")
	h.address(h.far, "vx1", "192.168.34.100/24")
	ip(h.far, "neigh add 192.168.34.254 lladdr "+mac+" dev vx1")
	ip(h.far, "route add 192.168.33.0/24 via 192.168.34.254")
	ip(h.h0, "route add 192.168.34.0/24 via 192.168.33.254")
	h.ping(h.h0, "192.168.34.100")
	h.ping(h.h0, "192.168.33.254")
	h.exit("ovs-vtep")
	h.ping(h.h0, "192.168.34.100")
}
