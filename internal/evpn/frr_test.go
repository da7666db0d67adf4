package evpn_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

const deadline = 90 * time.Second

// fabric is a database with a bridge at 10.0.0.1, and leaves that run FRR with a kernel's bridge and vxlan device.
type fabric struct {
	testing.TB
	env     *testenv.Env
	program string
	socket  string // by which the bridge gets to the database
	own     *namespace.Namespace
	control string
	bridge  *exec.Cmd
}

func newFabric(t testing.TB, name, ip, config string) *fabric {
	t.Helper()
	testenv.Root(t)
	f := &fabric{TB: t, env: testenv.OVS(t), program: filepath.Join(testenv.Binary(t), "vtep"), own: testnet.Quiet(t, name)}
	testnet.Links(t, f.own, func(h *netlink.Handle) error {
		return h.LinkAdd(&netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "u0"}})
	})
	testnet.Up(t, f.own, "u0")
	testnet.Up(t, f.own, "lo")
	testnet.Address(t, f.own, "u0", ip+"/24")
	file := filepath.Join(f.env.DBDir, "vtep.db")
	f.env.Output(t, testenv.Program(t, "ovsdb-tool"), "create", file, filepath.Join(testenv.Tree(t), "internal/hwvtep/vtep.ovsschema"))
	db, err := server.New(server.Options{RunDir: f.env.RunDir})
	if err == nil {
		_, err = db.AddDatabase(file)
	}
	if err == nil {
		err = db.AddRemote("punix:" + filepath.Join(f.env.RunDir, "db.sock"))
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	f.ctl("add-ps", "v1", "--", "set", "Physical_Switch", "v1", "tunnel_ips="+ip, "--", "add-ls", "ls0", "--", "set", "Logical_Switch", "ls0", "tunnel_key=33",
		"--", "add-mcast-local", "ls0", "unknown-dst", ip)
	if err := os.WriteFile(filepath.Join(f.env.DBDir, "bgp.yaml"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	f.control, f.socket = filepath.Join(f.env.RunDir, "evpn.ctl"), filepath.Join(f.env.RunDir, "db.sock")
	f.start()
	return f
}

// start starts the bridge.
func (f *fabric) start() {
	f.Helper()
	f.bridge = f.env.Command(f.program, "evpn", "--bgp="+filepath.Join(f.env.DBDir, "bgp.yaml"), "--rundir="+f.env.RunDir, "--unixctl="+f.control,
		"unix:"+f.socket)
	out, err := os.OpenFile(filepath.Join(f.env.DBDir, "evpn.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		f.Fatal(err)
	}
	defer out.Close()
	f.bridge.Stderr, f.bridge.Stdout = out, out
	if err := f.own.Start(f.bridge); err != nil {
		f.Fatal(err)
	}
	cmd := f.bridge
	f.Cleanup(func() {
		if b, _ := os.ReadFile(out.Name()); f.Failed() {
			f.Logf("%s\n%s%s", b, f.appctl("evpn/status"), f.appctl("evpn/routes"))
		}
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
}

func (f *fabric) kill() {
	_ = f.bridge.Process.Kill()
	_ = f.bridge.Wait()
}

func (f *fabric) ctl(args ...string) string {
	f.Helper()
	return f.env.Output(f, f.program, append([]string{"ctl", "--db=unix:" + filepath.Join(f.env.RunDir, "db.sock")}, args...)...)
}

func (f *fabric) appctl(args ...string) string {
	out, _ := f.env.Command(f.program, append([]string{"appctl", "-t", f.control}, args...)...).CombinedOutput()
	return string(out)
}

// remote waits until the remote rows of ls0 are these, "MAC>IP", or "unknown-dst>IP,IP".
func (f *fabric) remote(want ...string) {
	f.Helper()
	slices.Sort(want)
	testenv.Eventually(f, deadline, func() error {
		sets := map[string][]string{}
		for _, line := range strings.Split(f.ctl("list-remote-macs", "ls0"), "\n") {
			words := strings.Fields(line)
			if len(words) < 3 || words[1] != "->" {
				continue
			}
			sets[words[0]] = append(sets[words[0]], strings.TrimPrefix(words[2], "vxlan_over_ipv4/"))
		}
		var got []string
		for mac, at := range sets {
			slices.Sort(at)
			got = append(got, mac+">"+strings.Join(at, ","))
		}
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("remote rows %q, want %q", got, want)
		}
		return nil
	})
}

// leaf is a switch with FRR.
type leaf struct {
	*fabric
	ns     *namespace.Namespace
	dir    string
	ip     string
	zebra  string // its configuration
	daemon map[string]*exec.Cmd
}

// leaf starts one at 10.0.0.N, with the VNI 33 on a bridge that has a port h0.
func (f *fabric) leaf(n int, as uint32, config string, prepare ...func(*leaf)) *leaf {
	f.Helper()
	l := &leaf{fabric: f, ns: testnet.Quiet(f, fmt.Sprintf("f%d", n)), dir: f.TempDir(), ip: fmt.Sprintf("10.0.0.%d", n), daemon: map[string]*exec.Cmd{}}
	f.joins(fmt.Sprintf("p%d", n), l.ns, "u0")
	testnet.Veth(f, l.ns, "h0", l.ns, "host", 1500)
	testnet.Up(f, l.ns, "lo")
	testnet.Address(f, l.ns, "u0", l.ip+"/24")
	testnet.Links(f, l.ns, func(h *netlink.Handle) error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br33"}}
		vx := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx33"}, VxlanId: 33, SrcAddr: net.ParseIP(l.ip), Port: 4789, Learning: false}
		for _, link := range []netlink.Link{br, vx} {
			if err := h.LinkAdd(link); err != nil {
				return fmt.Errorf("%s: %w", link.Attrs().Name, err)
			}
		}
		h0, err := h.LinkByName("h0")
		if err != nil {
			return err
		}
		for _, link := range []netlink.Link{vx, h0} {
			if err := h.LinkSetMaster(link, br); err != nil {
				return err
			}
			if err := h.LinkSetUp(link); err != nil {
				return err
			}
		}
		if err := h.LinkSetLearning(vx, false); err != nil {
			return err
		}
		return h.LinkSetUp(br)
	})
	if config == "" {
		config = fmt.Sprintf("router bgp %d\n bgp router-id %s\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
			" address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n exit-address-family\n", as, l.ip)
	}
	for _, prepare := range prepare {
		prepare(l)
	}
	l.write("bgpd.conf", config)
	l.run("zebra")
	l.run("bgpd")
	return l
}

// joins puts a veth between the fabric's network and another namespace.
func (f *fabric) joins(port string, n *namespace.Namespace, device string) {
	f.Helper()
	testnet.Veth(f, f.own, port, n, device, 1500)
	f.enslave(f.own, port, "u0")
}

// meets makes the networks of two databases one.
func (f *fabric) meets(g *fabric) {
	f.Helper()
	f.joins("pw", g.own, "pv")
	g.enslave(g.own, "pv", "u0")
}

// enslave makes a device a port of a bridge.
func (f *fabric) enslave(n *namespace.Namespace, port, bridge string) {
	f.Helper()
	testnet.Link(f, n, port, func(h *netlink.Handle, link netlink.Link) error {
		master, err := h.LinkByName(bridge)
		if err != nil {
			return err
		}
		return h.LinkSetMaster(link, master)
	})
}

// run starts a daemon of FRR.
func (l *leaf) run(name string) {
	l.Helper()
	root := os.Getenv("VTEP_TESTROOT")
	program := filepath.Join(root, "usr/lib/frr", name)
	if _, err := os.Stat(program); err != nil {
		testenv.Skip(l, "no FRR: %v", err)
	}
	args := []string{program, "-u", "root", "-g", "root", "-f", filepath.Join(l.dir, name+".conf"), "-i", filepath.Join(l.dir, name+".pid"),
		"-z", filepath.Join(l.dir, "zserv.api"), "--vty_socket", l.dir, "-A", "127.0.0.1", "-P", "0", "--log", "stdout"}
	if name == "zebra" {
		l.write("zebra.conf", l.zebra)
		l.write("group", "root:x:0:\nfrr:x:0:\nfrrvty:x:0:\n") // it insists on that group
	} else {
		args = append(args, "-p", "179")
	}
	cmd := l.env.Command("unshare", append([]string{"--mount", "sh", "-c", `mount --bind "$0" /etc/group && exec "$@"`, filepath.Join(l.dir, "group")}, args...)...)
	libs, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu*/frr"))
	cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+os.Getenv("LD_LIBRARY_PATH")+":"+strings.Join(libs, ":"))
	out, err := os.Create(filepath.Join(l.dir, name+".log"))
	if err != nil {
		l.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := l.ns.Start(cmd); err != nil {
		l.Fatal(err)
	}
	l.daemon[name] = cmd
	l.Cleanup(func() {
		l.end(name, syscall.SIGKILL)
		if b, _ := os.ReadFile(filepath.Join(l.dir, name+".log")); l.Failed() {
			l.Logf("%s of %s:\n%s", name, l.ip, b)
		}
	})
}

func (l *leaf) write(name, text string) {
	l.Helper()
	if err := os.WriteFile(filepath.Join(l.dir, name), []byte(text), 0o600); err != nil {
		l.Fatal(err)
	}
}

func (l *leaf) end(name string, s os.Signal) {
	if cmd := l.daemon[name]; cmd != nil {
		_ = cmd.Process.Signal(s)
		_ = cmd.Wait()
		delete(l.daemon, name)
	}
}

// speaks has a host be heard at h0, until the function that it returns.
func (l *leaf) speaks(mac string) {
	l.Helper()
	l.neigh(mac, func(h *netlink.Handle, n *netlink.Neigh) error { return h.NeighSet(n) })
}

func (l *leaf) silent(mac string) {
	l.Helper()
	l.neigh(mac, func(h *netlink.Handle, n *netlink.Neigh) error { return h.NeighDel(n) })
}

func (l *leaf) neigh(mac string, f func(*netlink.Handle, *netlink.Neigh) error) {
	hw, err := net.ParseMAC(mac)
	if err != nil {
		l.Fatal(err)
	}
	testnet.Link(l, l.ns, "h0", func(h *netlink.Handle, link netlink.Link) error {
		return f(h, &netlink.Neigh{LinkIndex: link.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_MASTER, State: netlink.NUD_REACHABLE, HardwareAddr: hw})
	})
}

// sends waits until frames to a MAC go to that VTEP ("": are not sent to any by name).
func (l *leaf) sends(mac, to string) {
	l.Helper()
	testenv.Eventually(l, deadline, func() error {
		got := ""
		testnet.Link(l, l.ns, "vx33", func(h *netlink.Handle, link netlink.Link) error {
			all, err := h.NeighList(link.Attrs().Index, unix.AF_BRIDGE)
			for _, n := range all {
				if n.HardwareAddr.String() == mac && n.IP != nil {
					got = n.IP.String()
				}
			}
			return err
		})
		if got != to {
			return fmt.Errorf("FRR's kernel sends %s to %q, want %q", mac, got, to)
		}
		return nil
	})
}

const (
	macA = "02:00:00:00:00:0a"
	macB = "02:00:00:00:00:0b"
	all  = "00:00:00:00:00:00" // where the kernel floods to
)

// Hosts on either side are known on the other, move, and go.
func TestFRR(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	l := f.leaf(2, 65002, "")
	l.sends(all, "10.0.0.1")
	f.remote("unknown-dst>10.0.0.2")

	f.ctl("add-ucast-local", "ls0", macA, "10.0.0.1")
	l.sends(macA, "10.0.0.1")
	l.speaks(macB)
	f.remote("unknown-dst>10.0.0.2", macB+">10.0.0.2")

	// B moves here, there, and back.
	f.ctl("add-ucast-local", "ls0", macB, "10.0.0.1")
	l.sends(macB, "10.0.0.1")
	f.remote("unknown-dst>10.0.0.2")
	l.speaks(macB)
	f.remote("unknown-dst>10.0.0.2", macB+">10.0.0.2")
	f.ctl("del-ucast-local", "ls0", macB, "--", "add-ucast-local", "ls0", macB, "10.0.0.1")
	l.sends(macB, "10.0.0.1")
	f.remote("unknown-dst>10.0.0.2")
	f.ctl("del-ucast-local", "ls0", macA)
	l.sends(macA, "")

	// Another writer's row stays, and comes first.
	l.speaks(macA)
	f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2")
	l.silent(macA)
	f.remote("unknown-dst>10.0.0.2")
	f.ctl("add-ucast-remote", "ls0", macA, "10.0.0.99", "--", "add-mcast-remote", "ls0", "unknown-dst", "10.0.0.98")
	l.speaks(macA)
	f.remote("unknown-dst>10.0.0.2,10.0.0.98", macA+">10.0.0.99")
	f.ctl("del-ucast-remote", "ls0", macA)
	f.remote("unknown-dst>10.0.0.2,10.0.0.98", macA+">10.0.0.2")

	// The bridge goes and comes back: rows stay meanwhile, and what has gone then goes.
	f.kill()
	l.silent(macA)
	f.remote("unknown-dst>10.0.0.2,10.0.0.98", macA+">10.0.0.2")
	f.start()
	f.remote("unknown-dst>10.0.0.2,10.0.0.98")
	l.sends(macB, "10.0.0.1")

	// The VNI changes, and the neighbour dies.
	f.ctl("set", "Logical_Switch", "ls0", "tunnel_key=0")
	f.remote("unknown-dst>10.0.0.98")
	l.sends(macB, "")
	l.sends(all, "")
	f.ctl("set", "Logical_Switch", "ls0", "tunnel_key=33")
	l.sends(all, "10.0.0.1")
	f.remote("unknown-dst>10.0.0.2,10.0.0.98")
	l.end("bgpd", syscall.SIGKILL)
	f.remote("unknown-dst>10.0.0.98")
}

// Two databases are one network by iBGP.
func TestTwoBridges(t *testing.T) {
	const config = "as: 65001\nrouter-id: %s\nneighbors:\n- address: %s\n"
	f := newFabric(t, "v", "10.0.0.1", fmt.Sprintf(config, "10.0.0.1", "10.0.0.2"))
	g := newFabric(t, "w", "10.0.0.2", fmt.Sprintf(config, "10.0.0.2", "10.0.0.1"))
	f.meets(g)
	f.remote("unknown-dst>10.0.0.2")
	g.remote("unknown-dst>10.0.0.1")
	f.ctl("add-ucast-local", "ls0", macA, "10.0.0.1")
	id := strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", "Ucast_Macs_Local", `MAC="`+macA+`"`))
	f.ctl("set", "Ucast_Macs_Local", id, "ipaddr=192.0.2.1")
	g.remote("unknown-dst>10.0.0.1", macA+">10.0.0.1")
	testenv.Eventually(t, deadline, func() error {
		if out := g.ctl("--columns=ipaddr", "list", "Ucast_Macs_Remote"); !strings.Contains(out, "192.0.2.1") {
			return fmt.Errorf("the row has no address: %s", out)
		}
		return nil
	})
	g.ctl("add-ucast-local", "ls0", macA, "10.0.0.2")
	f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2")
	g.remote("unknown-dst>10.0.0.1")
	f.ctl("del-ucast-local", "ls0", macA) // as its VTEP does then

	// Another VNI with the same target is the same network; another target is another.
	g.ctl("set", "Logical_Switch", "ls0", `other_config:evpn_export="65001:99"`)
	f.remote()
	f.ctl("set", "Logical_Switch", "ls0", `other_config:evpn_import="65001:99"`)
	f.remote("unknown-dst>10.0.0.2", macA+">10.0.0.2")
	g.ctl("set", "Physical_Switch", "v1", "tunnel_ips=10.0.0.3", "--", "del-mcast-local", "ls0", "unknown-dst", "10.0.0.2", "--", "add-mcast-local", "ls0", "unknown-dst", "10.0.0.3")
	f.remote("unknown-dst>10.0.0.3")
	g.ctl("set", "Physical_Switch", "v1", `tunnel_ips="10.0.0.3","10.0.0.2"`)
	f.remote("unknown-dst>10.0.0.3", macA+">10.0.0.2")
	g.ctl("set", "Logical_Switch", "ls0", "other_config:evpn=false")
	g.remote()
	g.ctl("clear-local-macs", "ls0", "--", "del-ls", "ls0")
	f.remote()
	if out := f.appctl("evpn/explain", macA); !strings.HasPrefix(out, "no route is of ") {
		t.Errorf("explains %s", out)
	}
}
