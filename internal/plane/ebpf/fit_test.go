package ebpf

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testenv"
)

func taking(name string, yes bool) *intent.Delta {
	return &intent.Delta{Ports: []intent.Change[string, intent.Port]{
		{Key: name, Old: &intent.Port{TakeOver: !yes}, New: &intent.Port{TakeOver: yes}},
	}}
}

// portError is what a Report says of a port.
func (w *world) portError(p *Plane, s *intent.State, d *intent.Delta, port string) error {
	w.t.Helper()
	r, err := p.Apply(w.t.Context(), s, d)
	if err != nil {
		w.t.Fatal(err)
	}
	return r.Ports[port]
}

// link changes a device of the vtep ns.
func (w *world) link(name string, f func(h *netlink.Handle, l netlink.Link) error) {
	w.t.Helper()
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		return f(h, l)
	})
}

// A device that belongs to somebody is not taken away without being told to; when it is given
// free, or the word is given, it becomes the port.
func TestDeviceOfSomebody(t *testing.T) {
	w := newWorld(t)
	attrs := func(name string, parent int) netlink.LinkAttrs {
		a := netlink.NewLinkAttrs()
		a.Name, a.ParentIndex = name, parent
		return a
	}
	w.links(w.vtep, func(h *netlink.Handle) error { return h.LinkAdd(&netlink.Bridge{LinkAttrs: attrs("br0", 0)}) })
	enslave := func(to string) {
		w.link("p1", func(h *netlink.Handle, l netlink.Link) error {
			if to == "" {
				return h.LinkSetNoMaster(l)
			}
			master, err := h.LinkByName(to)
			if err != nil {
				return err
			}
			return h.LinkSetMaster(l, master)
		})
	}
	enslave("br0")
	p := w.plane(Options{})
	s := basic()
	const ofBridge = `network device "p1" belongs to the bridge "br0"; take it out of there, or set other_config:take_over=true`
	if err := w.portError(p, s, nil, "p1"); err == nil || !strings.Contains(err.Error(), ofBridge) {
		t.Fatalf("p1 of a bridge: %v", err)
	}
	none := &intent.Delta{}
	alone := func() { // p1 is no port
		t.Helper()
		b := frame(bcast, macA, "without p1")
		w.send("h0", b)
		w.expectTunnel(peerIP, 10, b)
		w.barrier()
		w.expectNothing("h1", b)
		w.audit(p)
	}
	alone()

	// The word is given, and taken back.
	s.Ports["p1"] = intent.Port{TakeOver: true}
	w.apply(p, s, taking("p1", true))
	both := func() {
		t.Helper()
		b := frame(bcast, macA, "with p1")
		w.send("h0", b)
		w.expect("h1", b)
		w.audit(p)
	}
	both()
	s.Ports["p1"] = intent.Port{}
	if err := w.portError(p, s, taking("p1", false), "p1"); err == nil {
		t.Fatal("p1 is still taken over")
	}
	alone()

	// It is given free, and taken again, while it is a port.
	enslave("")
	testenv.Eventually(t, patience, func() error { return w.portError(p, s, none, "p1") })
	both()
	enslave("br0")
	refused := func(why string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			if err := w.portError(p, s, none, "p1"); err == nil || !strings.Contains(err.Error(), why) {
				return fmt.Errorf("p1: %v, should say %q", err, why)
			}
			return nil
		})
		alone()
	}
	refused(ofBridge)
	enslave("")
	testenv.Eventually(t, patience, func() error { return w.portError(p, s, none, "p1") })

	w.link("p1", func(h *netlink.Handle, l netlink.Link) error {
		return h.LinkAdd(&netlink.Macvlan{LinkAttrs: attrs("m0", l.Attrs().Index), Mode: netlink.MACVLAN_MODE_BRIDGE})
	})
	refused(`belongs to the macvlan "m0" upon it`)
	w.removeLink(w.vtep, "m0")
	testenv.Eventually(t, patience, func() error { return w.portError(p, s, none, "p1") })
	both()
}

// An Open vSwitch bridge in user space holds its ports by packet sockets, of which the kernel
// tells nobody.
func TestDeviceOfOpenVSwitch(t *testing.T) {
	testenv.Program(t, "ovs-vswitchd")
	w := newWorld(t)
	env := testenv.OVS(t)
	schema := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch/vswitch.ovsschema")
	conf, sock := filepath.Join(env.DBDir, "conf.db"), filepath.Join(env.RunDir, "db.sock")
	env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", conf, schema)
	start := func(name string, args ...string) *exec.Cmd {
		t.Helper()
		cmd := env.Command(testenv.Program(t, name), append(args, "--log-file", "-vconsole:off")...)
		if err := w.vtep.Start(cmd); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
		return cmd
	}
	start("ovsdb-server", "--remote=punix:"+sock, conf)
	vsctl := func(args ...string) {
		t.Helper()
		env.Output(t, testenv.Program(t, "ovs-vsctl"), append([]string{"--db=unix:" + sock, "--timeout=60", "--retry"}, args...)...)
	}
	vsctl("--no-wait", "init")
	daemon := start("ovs-vswitchd", "--disable-system", "unix:"+sock)
	vsctl("add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=netdev", "--", "add-port", "br0", "p1")

	p := w.plane(Options{})
	s := basic()
	err := w.portError(p, s, nil, "p1")
	if want := fmt.Sprintf("an Open vSwitch bridge (ovs-vswitchd, process %d, reads it)", daemon.Process.Pid); err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("p1: %v, should say %q", err, want)
	}
	if err := w.portError(p, s, &intent.Delta{}, "p0"); err != nil {
		t.Errorf("p0 has nothing to do with it: %v", err)
	}
	s.Ports["p1"] = intent.Port{TakeOver: true}
	w.apply(p, s, taking("p1", true))
	vsctl("del-port", "br0", "p1")
	s.Ports["p1"] = intent.Port{}
	w.apply(p, s, taking("p1", false))
}
