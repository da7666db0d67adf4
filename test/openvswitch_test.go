package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// howto is the place where the howto of Open vSwitch's VTEP emulator is followed to the letter:
//
//	h0 192.168.33.1 -- veth -- p0 ┐                                    ┌ vx0 192.168.33.100
//	h1 (VLAN 100)   -- veth -- p1 ┴ br0    br-ex 10.2.2.1 -- u0 -- r0 -┘ 10.2.2.2
//
// p0 and p1 are ports of br0, u0 is one of br-ex. The remote VTEP is the kernel's vxlan device.
type howto struct {
	*testenv.Env
	t             testing.TB
	vtep, h0, far *namespace.Namespace
	ours          string // directory of our programs
	daemons       map[string]bool
}

func newHowto(t *testing.T) *howto {
	testenv.Root(t)
	h := &howto{Env: testenv.OVS(t), t: t, ours: testenv.Binary(t), daemons: map[string]bool{}}
	h.vtep, h.h0, h.far = testenv.Netns(t, "v"), testenv.Netns(t, "h"), testenv.Netns(t, "r")
	for _, l := range []struct {
		n         *namespace.Namespace
		far, near string
	}{{h.h0, "h0", "p0"}, {h.h0, "h1", "p1"}, {h.far, "r0", "u0"}} {
		testnet.Veth(t, l.n, l.far, h.vtep, l.near, 0)
	}
	h.address(h.h0, "h0", "192.168.33.1/24")
	h.address(h.far, "r0", "10.2.2.2/24")
	// A veth leaves checksums to the one who reads: Open vSwitch in userspace would find them wrong.
	vx := exec.Command(testenv.Program(t, "ip"), strings.Fields("link add vx0 mtu 1400 type vxlan id 33 local 10.2.2.2 remote 10.2.2.1 dstport 4789 noudpcsum")...)
	if err := h.far.Run(vx); err != nil {
		t.Fatal(err)
	}
	h.address(h.far, "vx0", "192.168.33.100/24")
	t.Cleanup(h.end)
	return h
}

func (h *howto) address(n *namespace.Namespace, dev, cidr string) {
	h.t.Helper()
	testnet.Address(h.t, n, dev, cidr)
	testnet.Up(h.t, n, dev)
}

// program returns the path of a program: ours, if it is to stand in for Open vSwitch's.
func (h *howto) program(name string, ours bool) string {
	if ours {
		return filepath.Join(h.ours, name)
	}
	return testenv.Program(h.t, name)
}

// run runs a command line where the VTEP is, as a person types it. It must print nothing on
// standard error, where daemons of Open vSwitch tell of their log.
func (h *howto) run(program string, line string) string {
	h.t.Helper()
	cmd := h.Command(program, strings.Fields(line)...)
	cmd.Dir = h.DBDir
	var out, stderr strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &stderr
	err := h.vtep.Run(cmd)
	quiet := stderr.Len() == 0 || strings.HasSuffix(stderr.String(), filepath.Base(program)+".log\n") && !strings.HasPrefix(program, h.ours)
	if err != nil || !quiet {
		h.t.Fatalf("%s %s: %v\n%s%s", filepath.Base(program), line, err, out.String(), stderr.String())
	}
	return out.String()
}

// daemon does so with a program that goes on in the background.
func (h *howto) daemon(program, line string) {
	h.t.Helper()
	h.daemons[filepath.Base(program)] = true
	h.run(program, line)
}

// exit ends a daemon by its control socket.
func (h *howto) exit(name string, args ...string) {
	h.t.Helper()
	pid, err := os.ReadFile(filepath.Join(h.RunDir, name+".pid"))
	if err != nil {
		h.t.Logf("%s did not start: %v", name, err)
		return
	}
	h.Output(h.t, testenv.Program(h.t, "ovs-appctl"), append([]string{"--timeout=90", "-t", name, "exit"}, args...)...)
	testenv.Eventually(h.t, patience, func() error {
		if exists(filepath.Join("/proc", strings.TrimSpace(string(pid)))) {
			return fmt.Errorf("%s runs still", name)
		}
		return nil
	})
	delete(h.daemons, name)
}

func (h *howto) end() {
	for _, name := range []string{"ovs-vtep", "ovs-vswitchd", "ovsdb-server"} {
		if h.daemons[name] {
			h.exit(name)
		}
	}
}

// ping wants an answer within patience.
func (h *howto) ping(from *namespace.Namespace, to string) {
	h.t.Helper()
	ping := testenv.Program(h.t, "ping")
	testenv.Eventually(h.t, patience, func() error {
		out := &strings.Builder{}
		cmd := exec.Command(ping, "-c", "1", "-W", "1", to)
		cmd.Stdout, cmd.Stderr = out, out
		if err := from.Run(cmd); err != nil {
			return fmt.Errorf("ping %s: %w\n%s", to, err, out)
		}
		return nil
	})
}

// switchOn is step 1 of the howto: databases, server, switch, bridge.
func (h *howto) switchOn(ours bool) {
	h.t.Helper()
	schemas := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch")
	tool := h.program("ovsdb-tool", ours)
	h.run(tool, "create ovs.db "+schemas+"/vswitch.ovsschema")
	h.run(tool, "create vtep.db "+schemas+"/vtep.ovsschema")
	h.daemon(h.program("ovsdb-server", ours), "--pidfile --detach --no-chdir --log-file --remote punix:"+h.RunDir+"/db.sock "+
		"--remote=db:hardware_vtep,Global,managers ovs.db vtep.db")
	vsctl := testenv.Program(h.t, "ovs-vsctl")
	h.run(vsctl, "--no-wait init -- set Open_vSwitch . other_config:n-handler-threads=1 other_config:n-revalidator-threads=1")
	h.daemon(testenv.Program(h.t, "ovs-vswitchd"), "--log-file --detach --no-chdir --pidfile unix:"+h.RunDir+"/db.sock -vconsole:off")
	h.run(vsctl, "add-br br0 -- set Bridge br0 datapath_type=netdev")
	h.run(vsctl, "add-port br0 p0")
	h.run(vsctl, "add-port br0 p1")
	h.run(vsctl, "add-br br-ex -- set Bridge br-ex datapath_type=netdev -- add-port br-ex u0")
	h.address(h.vtep, "br-ex", "10.2.2.1/24")
}

// TestEmulatorHowto follows the howto of the emulator: with Open vSwitch's programs around ours,
// and with every program that we have in its place.
func TestEmulatorHowto(t *testing.T) {
	for name, ours := range map[string]bool{"C programs": false, "our programs": true} {
		t.Run(name, func(t *testing.T) {
			h := newHowto(t)
			h.switchOn(ours)
			ctl := h.program("vtep-ctl", ours)
			h.run(ctl, "add-ps br0")
			h.run(ctl, "set Physical_Switch br0 tunnel_ips=10.2.2.1")
			vtep := h.program("ovs-vtep", true)
			h.daemon(vtep, "--log-file="+h.LogDir+"/ovs-vtep.log --pidfile="+h.RunDir+"/ovs-vtep.pid --detach br0")
			h.run(ctl, "set-manager ptcp:6640")
			testenv.Eventually(t, patience, func() error {
				if ports := h.run(ctl, "list-ports br0"); ports != "p0\np1\n" {
					return fmt.Errorf("ports %q", ports)
				}
				return nil
			})

			// Simulating an NVC.
			h.run(ctl, "add-ls ls0")
			h.run(ctl, "bind-ls br0 p0 0 ls0")
			h.run(ctl, "set Logical_Switch ls0 tunnel_key=33")
			h.run(ctl, "add-mcast-remote ls0 unknown-dst 10.2.2.2")
			h.ping(h.h0, "192.168.33.100")
			h.ping(h.far, "192.168.33.1")
			mac := h.mac(h.far, "vx0")
			h.run(ctl, "add-ucast-remote ls0 "+mac+" 10.2.2.2")
			h.run(ctl, "bind-ls br0 p1 100 ls0")
			h.ping(h.h0, "192.168.33.100")
			own := h.mac(h.h0, "h0")
			testenv.Eventually(t, patience, func() error {
				if macs := h.run(ctl, "list-local-macs ls0"); !strings.Contains(macs, own+" -> vxlan_over_ipv4/10.2.2.1") {
					return fmt.Errorf("local MACs\n%s", macs)
				}
				return nil
			})
			h.footprint()
			told := h.run(filepath.Join(h.ours, "vtep"), "trace --rundir="+h.RunDir+" --target=ovs-vtep --port=p0 --src="+own+" --dst="+mac+" --ip=192.168.33.100")
			if !strings.Contains(told, "bridge(\"br0\")") || !strings.Contains(told, "bridge(\"br0_vtep_ls1\")") || !strings.Contains(told, "dst=10.2.2.2") {
				t.Errorf("of a frame to the other VTEP it is told:\n%s", told)
			}
			log := readFile(t, filepath.Join(h.LogDir, "ovs-vtep.log"))
			for _, mark := range []string{"|WARN|", "|ERR|", "|EMER|"} {
				if strings.Contains(log, mark) {
					t.Errorf("the log of a clean run has %s:\n%s", mark, log)
				}
			}
			// It leaves forwarding in place, and takes it down when it is told to.
			h.exit("ovs-vtep")
			h.ping(h.h0, "192.168.33.100")
			h.daemon(vtep, "--log-file --pidfile --detach br0")
			h.exit("ovs-vtep", "--cleanup")
			if got := h.run(testenv.Program(t, "ovs-vsctl"), "list-br"); got != "br-ex\nbr0\nvtep_bfd\n" {
				t.Errorf("bridges %q are left", got)
			}
		})
	}
}

// footprint looks for what other people's scripts look at.
func (h *howto) footprint() {
	h.t.Helper()
	vsctl := testenv.Program(h.t, "ovs-vsctl")
	for _, c := range []struct{ command, want string }{
		{"br-get-external-id br0_vtep_ls1 logical_switch_name", "ls0\n"},
		{"get Bridge br0 fail_mode", "secure\n"},
		{"get Bridge br0_vtep_ls1 fail_mode", "secure\n"},
		{"port-to-br 0000-p0-l", "br0_vtep_ls1\n"},
		{"port-to-br 0100-p1-p", "br0\n"},
		{"list-ports vtep_bfd", "bfd10.2.2.2\n"},
		{"get Interface bfd10.2.2.2 options", "{remote_ip=\"10.2.2.2\"}\n"},
	} {
		if got := h.run(vsctl, c.command); got != c.want {
			h.t.Errorf("ovs-vsctl %s: %q, want %q", c.command, got, c.want)
		}
	}
	flows := h.run(testenv.Program(h.t, "ovs-ofctl"), "dump-flows br0_vtep_ls1")
	outputs := 0
	for line := range strings.Lines(flows) {
		if strings.Contains(line, "priority=0") {
			outputs += strings.Count(line, "output")
		}
	}
	if outputs != 3 {
		h.t.Errorf("%d outputs in the flood flow, want 3: two ports and a tunnel\n%s", outputs, flows)
	}
	if !strings.Contains(flows, "cookie=0x5000") || !strings.Contains(flows, "priority=1000,dl_dst="+h.mac(h.h0, "h0")) {
		h.t.Errorf("no learned flow:\n%s", flows)
	}
}

func (h *howto) mac(n *namespace.Namespace, dev string) (mac string) {
	h.t.Helper()
	testnet.Links(h.t, n, func(l *netlink.Handle) error {
		d, err := l.LinkByName(dev)
		if err == nil {
			mac = d.Attrs().HardwareAddr.String()
		}
		return err
	})
	return mac
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestEmulatorTakesTurns has ours take over what the emulator in Python has left, and the
// emulator what ours has left.
func TestEmulatorTakesTurns(t *testing.T) {
	h := newHowto(t)
	h.switchOn(false)
	ctl := h.program("vtep-ctl", false)
	h.run(ctl, "add-ps br0 -- set Physical_Switch br0 tunnel_ips=10.2.2.1")
	h.run(ctl, "add-ls ls0 -- set Logical_Switch ls0 tunnel_key=33")
	h.run(ctl, "add-mcast-remote ls0 unknown-dst 10.2.2.2")
	emulator := filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/openvswitch/scripts/ovs-vtep")
	if !exists(emulator) {
		testenv.Skip(t, "needs the emulator: run scripts/testdeps")
	}
	python := testenv.Program(t, "python3")
	bound := false
	for turn, ours := range []bool{false, true, false, true} {
		if ours {
			h.daemon(h.program("ovs-vtep", true), "--log-file --pidfile --detach br0")
		} else {
			h.daemons["ovs-vtep"] = true
			h.run(python, emulator+" --log-file --pidfile --detach -vconsole:off br0")
		}
		testenv.Eventually(t, patience, func() error {
			if ports := h.run(ctl, "list-ports br0"); ports != "p0\np1\n" {
				return fmt.Errorf("turn %d: ports %q", turn, ports)
			}
			return nil
		})
		if !bound {
			h.run(ctl, "bind-ls br0 p0 0 ls0")
			bound = true
		}
		h.ping(h.h0, "192.168.33.100")
		if ours {
			testenv.Eventually(t, patience, func() error {
				if show := h.run(testenv.Program(t, "ovs-vsctl"), "show"); strings.Contains(show, "Port vx") || strings.Contains(show, `Port "vx`) {
					return errors.New("a tunnel port of the emulator is left:\n" + show)
				}
				return nil
			})
			flows := h.run(testenv.Program(t, "ovs-ofctl"), "dump-flows br0")
			if strings.Contains(flows, "cookie=0x0,") {
				t.Errorf("flows of the emulator are left:\n%s", flows)
			}
		}
		h.exit("ovs-vtep")
	}
}

// TestOVNOnOpenVSwitch has ovn-controller-vtep drive ours on Open vSwitch: a datapath of the
// southbound database with our port and a hypervisor, whose host is behind the kernel's vxlan
// device; traffic both ways.
func TestOVNOnOpenVSwitch(t *testing.T) {
	h := newHowto(t)
	h.switchOn(false)
	ctl := h.program("vtep-ctl", false)
	h.run(ctl, "add-ps br0 -- set Physical_Switch br0 tunnel_ips=10.2.2.1")
	h.daemon(h.program("ovs-vtep", true), "--log-file --pidfile --detach br0")
	sb := "unix:" + filepath.Join(h.DBDir, "sb.sock")
	db := filepath.Join(h.DBDir, "sb.db")
	h.Output(t, testenv.Program(t, "ovsdb-tool"), "create", db, filepath.Join(os.Getenv("VTEP_TESTROOT"), "usr/share/ovn/ovn-sb.ovsschema"))
	background := func(name string, cmd *exec.Cmd) {
		p := launch(t, nil, cmd, filepath.Join(h.LogDir, name))
		t.Cleanup(func() {
			_ = p.cmd.Process.Signal(syscall.SIGTERM)
			p.wait(t)
		})
	}
	background("sb.log", h.Command(testenv.Program(t, "ovsdb-server"), "--remote=p"+sb, "--unixctl="+filepath.Join(h.DBDir, "sb.ctl"), db))
	testenv.Eventually(t, patience, func() error { return listens(strings.TrimPrefix(sb, "unix:")) })
	controller := h.Command(testenv.Program(t, "ovn-controller-vtep"), "--vtep-db=unix:"+filepath.Join(h.RunDir, "db.sock"), "--ovnsb-db="+sb)
	controller.Env = append(controller.Env, "OVN_RUNDIR="+h.DBDir)
	background("controller.log", controller)

	testenv.Eventually(t, patience, func() error {
		if ports := h.run(ctl, "list-ports br0"); ports != "p0\np1\n" {
			return fmt.Errorf("ports %q", ports)
		}
		return nil
	})
	h.run(ctl, "add-ls lsw0 -- bind-ls br0 p0 0 lsw0")
	sbctl := func(args ...string) string {
		t.Helper()
		return strings.TrimSpace(h.Output(t, testenv.Program(t, "ovn-sbctl"), append([]string{"--db=" + sb, "--timeout=90"}, args...)...))
	}
	testenv.Eventually(t, patience, func() error {
		if ls := sbctl("--bare", "--columns=vtep_logical_switches", "find", "Chassis", "name=br0"); ls != "lsw0" {
			return fmt.Errorf("the chassis has the logical switches %q", ls)
		}
		return nil
	})
	sbctl("--id=@dp", "create", "Datapath_Binding", "tunnel_key=33",
		"--", "create", "Port_Binding", "datapath=@dp", "logical_port=vtep-port", "type=vtep", "tunnel_key=1",
		"options:vtep-physical-switch=br0", "options:vtep-logical-switch=lsw0",
		"--", "--id=@encap", "create", "Encap", "type=vxlan", "ip=10.2.2.2", "chassis_name=hv1",
		"--", "--id=@hv", "create", "Chassis", "name=hv1", "encaps=@encap",
		"--", "create", "Port_Binding", "datapath=@dp", "logical_port=vm", "chassis=@hv", "tunnel_key=2",
		fmt.Sprintf(`mac="%s 192.168.33.100"`, h.mac(h.far, "vx0")))
	h.ping(h.h0, "192.168.33.100")
	h.ping(h.far, "192.168.33.1")
	own := h.mac(h.h0, "h0")
	testenv.Eventually(t, patience, func() error {
		if macs := h.run(ctl, "list-local-macs lsw0"); !strings.Contains(macs, own) {
			return fmt.Errorf("local MACs\n%s", macs)
		}
		return nil
	})
	// Unbound, the switch can be deleted at once, whatever was learned.
	h.run(ctl, "unbind-ls br0 p0 0")
	testenv.Eventually(t, patience, func() error {
		cmd := h.Command(ctl, "clear-remote-macs", "lsw0", "--", "del-ls", "lsw0")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	testenv.Eventually(t, patience, func() error {
		if left := h.run(testenv.Program(t, "ovs-vsctl"), "list-ports vtep_bfd"); left != "" {
			return fmt.Errorf("ports of vtep_bfd: %q", left)
		}
		return nil
	})
}
