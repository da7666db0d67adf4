package evpn_test

import (
	"bytes"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// homes are the two VTEPs of a host with two links, and a third that floods to both:
//
//	host ns                v (10.0.0.1): eBPF
//	eth1 ---- veth ---- p1           u0 ┐
//	eth2 ---- veth ---- p1           u0 ┼ veth ---- u0 far ns (10.0.0.3, which has no process)
//	                       w (10.0.0.2): Open vSwitch, whose bridge br-ex is behind u0
//
// BGP has addresses of its own, 10.9.0.0/24: what the kernel sends by a veth has no checksum, which Open vSwitch would find wrong.
type homes struct {
	testing.TB
	of    [2]*fabric
	host  *namespace.Namespace
	ovs   *testenv.VSwitch
	links [2]*testnet.Tap
	far   *testnet.Tap
	at    [2]net.HardwareAddr // of their tunnel IPs
}

const farHost = "02:00:00:00:00:f0"

func newHomes(t *testing.T) *homes {
	h := &homes{TB: t}
	for i, name := range []string{"v", "w"} {
		n, m := i+1, 2-i
		f := newFabric(t, name, fmt.Sprintf("10.0.0.%d", n), fmt.Sprintf("as: %d\nrouter-id: 10.9.0.%d\nneighbors:\n- address: 10.9.0.%d\n  as: %d\n", 65000+n, n, m, 65000+m))
		testnet.Address(t, f.own, "u0", fmt.Sprintf("10.9.0.%d/24", n))
		h.of[i] = f
	}
	f, g := h.of[0], h.of[1]
	f.meets(g)
	far := testnet.Quiet(t, "r")
	f.joins("p3", far, "u0")
	testnet.Address(t, far, "u0", "10.0.0.3/24")
	h.far = testnet.Open(t, far, "u0")

	// The tunnel IP of g is at br-ex alone.
	link, err := netlink.ParseAddr("10.0.0.2/24")
	if err != nil {
		t.Fatal(err)
	}
	testnet.Link(t, g.own, "u0", func(h *netlink.Handle, l netlink.Link) error { return h.AddrDel(l, link) })
	if err := g.own.Sysctl("ipv4/conf/all/arp_ignore", "1"); err != nil {
		t.Fatal(err)
	}
	testnet.Veth(t, g.own, "x0", g.own, "x1", 1500)
	g.enslave(g.own, "x0", "u0")
	h.host = testnet.Quiet(t, "h")
	for i, f := range h.of {
		device := fmt.Sprintf("eth%d", i+1)
		testnet.Veth(t, f.own, "p1", h.host, device, 1450)
		h.links[i] = testnet.Open(t, h.host, device)
	}
	ovs := testenv.NewVSwitch(t, g.own)
	h.ovs = ovs
	ovs.Bridge(t, "v1", "p1")
	ovs.Bridge(t, "br-ex", "x1")
	ovs.Vsctl(t, "set", "Bridge", "br-ex", "fail_mode=standalone")
	testnet.Address(t, g.own, "br-ex", "10.0.0.2/24")
	testnet.Up(t, g.own, "br-ex")
	h.at = [2]net.HardwareAddr{testnet.MAC(t, f.own, "u0"), testnet.MAC(t, g.own, "br-ex")}
	ovs.Appctl(t, "tnl/neigh/set", "br-ex", "10.0.0.1", h.at[0].String())

	f.vtep("p1")
	g.vtepWith("--plane=ovs", "--ovs-rundir="+ovs.RunDir)
	for _, f := range h.of {
		testenv.Eventually(t, deadline, func() error {
			if !strings.Contains(f.ctl("list-ports", "v1"), "p1") {
				return fmt.Errorf("no port")
			}
			return nil
		})
		f.ctl("bind-ls", "v1", "p1", "0", "ls0", "--", "set", "Physical_Port", "p1", `other_config:evpn_esi="`+frrESI+`"`)
		f.ctl("add-ucast-remote", "ls0", farHost, "10.0.0.3")
	}
	return h
}

// abroad has the third VTEP send a frame to one of the two.
func (h *homes) abroad(to int, frame []byte) {
	h.Helper()
	h.far.Send(testnet.Encapsulate(h.at[to], h.far.MAC, netip.MustParseAddr("10.0.0.3"), netip.AddrFrom4([4]byte{10, 0, 0, byte(to + 1)}), 33, 1, 50000, frame))
}

// flood sends frames to all, each with one function. They must come out at one link alone, if at any, and each of the VTEPs that
// drop them must have dropped all, for the reason that is given.
func (h *homes) flood(what, src string, send func(frame []byte), to int, drops map[int]string) {
	h.Helper()
	const frames = 10
	mac, err := net.ParseMAC(src)
	if err != nil {
		h.Fatal(err)
	}
	before := map[int]uint64{}
	for i, reason := range drops {
		before[i] = h.of[i].dropped(reason)
	}
	var sent [][]byte
	for i := range frames {
		sent = append(sent, testnet.Frame(net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, mac, fmt.Sprintf("%s %d", what, i)))
		send(sent[i])
	}
	for i, reason := range drops {
		testenv.Eventually(h, deadline, func() error {
			if n := h.of[i].dropped(reason) - before[i]; n < frames {
				return fmt.Errorf("%s: VTEP %d has dropped %d of %d frames (%s)", what, i, n, frames, reason)
			}
			return nil
		})
	}
	if to >= 0 {
		for i, frame := range sent {
			for _, other := range h.links[to].Expect(frame) {
				if bytes.HasPrefix(other[14:], []byte(what)) {
					h.Errorf("%s: before frame %d came %q", what, i, other[14:])
				}
			}
		}
	}
	for _, link := range h.links {
		for _, frame := range link.Drain() {
			if bytes.HasPrefix(frame[14:], []byte(what)) {
				h.Errorf("%s: there is one more frame at %s: %q", what, link.Name, frame[14:])
			}
		}
	}
}

// With Open vSwitch as with eBPF a host of a segment gets each frame once, and none that it has sent.
func TestDualHomedOpenVSwitch(t *testing.T) {
	h := newHomes(t)
	f, g := h.of[0], h.of[1]
	const mac, bound = "02:00:00:00:00:0d", "binding p1/0 -> ls0"
	agreed := func(here ...string) { // the lower address has it
		t.Helper()
		f.held("1 10.0.0.2")
		g.held("all 1 10.0.0.1")
		f.forwards(bound, "segment p1 with 10.0.0.2")
		g.forwards(bound+" not-designated", "segment p1 with 10.0.0.1")
		f.remote("unknown-dst>10.0.0.2", farHost+">10.0.0.3")
		g.remote(append(here, "unknown-dst>10.0.0.1", farHost+">10.0.0.3")...)
	}
	agreed()
	both := func(frame []byte) {
		h.abroad(0, frame)
		h.abroad(1, frame)
	}
	h.flood("down", farHost, both, 0, map[int]string{1: "not_designated"})
	h.flood("up the first", mac, h.links[0].Send, -1, map[int]string{1: "not_designated"})
	g.forwards("attached ls0 " + mac + " -> p1/0")
	h.flood("up the second", "02:00:00:00:00:0e", h.links[1].Send, -1, map[int]string{0: "local_bias"})

	// Open vSwitch reaches the host by its own port, though it has not heard it.
	hw, err := net.ParseMAC(mac)
	if err != nil {
		t.Fatal(err)
	}
	frame := testnet.Frame(hw, h.far.MAC, "to the host")
	testenv.Eventually(t, deadline, func() error { // its flow may be on its way
		h.abroad(1, frame)
		for _, got := range h.links[1].Drain() {
			if bytes.Equal(got, frame) {
				return nil
			}
		}
		return fmt.Errorf("nothing has come")
	})

	// Its link goes: the other VTEP has the host alone, and it reaches the host by that. With the link all is as it was.
	link := func(change func(*netlink.Handle, netlink.Link) error) { testnet.Link(t, h.host, "eth2", change) }
	link(func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetDown(link) })
	f.held("1")
	g.held("all 1 10.0.0.1")
	g.remote("unknown-dst>10.0.0.1", farHost+">10.0.0.3", mac+">10.0.0.1")
	g.forwards("!attached ls0 " + mac + " -> p1/0")
	h.flood("down the first", farHost, both, 0, map[int]string{1: "not_designated"})
	if out := g.ctl("--bare", "--columns=port_fault_status", "list", "Physical_Port", "p1"); strings.TrimSpace(out) != "port_down" {
		t.Errorf("p1 without link has the faults %q", out)
	}
	link(func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetUp(link) })
	agreed(mac + ">10.0.0.2")
	g.forwards("attached ls0 " + mac + " -> p1/0")
	h.flood("down once more", farHost, both, 0, map[int]string{1: "not_designated"})

	// It is designated, but what the first VTEP floods that has given to the host itself.
	g.ctl("set", "Physical_Port", "p1", "other_config:evpn_df_preference=40000")
	f.held("all 1 10.0.0.2")
	f.forwards(bound + " not-designated")
	g.forwards(bound, "!"+bound+" not-designated")
	h.flood("up again", mac, h.links[0].Send, -1, map[int]string{1: "local_bias"})
	h.flood("down again", farHost, both, 1, map[int]string{0: "not_designated"})

	// With its link the first VTEP gives up what it had: the other one is designated, and alone.
	testnet.Link(t, f.own, "p1", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetDown(link) })
	g.held("1")
	g.forwards(bound, "!"+bound+" not-designated", "!segment p1 with 10.0.0.1")
	h.flood("down the second", farHost, both, 1, nil)

	// And so does the second, when ovs-vswitchd has ended: its ports are no links then.
	testnet.Link(t, f.own, "p1", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetUp(link) })
	g.held("1 10.0.0.1")
	f.held("all 1 10.0.0.2")
	h.ovs.KillDaemon(t)
	f.held("1")
	g.held("all 1 10.0.0.1")
	f.forwards(bound, "!"+bound+" not-designated", "!segment p1 with 10.0.0.2")
	h.flood("down the first alone", farHost, func(frame []byte) { h.abroad(0, frame) }, 0, nil)
	h.ovs.StartDaemon(t)
	g.held("1 10.0.0.1")
	f.held("all 1 10.0.0.2")
}
