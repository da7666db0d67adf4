package test

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// device calls f with a device of a node.
func (w *world) device(node lab.Node, name string, f func(*netlink.Handle, netlink.Link) error) {
	w.t.Helper()
	w.links(node, func(h *netlink.Handle) error {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return f(h, l)
	})
}

func (w *world) linkUp(node lab.Node, name string) {
	w.t.Helper()
	w.device(node, name, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetUp(l) })
}

func (w *world) linkDown(node lab.Node, name string) {
	w.t.Helper()
	w.device(node, name, func(h *netlink.Handle, l netlink.Link) error { return h.LinkSetDown(l) })
}

// TestLinkFlap takes links down and up again. A link that is down is no fault, and everything
// goes on when it is up; on the underlay also with another next hop behind it.
func TestLinkFlap(t *testing.T) {
	w := newWorld(t)
	w.both()
	w.linkDown(lab.VTEP, "p0")
	w.reach(lab.Host2Tagged, lab.Host4)
	w.portFault("p0")
	w.linkUp(lab.VTEP, "p0")
	w.reach(lab.Host1, lab.Host3)
	w.portFault("p0")

	for range 2 {
		w.linkDown(lab.VTEP, "u0")
		w.reach(lab.Host1, lab.Host2) // the box itself works on
		w.device(lab.R1, "u0", func(h *netlink.Handle, l netlink.Link) error {
			mac := append([]byte{}, l.Attrs().HardwareAddr...)
			mac[5]++
			return h.LinkSetHardwareAddr(l, mac)
		})
		w.linkUp(lab.VTEP, "u0")
		w.reach(lab.Host1, lab.Host3)
		w.reach(lab.Host2Tagged, lab.Host4)
	}
	w.switchFault()
}

// TestTwoSwitches runs a second VTEP in the network namespace of the first, which has the
// port of VXLAN. The second says so, and the first does not feel it.
func TestTwoSwitches(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	stop := w.startPing(lab.H1, lab.Host3)
	dir := filepath.Join(w.env.DBDir, "second")
	cmd := exec.Command(filepath.Join(w.bin, "vtep"), "run", "second", "--rundir="+dir, "--db="+dir+".db",
		"--pin-dir="+w.pins+"2", "--tunnel-ip="+lab.TunnelIP.String(), "--unixctl="+filepath.Join(dir, "vtep.ctl"))
	cmd.Env, cmd.Dir = w.env.Env, w.env.RunDir
	second := w.launchIn(cmd)
	first := w.vtep
	w.vtep = second
	w.ready()
	w.logged("4789", "another VTEP in this network namespace")
	w.vtep = first
	w.env.Output(t, testenv.Program(t, "ovs-appctl"), "-t", filepath.Join(dir, "vtep.ctl"), "exit", "--cleanup")
	if status := second.wait(t); status != 0 {
		t.Errorf("the second ended with status %d", status)
	}
	if exists(w.pins + "2") {
		t.Error("the second has left its pins")
	}
	stop()
	w.reach(lab.Host1, lab.Host2)
}
