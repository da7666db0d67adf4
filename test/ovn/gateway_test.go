package ovn

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// gateway is a VTEP with the port p0, and its database.
type gateway struct {
	*testenv.Env
	c        *cloud
	name, ip string // of the physical switch; its tunnel IP
	program  string // whose control socket it has
}

// planes are the ways to start a gateway in a namespace that has p0, and u0 without an address.
var planes = map[string]func(c *cloud, n *namespace.Namespace, name, ip string) *gateway{"ebpf": native, "ovs": emulated}

// native starts one that forwards by eBPF, and holds its own database.
func native(c *cloud, n *namespace.Namespace, name, ip string) *gateway {
	t := c.t
	t.Helper()
	testnet.Address(t, n, "u0", ip+"/24")
	g := &gateway{testenv.OVS(t), c, name, ip, "vtep"}
	g.started(c.daemon(n, g.Env, filepath.Join(c.bin, "vtep"), "run", name, "--rundir="+g.RunDir,
		"--db="+filepath.Join(g.DBDir, "vtep.db"), "--pin-dir="+testenv.Pins(t), "--tunnel-ip="+ip, "--port=p0"))
	return g
}

// emulated starts ovs-vtep beside an Open vSwitch, which has the bridge and the databases.
func emulated(c *cloud, n *namespace.Namespace, name, ip string) *gateway {
	t := c.t
	t.Helper()
	v := testenv.NewVSwitch(t, n)
	underlay(t, v, ip)
	v.Bridge(t, name, "p0")
	g := &gateway{v.Env, c, name, ip, "ovs-vtep"}
	g.ctl("add-ps", name, "--", "set", "Physical_Switch", name, "tunnel_ips="+ip)
	g.started(c.daemon(n, g.Env, filepath.Join(c.bin, "ovs-vtep"), name))
	return g
}

// underlay puts u0 into a bridge of Open vSwitch, where its userspace datapath sends tunnels by.
func underlay(t testing.TB, v *testenv.VSwitch, ip string) {
	t.Helper()
	v.Vsctl(t, "add-br", "br-ex", "--", "set", "Bridge", "br-ex", "datapath_type=netdev", "--", "add-port", "br-ex", "u0")
	testnet.Address(t, v.Namespace, "br-ex", ip+"/24")
	testnet.Up(t, v.Namespace, "br-ex")
}

// started waits until the process serves, and has the end of the test take forwarding down.
func (g *gateway) started(process *process) {
	t := g.c.t
	t.Helper()
	testenv.Eventually(t, patience, func() error {
		if g.control() == "" {
			return fmt.Errorf("%s has no control socket yet", g.name)
		}
		return listens("unix", g.socket())
	})
	t.Cleanup(func() {
		g.appctl("exit", "--cleanup")
		process.wait()
	})
}

// socket is that of its database, control the one for appctl.
func (g *gateway) socket() string { return filepath.Join(g.RunDir, "db.sock") }

func (g *gateway) control() string {
	all, _ := filepath.Glob(filepath.Join(g.RunDir, g.program+".*.ctl"))
	return strings.Join(all, " ")
}

// ctl is our vtep-ctl on its database.
func (g *gateway) ctl(args ...string) string {
	g.c.t.Helper()
	return g.Output(g.c.t, filepath.Join(g.c.bin, "vtep-ctl"), append([]string{"--db=unix:" + g.socket()}, args...)...)
}

// appctl gives it a command, and returns the answer.
func (g *gateway) appctl(command ...string) string {
	g.c.t.Helper()
	args := append([]string{"--timeout=60", "-t", g.control()}, command...)
	return strings.TrimSpace(g.Output(g.c.t, testenv.Program(g.c.t, "ovs-appctl"), args...))
}

// bind has the operator bind the untagged frames of p0 to a new logical switch: OVN makes no
// switches and bindings.
func (g *gateway) bind(ls string) {
	g.c.t.Helper()
	testenv.Eventually(g.c.t, patience, func() error {
		if all := g.ctl("--bare", "--columns=name", "list", "Physical_Port"); all != "p0\n" {
			return fmt.Errorf("%s has the ports %q", g.name, all)
		}
		return nil
	})
	g.ctl("add-ls", ls, "--", "bind-ls", g.name, "p0", "0", ls)
}

// manage starts the ovn-controller-vtep of g, and returns what ends it in an orderly way: told by
// a signal, it would leave its rows.
func (g *gateway) manage() (end func()) {
	t := g.c.t
	t.Helper()
	manager := g.c.daemon(nil, g.Env, g.c.program("ovn-controller-vtep"), "--vtep-db=unix:"+g.socket(), "--ovnsb-db=unix:"+g.c.socket())
	return func() {
		control := filepath.Join(g.RunDir, fmt.Sprintf("ovn-controller-vtep.%d.ctl", manager.cmd.Process.Pid))
		g.Output(t, testenv.Program(t, "ovs-appctl"), "--timeout=60", "-t", control, "exit")
		manager.wait()
	}
}

// remote waits until g has been told that h is behind the VTEP ip, or that it is gone when ip is
// empty.
func (g *gateway) remote(h host, ip string) {
	g.c.t.Helper()
	testenv.Eventually(g.c.t, patience, func() error {
		all := g.ctl("list-remote-macs", "lsw")
		if ip == "" && strings.Contains(all, h.mac) || ip != "" && !strings.Contains(all, h.mac+" -> vxlan_over_ipv4/"+ip+"\n") {
			return fmt.Errorf("%s must be at %q; the remote MACs of %s:\n%s", h.mac, ip, g.name, all)
		}
		return nil
	})
}

// local waits until g has learned h.
func (g *gateway) local(h host) {
	g.c.t.Helper()
	testenv.Eventually(g.c.t, patience, func() error {
		if all := g.ctl("list-local-macs", "lsw"); !strings.Contains(all, h.mac+" -> vxlan_over_ipv4/"+g.ip+"\n") {
			return fmt.Errorf("%s is not learned; the local MACs of %s:\n%s", h.mac, g.name, all)
		}
		return nil
	})
}

// audited wants forwarding to be what it has to be.
func (g *gateway) audited() {
	g.c.t.Helper()
	testenv.Eventually(g.c.t, patience, func() error {
		if differs := g.appctl("vtep/audit"); differs != "" {
			return fmt.Errorf("forwarding of %s differs:\n%s", g.name, differs)
		}
		return nil
	})
}
