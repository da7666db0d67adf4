package evpn_test

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/osrg/gobgp/v4/api"
	bgpserver "github.com/osrg/gobgp/v4/pkg/server"
	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// reflectorEnv makes this program a route reflector of GoBGP, of the clients that it names.
const reflectorEnv = "VTEP_TEST_REFLECTOR"

func init() {
	if clients := os.Getenv(reflectorEnv); clients != "" {
		fmt.Fprintln(os.Stderr, reflect(strings.Fields(clients)))
		os.Exit(1)
	}
}

func reflect(clients []string) error {
	s, ctx := bgpserver.NewBgpServer(), context.Background()
	go s.Serve()
	if err := s.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{Asn: 65001, RouterId: "10.0.0.9", ListenPort: 179}}); err != nil {
		return err
	}
	for _, c := range clients {
		if err := s.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{Conf: &api.PeerConf{NeighborAddress: c, PeerAsn: 65001},
			RouteReflector: &api.RouteReflector{RouteReflectorClient: true, RouteReflectorClusterId: "10.0.0.9"},
			AfiSafis:       []*api.AfiSafi{{Config: &api.AfiSafiConfig{Family: &api.Family{Afi: api.Family_AFI_L2VPN, Safi: api.Family_SAFI_EVPN}, Enabled: true}}}}}); err != nil {
			return err
		}
	}
	select {}
}

// ibgp is the configuration of an FRR in AS 65001.
func ibgp(ip string, lines string, neighbors ...string) string {
	config := "router bgp 65001\n bgp router-id " + ip + "\n no bgp default ipv4-unicast\n"
	family := " address-family l2vpn evpn\n"
	for _, n := range neighbors {
		config += " neighbor " + n + " remote-as 65001\n neighbor " + n + " timers connect 1\n"
		family += "  neighbor " + n + " activate\n"
		if strings.Contains(lines, "%s") {
			family += fmt.Sprintf(lines, n)
		}
	}
	if !strings.Contains(lines, "%s") {
		family += lines
	}
	return config + family + " exit-address-family\n"
}

// What a reflector may be.
const (
	byFRR    = "FRR"
	byGoBGP  = "GoBGP"  // of the version that the bridge itself has
	byGobgpd = "gobgpd" // of the distribution: 3.10 of Debian 12
)

// gobgpd is its configuration as a reflector of these clients.
func gobgpd(clients []string) string {
	config := "[global.config]\n as = 65001\n router-id = \"10.0.0.9\"\n"
	for _, c := range clients {
		config += fmt.Sprintf("[[neighbors]]\n [neighbors.config]\n  neighbor-address = %q\n  peer-as = 65001\n [neighbors.route-reflector.config]\n  route-reflector-client = true\n"+
			"  route-reflector-cluster-id = \"10.0.0.9\"\n [[neighbors.afi-safis]]\n  [neighbors.afi-safis.config]\n   afi-safi-name = \"l2vpn-evpn\"\n", c)
	}
	return config
}

// reflected are two databases with bridges, 10.0.0.1 and 10.0.0.2, and a leaf, 10.0.0.3, that know of one another by a
// reflector only, 10.0.0.9.
func reflected(t *testing.T, by string) (f, g *fabric, l *leaf) {
	t.Helper()
	const config = "as: 65001\nrouter-id: %s\nneighbors:\n- address: 10.0.0.9\n"
	f = newFabric(t, "v", "10.0.0.1", fmt.Sprintf(config, "10.0.0.1"))
	g = newFabric(t, "w", "10.0.0.2", fmt.Sprintf(config, "10.0.0.2"))
	f.meets(g)
	r := &leaf{fabric: f, ns: testnet.Quiet(f, "rr"), dir: f.TempDir(), ip: "10.0.0.9", daemon: map[string]*exec.Cmd{}}
	f.joins("pr", r.ns, "u0")
	testnet.Up(t, r.ns, "lo")
	testnet.Address(t, r.ns, "u0", "10.0.0.9/24")
	clients := []string{"10.0.0.1", "10.0.0.2", "10.0.0.3"}
	switch by {
	case byFRR:
		r.write("bgpd.conf", ibgp(r.ip, "  neighbor %s route-reflector-client\n", clients...))
		r.run("zebra")
		r.run("bgpd")
	case byGoBGP:
		cmd := f.env.Command(os.Args[0])
		cmd.Env = append(os.Environ(), reflectorEnv+"="+strings.Join(clients, " "))
		r.reflects(cmd)
	case byGobgpd:
		r.write("gobgpd.toml", gobgpd(clients))
		r.reflects(f.env.Command(testenv.Program(t, "gobgpd"), "-f", filepath.Join(r.dir, "gobgpd.toml"), "--pprof-disable", "--api-hosts=127.0.0.1:50051"))
	}
	return f, g, f.leaf(3, 65001, ibgp("10.0.0.3", "  advertise-all-vni\n", "10.0.0.9"))
}

// reflects starts a program that is a reflector.
func (l *leaf) reflects(cmd *exec.Cmd) {
	l.Helper()
	if err := l.ns.Start(cmd); err != nil {
		l.Fatal(err)
	}
	l.daemon["reflector"] = cmd
	l.Cleanup(func() { l.end("reflector", syscall.SIGKILL) })
}

// host is a namespace at a port of another one, with two addresses that end with n.
func (f *fabric) host(name string, at *namespace.Namespace, port string, n int, mac net.HardwareAddr) *namespace.Namespace {
	f.Helper()
	ns := testnet.Quiet(f, name)
	testnet.Veth(f, at, port, ns, "eth0", 1450)
	if mac != nil {
		testnet.Link(f, ns, "eth0", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetHardwareAddr(link, mac) })
	}
	testnet.Up(f, ns, "lo")
	f.ipv6(ns, "eth0")
	testnet.Address(f, ns, "eth0", fmt.Sprintf("192.168.0.%d/24", n))
	testnet.Address(f, ns, "eth0", fmt.Sprintf("2001:db8::%d/64", n))
	return ns
}

// bridged has a host at a port of a leaf's bridge.
func (l *leaf) bridged(name, port string, n int, mac net.HardwareAddr) *namespace.Namespace {
	l.Helper()
	ns := l.host(name, l.ns, port, n, mac)
	l.enslave(l.ns, port, "br33")
	return ns
}

// bound has a host at the port p0 of the VTEP.
func (f *fabric) bound(name string, n int) *namespace.Namespace {
	f.Helper()
	ns := f.host(name, f.own, "p0", n, nil)
	f.vtep("p0")
	testenv.Eventually(f, deadline, func() error {
		if !strings.Contains(f.ctl("list-ports", "v1"), "p0") {
			return fmt.Errorf("no port")
		}
		return nil
	})
	f.ctl("bind-ls", "v1", "p0", "0", "ls0")
	return ns
}

// Hosts at two VTEPs with eBPF and at an FRR ping one another, move and age, where only a reflector (FRR) knows all.
func TestReflector(t *testing.T) {
	f, g, l := reflected(t, byFRR)
	a, b := f.bound("ha", 11), g.bound("hb", 12)
	c := l.bridged("hc", "h1", 13, nil)
	for _, ip := range []string{"192.168.0.12", "192.168.0.13", "2001:db8::12", "2001:db8::13"} {
		f.pings(a, ip)
	}
	f.pings(b, "192.168.0.13")
	f.pings(b, "2001:db8::13")
	mac := testnet.MAC(t, a, "eth0")
	macs := [2]string{testnet.MAC(t, b, "eth0").String(), testnet.MAC(t, c, "eth0").String()}
	f.remote("unknown-dst>10.0.0.2,10.0.0.3", macs[0]+">10.0.0.2", macs[1]+">10.0.0.3")
	g.remote("unknown-dst>10.0.0.1,10.0.0.3", mac.String()+">10.0.0.1", macs[1]+">10.0.0.3")

	// The first host moves to the FRR; the database that it was of learns it from there.
	testnet.Link(t, a, "eth0", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetDown(link) })
	moved := l.bridged("hd", "h2", 11, mac)
	f.pings(moved, "192.168.0.12")
	f.pings(b, "2001:db8::11")
	f.remote("unknown-dst>10.0.0.2,10.0.0.3", macs[0]+">10.0.0.2", macs[1]+">10.0.0.3", mac.String()+">10.0.0.3")
	g.remote("unknown-dst>10.0.0.1,10.0.0.3", macs[1]+">10.0.0.3", mac.String()+">10.0.0.3")

	// The second one ages.
	l.sends(macs[0], "10.0.0.2")
	g.ctl("set", "Physical_Switch", "v1", "other_config:mac_aging_time=1")
	testnet.Link(t, b, "eth0", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetARPOff(link) })
	l.sends(macs[0], "")
	f.remote("unknown-dst>10.0.0.2,10.0.0.3", macs[1]+">10.0.0.3", mac.String()+">10.0.0.3")
}

// A GoBGP reflects as an FRR does, be it of the version that the bridge has, or of another one.
func TestGoBGPReflector(t *testing.T) {
	for _, by := range []string{byGoBGP, byGobgpd} {
		t.Run(by, func(t *testing.T) { reflectsMoves(t, by) })
	}
}

func reflectsMoves(t *testing.T, by string) {
	f, g, l := reflected(t, by)
	f.remote("unknown-dst>10.0.0.2,10.0.0.3")
	g.remote("unknown-dst>10.0.0.1,10.0.0.3")
	f.ctl("add-ucast-local", "ls0", macA, "10.0.0.1")
	g.remote("unknown-dst>10.0.0.1,10.0.0.3", macA+">10.0.0.1")
	l.sends(macA, "10.0.0.1")
	l.speaks(macA)
	f.remote("unknown-dst>10.0.0.2,10.0.0.3", macA+">10.0.0.3")
	g.remote("unknown-dst>10.0.0.1,10.0.0.3", macA+">10.0.0.3")
	g.ctl("add-ucast-local", "ls0", macA, "10.0.0.2")
	l.sends(macA, "10.0.0.2")
	f.remote("unknown-dst>10.0.0.2,10.0.0.3", macA+">10.0.0.2")
	g.ctl("del-ucast-local", "ls0", macA)
	f.ctl("del-ucast-local", "ls0", macA) // where it was first; its VTEP would have
	l.sends(macA, "")
	f.remote("unknown-dst>10.0.0.2,10.0.0.3")
}
