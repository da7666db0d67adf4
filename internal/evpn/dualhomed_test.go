package evpn_test

import (
	"bytes"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// dropped are the frames that the VTEP has dropped for any of these reasons.
func (f *fabric) dropped(reasons ...string) (n uint64) {
	f.Helper()
	out := f.env.Output(f, f.program, "appctl", "-t", filepath.Join(f.env.RunDir, "vtep.ctl"), "vtep/drops")
	for _, line := range strings.Split(out, "\n") {
		if reason, count, ok := strings.Cut(line, ": "); ok && slices.Contains(reasons, reason) {
			one, err := strconv.ParseUint(count, 10, 64)
			if err != nil {
				f.Fatalf("drops: %q: %v", line, err)
			}
			n += one
		}
	}
	return n
}

// forwards waits until the VTEP has these lines in what it should do: it does it then.
func (f *fabric) forwards(want ...string) {
	f.Helper()
	testenv.Eventually(f, deadline, func() error {
		out := f.env.Output(f, f.program, "appctl", "-t", filepath.Join(f.env.RunDir, "vtep.ctl"), "intent/show")
		lines := strings.Split(out, "\n")
		for i := range lines {
			lines[i] = strings.TrimSpace(lines[i])
		}
		for _, line := range want {
			without, not := strings.CutPrefix(line, "!")
			if slices.Contains(lines, without) == not {
				return fmt.Errorf("%q is not in\n%s", line, out)
			}
		}
		return nil
	})
}

// sendsToAll waits until the leaf floods to these VTEPs.
func (l *leaf) sendsToAll(want ...string) {
	l.Helper()
	testenv.Eventually(l, deadline, func() error {
		var got []string
		testnet.Link(l, l.ns, "vx33", func(h *netlink.Handle, link netlink.Link) error {
			entries, err := h.NeighList(link.Attrs().Index, unix.AF_BRIDGE)
			for _, n := range entries {
				if n.HardwareAddr.String() == all && n.IP != nil {
					got = append(got, n.IP.String())
				}
			}
			return err
		})
		if slices.Sort(got); !slices.Equal(got, want) {
			return fmt.Errorf("FRR's kernel floods to %q, want %q", got, want)
		}
		return nil
	})
}

// A host has two links, to two VTEPs of this project, and a third VTEP is FRR's with the kernel's dataplane. What that one floods
// reaches the host once, and nothing that the host floods comes back to it. When a link goes the other one takes over.
func TestDualHomed(t *testing.T) {
	const frames = 20
	config := func(n int) string {
		text := fmt.Sprintf("as: %d\nrouter-id: 10.0.0.%d\nneighbors:\n", 65000+n, n)
		for m := 1; m <= 3; m++ {
			if m != n {
				text += fmt.Sprintf("- address: 10.0.0.%d\n  as: %d\n", m, 65000+m)
			}
		}
		return text
	}
	f := newFabric(t, "v", "10.0.0.1", config(1))
	g := newFabric(t, "w", "10.0.0.2", config(2))
	f.meets(g)
	l := f.leaf(3, 65003, "router bgp 65003\n bgp router-id 10.0.0.3\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n neighbor 10.0.0.1 remote-as 65001\n neighbor 10.0.0.1 timers connect 1\n"+
		" neighbor 10.0.0.2 remote-as 65002\n neighbor 10.0.0.2 timers connect 1\n address-family l2vpn evpn\n  neighbor 10.0.0.1 activate\n  neighbor 10.0.0.2 activate\n  advertise-all-vni\n exit-address-family\n")
	host := testnet.Quiet(t, "h")
	var links []*testnet.Tap
	for i, v := range []*fabric{f, g} {
		device := fmt.Sprintf("eth%d", i+1)
		testnet.Veth(t, v.own, "p1", host, device, 1450)
		links = append(links, testnet.Open(t, host, device))
		v.vtep("p1")
		testenv.Eventually(t, deadline, func() error {
			if !strings.Contains(v.ctl("list-ports", "v1"), "p1") {
				return fmt.Errorf("no port")
			}
			return nil
		})
		v.ctl("bind-ls", "v1", "p1", "0", "ls0", "--", "set", "Physical_Port", "p1", `other_config:evpn_esi="`+frrESI+`"`)
	}
	far := testnet.Open(t, l.ns, "host")
	everybody, mac := net.HardwareAddr{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, net.HardwareAddr{2, 0, 0, 0, 0, 0xd}
	first, second := links[0], links[1]

	const designated, not = "binding p1/0 -> ls0", "binding p1/0 -> ls0 not-designated"
	agreed := func() { // the lower address has it
		t.Helper()
		f.held("1 10.0.0.2")
		g.held("all 1 10.0.0.1")
		f.forwards(designated, "segment p1 with 10.0.0.2")
		g.forwards(not, "segment p1 with 10.0.0.1")
	}
	agreed()
	l.sendsToAll("10.0.0.1", "10.0.0.2")
	f.remote("unknown-dst>10.0.0.2,10.0.0.3")
	g.remote("unknown-dst>10.0.0.1,10.0.0.3")

	// flood sends frames, and waits until they have come by one link, and until the VTEP of the other has dropped its copies.
	flood := func(what string, from, to *testnet.Tap, src net.HardwareAddr, drops *fabric, none ...*testnet.Tap) {
		t.Helper()
		reasons := []string{"not_designated", "local_bias"}
		var before uint64
		if drops != nil {
			before = drops.dropped(reasons...)
		}
		for i := range frames {
			from.Send(testnet.Frame(everybody, src, fmt.Sprintf("%s %d", what, i)))
		}
		for i := range frames {
			want := testnet.Frame(everybody, src, fmt.Sprintf("%s %d", what, i))
			for _, other := range to.Expect(want) {
				if bytes.HasPrefix(other[14:], []byte(what)) {
					t.Errorf("%s: one frame came twice, or late: %q", what, other[14:])
				}
			}
		}
		if drops != nil {
			testenv.Eventually(t, deadline, func() error {
				if n := drops.dropped(reasons...) - before; n < frames {
					return fmt.Errorf("%s: %d of %d frames are dropped", what, n, frames)
				}
				return nil
			})
		}
		for _, tap := range append(none, to) {
			for _, frame := range tap.Drain() {
				if bytes.HasPrefix(frame[14:], []byte(what)) {
					t.Errorf("%s: there is one more frame at %s: %q", what, tap.Name, frame[14:])
				}
			}
		}
	}
	flood("down", far, first, far.MAC, g, second)
	flood("up the first", first, far, mac, g, first, second)
	flood("up the second", second, far, mac, f, first, second)

	// Both have heard the host, both announce it, and it has not moved, however often the links take turns.
	for i := range frames {
		links[i%2].Send(testnet.Frame(everybody, mac, fmt.Sprintf("turn %d", i)))
		far.Expect(testnet.Frame(everybody, mac, fmt.Sprintf("turn %d", i)))
	}
	for _, v := range []*fabric{f, g} {
		testenv.Eventually(t, deadline, func() error {
			out := v.appctl("evpn/explain", mac.String())
			both := strings.Contains(out, frrESI+" "+mac.String()+" at 10.0.0.1 ") && strings.Contains(out, frrESI+" "+mac.String()+" at 10.0.0.2 ")
			if !both || !strings.Contains(out, ": announced here") || strings.Contains(out, "sequence") {
				return fmt.Errorf("explains %s", out)
			}
			return nil
		})
		v.forwards("attached ls0 " + mac.String() + " -> p1/0")
	}
	unicast := func(what string, to ...*testnet.Tap) {
		t.Helper()
		frame := testnet.Frame(mac, far.MAC, what)
		testenv.Eventually(t, deadline, func() error {
			far.Send(frame) // FRR may not know yet
			for _, tap := range to {
				for _, got := range tap.Drain() {
					if bytes.Equal(got, frame) {
						return nil
					}
				}
			}
			return fmt.Errorf("%s has not come", what)
		})
	}
	unicast("to the host", first, second)

	// A bridge is away, and comes back: its VTEP goes on, nothing comes twice or back meanwhile, and no row is written at the end.
	g.kill()
	testenv.Eventually(t, deadline, func() error {
		if out := f.appctl("evpn/status"); !strings.Contains(out, "elected by preference of [10.0.0.1 with 32767]") {
			return fmt.Errorf("status: %s", out)
		}
		return nil
	})
	agreed()
	f.remote("unknown-dst>10.0.0.3", far.MAC.String()+">10.0.0.3")
	flood("up without", second, far, mac, nil, first, second)
	g.start()
	f.remote("unknown-dst>10.0.0.2,10.0.0.3", mac.String()+">10.0.0.1", far.MAC.String()+">10.0.0.3")
	testenv.Eventually(t, deadline, func() error {
		if out := g.appctl("evpn/status"); !strings.Contains(out, ", 0 rows written in") || strings.Contains(out, "waiting") {
			return fmt.Errorf("status: %s", out)
		}
		return nil
	})
	agreed()

	// The first link goes, and comes back.
	link := func(change func(*netlink.Handle, netlink.Link) error) { testnet.Link(t, host, "eth1", change) }
	link(func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetDown(link) })
	f.held("all 1 10.0.0.2")
	g.held("1")
	g.forwards(designated, "!"+not)
	flood("down the second", far, second, far.MAC, nil, second)
	unicast("to the second", second)
	link(func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetUp(link) })
	agreed()
	flood("down again", far, first, far.MAC, g, second)
}
