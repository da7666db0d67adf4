package evpn_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// router gives a leaf a VNI for packets between networks, 5000, a router with this MAC, and networks behind it. It is
// in the only VRF of its kernel, not one of its own: not all kernels that this runs on have those.
func (l *leaf) router(mac string, networks ...string) {
	l.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		l.Fatal(err)
	}
	testnet.Links(l, l.ns, func(h *netlink.Handle) error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br5000", HardwareAddr: hw}}
		vx := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx5000"}, VxlanId: 5000, SrcAddr: net.ParseIP(l.ip), Port: 4789, Learning: false}
		for _, link := range []netlink.Link{br, vx} {
			if err := h.LinkAdd(link); err != nil {
				return fmt.Errorf("%s: %w", link.Attrs().Name, err)
			}
		}
		if err := h.LinkSetMaster(vx, br); err != nil {
			return err
		}
		for _, link := range []netlink.Link{vx, br} {
			if err := h.LinkSetUp(link); err != nil {
				return err
			}
		}
		return h.LinkSetLearning(vx, false)
	})
	l.ipv6(l.ns, "lo", "br5000")
	for _, network := range networks {
		testnet.Address(l, l.ns, "lo", network)
	}
}

// ipv6 lets a namespace have IPv6, and forward.
func (f *fabric) ipv6(n *namespace.Namespace, devices ...string) {
	f.Helper()
	all := [][2]string{{"ipv4/ip_forward", "1"}, {"ipv6/conf/all/forwarding", "1"}}
	for _, device := range devices {
		for _, conf := range [][2]string{{"accept_dad", "0"}, {"accept_ra", "0"}, {"disable_ipv6", "0"}} {
			all = append(all, [2]string{"ipv6/conf/" + device + "/" + conf[0], conf[1]})
		}
	}
	for _, conf := range all {
		if err := n.Sysctl(conf[0], conf[1]); err != nil {
			f.Fatal(err)
		}
	}
}

// vtep runs a real VTEP of the database, with a port.
func (f *fabric) vtep(port string) {
	f.Helper()
	pins := fmt.Sprintf("/sys/fs/bpf/vtep-evpn-%d-%s", os.Getpid(), filepath.Base(f.own.Path()))
	f.Cleanup(func() { _ = os.RemoveAll(pins) })
	f.vtepWith("--pin-dir="+pins, "--port="+port)
}

// vtepWith does so with other options. It returns the process, which ends with the test at the latest.
func (f *fabric) vtepWith(options ...string) *exec.Cmd {
	f.Helper()
	dir := filepath.Join(f.env.RunDir, "vtep")
	cmd := f.env.Command(f.program, append([]string{"run", "v1", "--connect=unix:" + filepath.Join(f.env.RunDir, "db.sock"), "--rundir=" + dir, "--unixctl=" + filepath.Join(f.env.RunDir, "vtep.ctl")}, options...)...)
	out, err := os.Create(filepath.Join(f.env.DBDir, "vtep.log"))
	if err != nil {
		f.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := f.own.Start(cmd); err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if b, _ := os.ReadFile(out.Name()); f.Failed() {
			drops, _ := f.env.Command(f.program, "appctl", "-t", filepath.Join(f.env.RunDir, "vtep.ctl"), "vtep/drops").CombinedOutput()
			f.Logf("VTEP:\n%s%s", b, drops)
		}
		_ = f.env.Command(f.program, "appctl", "-t", filepath.Join(f.env.RunDir, "vtep.ctl"), "exit", "--cleanup").Run()
		patience := time.AfterFunc(deadline, func() { _ = cmd.Process.Kill() }) // it answers before it has taken everything away
		_ = cmd.Wait()
		patience.Stop()
	})
	return cmd
}

// static waits until lr0 has these static routes and no others.
func (f *fabric) static(want string) {
	f.Helper()
	testenv.Eventually(f, deadline, func() error {
		if got := strings.TrimSpace(f.ctl("--bare", "--columns=static_routes", "list", "Logical_Router")); got != want {
			return fmt.Errorf("static routes %q, want %q", got, want)
		}
		return nil
	})
}

// routes waits until the kernel of a leaf has a route to a prefix by that VTEP, "" for none.
func (l *leaf) routes(prefix, to string) {
	l.Helper()
	want := netip.MustParsePrefix(prefix)
	testenv.Eventually(l, deadline, func() error {
		got := ""
		testnet.Links(l, l.ns, func(h *netlink.Handle) error {
			all, err := h.RouteList(nil, family(want))
			for _, r := range all {
				if r.Dst != nil && r.Dst.String() == prefix && r.Gw != nil {
					got = r.Gw.String()
				}
			}
			return err
		})
		if got != to {
			return fmt.Errorf("FRR's kernel routes %s by %q, want %q", prefix, got, to)
		}
		return nil
	})
}

// answers has a host at h0 be known to the leaf's router by its address.
func (l *leaf) answers(mac, ip string) {
	l.Helper()
	hw, err := net.ParseMAC(mac)
	if err != nil {
		l.Fatal(err)
	}
	l.speaks(mac)
	testnet.Link(l, l.ns, "br33", func(h *netlink.Handle, link netlink.Link) error {
		return h.NeighSet(&netlink.Neigh{LinkIndex: link.Attrs().Index, Family: unix.AF_INET, State: netlink.NUD_REACHABLE, IP: net.ParseIP(ip), HardwareAddr: hw})
	})
}

func family(p netip.Prefix) int {
	if p.Addr().Is6() {
		return netlink.FAMILY_V6
	}
	return netlink.FAMILY_V4
}

// pings waits until an answer comes.
func (f *fabric) pings(n *namespace.Namespace, args ...string) {
	f.Helper()
	testenv.Eventually(f, deadline, func() error {
		cmd := f.env.Command("ping", append([]string{"-n", "-c", "1", "-W", "1"}, args...)...)
		var out strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := n.Start(cmd); err != nil {
			return err
		}
		if err := cmd.Wait(); err != nil {
			return fmt.Errorf("%w: %s", err, out.String())
		}
		return nil
	})
}

// A router of rows and FRR have a VNI for packets between their networks. A host behind a VTEP with eBPF and one
// behind FRR reach one another.
func TestFRRPrefixes(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	host := testnet.Quiet(t, "h")
	testnet.Veth(t, f.own, "p0", host, "eth0", 1450)
	testnet.Up(t, host, "lo")
	testnet.Address(t, host, "eth0", "10.1.0.10/24")
	testnet.Links(t, host, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Gw: net.IPv4(10, 1, 0, 1)})
	})
	f.vtep("p0")
	f.ctl("add-ls", "red", "--", "set", "Logical_Switch", "red", "tunnel_key=5000", "--", "add-ls", "ls1", "--", "set", "Logical_Switch", "ls1", "tunnel_key=34")
	id := func(table, name string) string {
		return strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", table, "name="+name))
	}
	testenv.Eventually(t, deadline, func() error {
		if !strings.Contains(f.ctl("list-ports", "v1"), "p0") {
			return fmt.Errorf("no port")
		}
		return nil
	})
	f.ctl("bind-ls", "v1", "p0", "0", "ls1", "--", "--id=@r", "create", "Logical_Router", "name=lr0", `switch_binding:"10.1.0.1/24"=`+id("Logical_Switch", "ls1"),
		`switch_binding:"169.254.0.1/16"=`+id("Logical_Switch", "red"), `static_routes:"10.9.0.0/16"=10.1.0.10`, "other_config:evpn_l3_switch=red")

	l := f.leaf(2, 65002, "router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
		" address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n  advertise ipv4 unicast gateway-ip\n  advertise ipv6 unicast\n exit-address-family\n"+
		" address-family ipv4 unicast\n  network 10.2.0.0/24\n  redistribute kernel\n exit-address-family\n address-family ipv6 unicast\n  network 2001:db8:2::/64\n exit-address-family\n", func(l *leaf) {
		l.router("02:00:00:00:50:02", "10.2.0.1/24", "2001:db8:2::1/64")
		l.zebra = "vni 5000\n"
	})
	l.routes("10.1.0.0/24", "10.0.0.1")
	l.routes("10.9.0.0/16", "10.0.0.1")
	f.static("10.2.0.0/24=169.254.0.2 10.9.0.0/16=10.1.0.10")
	f.pings(host, "10.2.0.1")
	router := `-- set Logical_Router lr0 `
	set := func(what string) { t.Helper(); f.ctl(strings.Fields(router + what)...) }
	f.pings(l.ns, "-I", "10.2.0.1", "10.1.0.10")

	// A host with an address is known to routers, too, and so are hosts of FRR in a switch that is none here.
	l.routes("10.1.0.10/32", "10.0.0.1")
	set(`switch_binding:"10.3.0.1/24"=` + id("Logical_Switch", "ls0") + ` other_config:router_mac="02:00:00:00:00:fe" other_config:evpn_gateway=true`)
	l.sends("02:00:00:00:00:fe", "10.0.0.1")
	l.answers(macB, "10.3.0.20")
	f.remote("unknown-dst>10.0.0.2", macB+">10.0.0.2")
	f.static("10.2.0.0/24=169.254.0.2 10.9.0.0/16=10.1.0.10")
	// FRR leads to a network by that host, not by itself.
	testnet.Address(t, l.ns, "br33", "10.3.0.9/24")
	behind := &netlink.Route{Dst: &net.IPNet{IP: net.IPv4(10, 8, 0, 0), Mask: net.CIDRMask(16, 32)}, Gw: net.IPv4(10, 3, 0, 20)}
	testnet.Links(t, l.ns, func(h *netlink.Handle) error { return h.RouteAdd(behind) })
	f.static("10.2.0.0/24=169.254.0.2 10.8.0.0/16=10.3.0.20 10.9.0.0/16=10.1.0.10")
	f.ctl("set", "Logical_Switch", "ls0", "other_config:evpn=false")
	f.static("10.2.0.0/24=169.254.0.2 10.3.0.20/32=169.254.0.2 10.8.0.0/16=169.254.0.2 10.9.0.0/16=10.1.0.10") // by the VTEP that has the host
	f.ctl("remove", "Logical_Switch", "ls0", "other_config", "evpn")
	f.static("10.2.0.0/24=169.254.0.2 10.8.0.0/16=10.3.0.20 10.9.0.0/16=10.1.0.10")
	testnet.Links(t, l.ns, func(h *netlink.Handle) error { return h.RouteDel(behind) })
	f.static("10.2.0.0/24=169.254.0.2 10.9.0.0/16=10.1.0.10")
	set("other_config:evpn_gateway=false")
	l.sends("02:00:00:00:00:fe", "")

	// IPv6, over the same tunnels.
	set(`switch_binding:"2001:db8:1::1/64"=` + id("Logical_Switch", "ls1") + ` switch_binding:"fd00:5000::1/64"=` + id("Logical_Switch", "red"))
	l.routes("2001:db8:1::/64", "10.0.0.1") // ::ffff:10.0.0.1
	f.static("10.2.0.0/24=169.254.0.2 10.9.0.0/16=10.1.0.10 2001:db8:2::/64=fd00:5000::a00:2")
	f.ipv6(host, "eth0")
	testnet.Address(t, host, "eth0", "2001:db8:1::10/64")
	testnet.Links(t, host, func(h *netlink.Handle) error {
		return h.RouteAdd(&netlink.Route{Gw: net.ParseIP("2001:db8:1::1")})
	})
	f.pings(host, "2001:db8:2::1")

	// Another writer's route comes first, and stays.
	set(`static_routes:"10.2.0.0/24"=10.1.0.10`)
	f.static("10.2.0.0/24=10.1.0.10 10.9.0.0/16=10.1.0.10 2001:db8:2::/64=fd00:5000::a00:2")
	if out := f.appctl("evpn/explain", "10.2.0.7"); !strings.Contains(out, "another writer has a route to it") {
		t.Errorf("explains %s", out)
	}
	f.ctl("remove", "Logical_Router", "lr0", "static_routes", `"10.9.0.0/16"`, `"10.2.0.0/24"`)
	l.routes("10.9.0.0/16", "")
	f.static("10.2.0.0/24=169.254.0.2 2001:db8:2::/64=fd00:5000::a00:2")

	// The bridge goes and comes back: its routes stay, but for one that has gone meanwhile.
	f.kill()
	f.static("10.2.0.0/24=169.254.0.2 2001:db8:2::/64=fd00:5000::a00:2")
	set(`static_routes:"10.7.0.0/16"=169.254.0.2 other_config:"evpn_route:10.7.0.0/16"=169.254.0.2`)
	f.start()
	f.static("10.2.0.0/24=169.254.0.2 2001:db8:2::/64=fd00:5000::a00:2")

	f.ctl("remove", "Logical_Router", "lr0", "other_config", "evpn_l3_switch")
	f.static("")
	l.routes("10.1.0.0/24", "")
	if out := f.ctl("--bare", "--columns=other_config", "list", "Logical_Router"); strings.Contains(out, "evpn_route") {
		t.Errorf("is left: %s", out)
	}
}

// A network behind a host is announced with the host as its next hop, where the router's row says so. FRR 8.4.4, which loses that, has it by the
// VTEP, as it has other networks.
func TestFRRGatewayIP(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n")
	id := func(table, condition string) string {
		return strings.TrimSpace(f.ctl("--bare", "--columns=_uuid", "find", table, condition))
	}
	f.ctl("add-ls", "red", "--", "set", "Logical_Switch", "red", "tunnel_key=5000", "--", "add-ucast-local", "ls0", macA, "10.0.0.1")
	f.ctl("set", "Ucast_Macs_Local", id("Ucast_Macs_Local", `MAC="`+macA+`"`), "ipaddr=10.3.0.30")
	f.ctl("create", "Arp_Sources_Local", `src_mac="02:00:00:00:99:01"`, "locator="+id("Physical_Locator", `dst_ip="10.0.0.1"`))
	f.ctl("--id=@r", "create", "Logical_Router", "name=lr0", `switch_binding:"10.3.0.1/24"=`+id("Logical_Switch", "name=ls0"), `switch_binding:"169.254.0.1/16"=`+id("Logical_Switch", "name=red"),
		`static_routes:"10.9.0.0/16"=10.3.0.30`, "other_config:evpn_l3_switch=red", "other_config:evpn_gateway_ip=true")
	l := f.leaf(2, 65002, "router bgp 65002\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
		" address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  advertise-all-vni\n exit-address-family\n", func(l *leaf) {
		l.router("02:00:00:00:50:02")
		testnet.Address(t, l.ns, "br33", "10.3.0.9/24")
		l.zebra = "vni 5000\n"
	})
	l.routes("10.9.0.0/16", "10.0.0.1")
	testnet.Link(t, l.ns, "br5000", func(h *netlink.Handle, link netlink.Link) error {
		all, err := h.NeighList(link.Attrs().Index, netlink.FAMILY_V4)
		for _, n := range all {
			if n.IP.String() == "10.0.0.1" && n.HardwareAddr.String() != "02:00:00:00:99:01" {
				t.Errorf("the VTEP has the MAC %v for FRR", n.HardwareAddr)
			}
		}
		return err
	})
	if out := f.appctl("evpn/explain", "10.9.0.0/16"); !strings.Contains(out, "by the host 10.3.0.30 router's MAC 02:00:00:00:99:01: announced here") {
		t.Errorf("explains %s", out)
	}
}

// Two databases have one router each, and are one IP-VRF by iBGP. What one can't say any more the other forgets.
func TestTwoRouters(t *testing.T) {
	const config = "as: 65001\nrouter-id: %s\nneighbors:\n- address: %s\n"
	f := newFabric(t, "v", "10.0.0.1", fmt.Sprintf(config, "10.0.0.1", "10.0.0.2"))
	g := newFabric(t, "w", "10.0.0.2", fmt.Sprintf(config, "10.0.0.2", "10.0.0.1"))
	f.meets(g)
	for i, s := range []*fabric{f, g} {
		n := i + 1
		id := func(table, condition string) string {
			return strings.TrimSpace(s.ctl("--bare", "--columns=_uuid", "find", table, condition))
		}
		s.ctl("add-ls", "red", "--", "set", "Logical_Switch", "red", "tunnel_key=5000")
		s.ctl("--id=@r", "create", "Logical_Router", "name=lr0", fmt.Sprintf(`switch_binding:"10.%d.0.1/24"=%s`, n, id("Logical_Switch", "name=ls0")),
			fmt.Sprintf(`switch_binding:"169.254.0.%d/16"=%s`, 10+n, id("Logical_Switch", "name=red")), "other_config:evpn_l3_switch=red")
		s.ctl("create", "Arp_Sources_Local", fmt.Sprintf(`src_mac="02:00:00:00:99:%02d"`, n), "locator="+id("Physical_Locator", fmt.Sprintf(`dst_ip="10.0.0.%d"`, n)))
	}
	f.static("10.2.0.0/24=169.254.0.2")
	g.static("10.1.0.0/24=169.254.0.1")
	testenv.Eventually(t, deadline, func() error {
		got := strings.Join(strings.Fields(f.ctl("--bare", "--columns=MAC,ipaddr", "find", "Ucast_Macs_Remote")), " ")
		if want := "02:00:00:00:99:02 169.254.0.2"; got != want {
			return fmt.Errorf("the row of the other router is %q, want %q", got, want)
		}
		return nil
	})
	if out := f.appctl("evpn/explain", "10.2.0.7"); !strings.Contains(out, "router's MAC 02:00:00:00:99:02 from 10.0.0.2: row in lr0") {
		t.Errorf("explains %s", out)
	}
	// A VTEP that does not route, and one that is gone.
	g.ctl("--all", "destroy", "Arp_Sources_Local")
	f.static("")
	g.static("10.1.0.0/24=169.254.0.1")
	f.kill()
	g.static("")
}
