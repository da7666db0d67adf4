package evpn_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// FRR beside a VTEP, in one namespace, announces its own VNIs, and nothing of the VTEP's device: a device without a VNI that is a
// port of a bridge it would announce as VNI 0.
func TestFRRBeside(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nport: -1\nneighbors: []\n")
	testnet.Veth(t, f.own, "p0", f.own, "host", 1500)
	f.vtep("p0")
	f.vteps(4789)
	testnet.Links(t, f.own, func(h *netlink.Handle) error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br44"}}
		vx := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx44"}, VxlanId: 44, SrcAddr: net.IPv4(10, 0, 0, 1), Port: 4790}
		for _, link := range []netlink.Link{br, vx} {
			if err := h.LinkAdd(link); err != nil {
				return fmt.Errorf("%s: %w", link.Attrs().Name, err)
			}
			if err := h.LinkSetUp(link); err != nil {
				return err
			}
		}
		return h.LinkSetMaster(vx, br)
	})
	l := &leaf{fabric: f, ns: f.own, dir: t.TempDir(), ip: "10.0.0.1", daemon: map[string]*exec.Cmd{}}
	l.write("bgpd.conf", "router bgp 65009\n bgp router-id 10.0.0.1\n no bgp default ipv4-unicast\n address-family l2vpn evpn\n  advertise-all-vni\n exit-address-family\n")
	l.run("zebra")
	l.run("bgpd")
	testenv.Eventually(t, deadline, func() error {
		out, err := l.vty("bgpd", "show bgp l2vpn evpn route type multicast")
		if err == nil && (strings.Count(out, "[3]:") != 2 || !strings.Contains(out, "[3]:[0]:[32]:[10.0.0.1]")) { // one is of the legend
			err = fmt.Errorf("announced is\n%s", out)
		}
		return err
	})
	if out, err := l.vty("bgpd", "show bgp l2vpn evpn vni"); err != nil || !strings.Contains(out, "\n* 44 ") || strings.Contains(out, "\n* 0 ") {
		t.Errorf("%v, VNIs:\n%s", err, out)
	}
}

// The process that speaks BGP beside "vtep run" goes on when that is killed, and when another program takes its place: FRR, which
// drops the routes of EVPN with the session, has the one that it had.
func TestFRRKeepsSession(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	f.kill()
	dir := filepath.Join(f.env.RunDir, "vtep")
	f.control = filepath.Join(dir, "vtep-evpn.ctl")
	pid := func() string {
		text, err := os.ReadFile(filepath.Join(dir, "vtep-evpn.pid"))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	run := func() *exec.Cmd {
		t.Helper()
		cmd := f.vtepWith("--plane=memory", "--port=p9", "--evpn="+filepath.Join(f.env.DBDir, "bgp.yaml"))
		testenv.Eventually(t, deadline, func() error {
			if log, _ := os.ReadFile(filepath.Join(f.env.DBDir, "vtep.log")); !strings.Contains(string(log), "EVPN process") || !strings.Contains(f.ctl("list-ports", "v1"), "p9") {
				return fmt.Errorf("the VTEP has not begun: %s", log)
			}
			return nil
		})
		return cmd
	}
	l := f.leaf(2, 65002, "")
	vtep := run()
	f.ctl("bind-ls", "v1", "p9", "0", "ls0")
	l.sends(all, "10.0.0.1")
	f.remote("unknown-dst>10.0.0.2")
	first := pid()

	upgraded := filepath.Join(t.TempDir(), "vtep")
	f.env.Output(t, "cp", f.program, upgraded)
	for _, program := range []string{f.program, upgraded} {
		_ = vtep.Process.Kill()
		_ = vtep.Wait()
		l.speaks(macA) // which the bridge takes without a VTEP, too
		f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2")
		l.silent(macA)
		f.program = program
		vtep = run()
		f.remote("unknown-dst>10.0.0.2")
	}
	l.sends(all, "10.0.0.1")
	if now := pid(); now != first {
		t.Errorf("the speaker was process %s, and is %s", first, now)
	}
	if out, err := l.vty("bgpd", "show bgp neighbors 10.0.0.1"); err != nil || !strings.Contains(out, "BGP state = Established") || !strings.Contains(out, "Connections established 1; dropped 0") {
		t.Errorf("%v, FRR says\n%s", err, out)
	}
}

// vteps waits until a device takes VXLAN of all VNIs.
func (f *fabric) vteps(port int) {
	f.Helper()
	testenv.Eventually(f, deadline, func() error {
		found := false
		testnet.Links(f, f.own, func(h *netlink.Handle) error {
			all, err := h.LinkList()
			for _, link := range all {
				if vx, ok := link.(*netlink.Vxlan); ok && vx.FlowBased && vx.Port == port {
					found = true
				}
			}
			return err
		})
		if !found {
			return fmt.Errorf("no device takes VXLAN")
		}
		return nil
	})
}
