package ovs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/planetest"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// reports waits for a report in which an error is of a kind, with a remedy; "": there is none.
func reports(t *testing.T, p *Plane, next *intent.State, kind problem.Kind, of func(plane.Report) error) {
	t.Helper()
	testenv.Eventually(t, longest, func() error {
		r, err := p.Apply(context.Background(), next, &intent.Delta{})
		if err != nil {
			return err
		}
		var is *problem.Error
		switch err := of(r); {
		case kind == "" && err == nil:
			return nil
		case errors.As(err, &is) && is.Kind == kind && is.Remedy != "":
			return nil
		default:
			return fmt.Errorf("reported is %v, want %q", err, kind)
		}
	})
}

// told waits for the event by which the agent learns of a report that has changed by itself.
func told(t *testing.T, p *Plane) {
	t.Helper()
	testenv.Eventually(t, longest, func() error {
		select {
		case ev := <-p.Events():
			if (ev == plane.ReportChanged{}) {
				return nil
			}
			return fmt.Errorf("event %v", ev)
		default:
			return errors.New("no event")
		}
	})
}

func drain(p *Plane) {
	for len(p.Events()) > 0 {
		<-p.Events()
	}
}

// Routes are those that ovs-vswitchd has, in a network namespace that is not this process's.
func TestRoutes(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	tunnels := func(r plane.Report) error { return r.Tunnels }
	far := netip.MustParseAddr("203.0.113.9")
	peer := func(r plane.Report) error { return r.Peers[far] }
	testenv.Eventually(t, longest, func() (err error) {
		_ = p.do(context.Background(), func() {
			if e := p.engine; e.routes.asked.IsZero() || e.routes.asking {
				err = errors.New("ovs-vswitchd was not asked")
			}
		})
		return err
	})
	reports(t, p, s, "", tunnels)

	// A peer without a route; then with one by a device that is no port; then with a good one.
	next := s.Clone()
	tunnel := intent.Tunnel{Peer: far, VNI: 5000}
	next.Decap.Set(tunnel, red)
	next.Floods[intent.FloodKey{Switch: red}] = intent.FloodSet{{Peer: planetest.Peers[0], VNI: 5000}, tunnel}
	drain(p)
	w.apply(p, next, intent.Diff(s, next))
	told(t, p)
	reports(t, p, next, problem.NoRoute, peer)
	w.Appctl(t, "ovs/route/add", "203.0.113.0/24", "br-ex", planetest.Peers[0].String())
	reports(t, p, next, "", peer)
	w.Appctl(t, "ovs/route/del", "203.0.113.0/24")

	// The kernel's route comes, and goes by itself: nobody but the kernel tells.
	route := func(change func(h *netlink.Handle, r *netlink.Route) error) {
		testnet.Links(t, w.Namespace, func(h *netlink.Handle) error {
			l, err := h.LinkByName("br-ex")
			if err != nil {
				return err
			}
			_, to, _ := net.ParseCIDR("203.0.113.0/24")
			return change(h, &netlink.Route{LinkIndex: l.Attrs().Index, Dst: to, Gw: planetest.Peers[0].AsSlice()})
		})
	}
	for range 2 {
		route((*netlink.Handle).RouteAdd)
		reports(t, p, next, "", peer)
		drain(p)
		route((*netlink.Handle).RouteDel)
		told(t, p)
		reports(t, p, next, problem.NoRoute, peer)
	}
	route((*netlink.Handle).RouteAdd)
	reports(t, p, next, "", peer)

	// The tunnel IP goes, and comes back.
	address := func(change func(h *netlink.Handle, l netlink.Link, a *netlink.Addr) error) {
		testnet.Links(t, w.Namespace, func(h *netlink.Handle) error {
			l, err := h.LinkByName("br-ex")
			if err != nil {
				return err
			}
			a, err := netlink.ParseAddr(planetest.TunnelIP.String() + "/24")
			if err != nil {
				return err
			}
			return change(h, l, a)
		})
	}
	drain(p)
	address(func(h *netlink.Handle, l netlink.Link, a *netlink.Addr) error { return h.AddrDel(l, a) })
	told(t, p)
	reports(t, p, next, problem.ForeignIP, tunnels)
	drain(p)
	address(func(h *netlink.Handle, l netlink.Link, a *netlink.Addr) error { return h.AddrAdd(l, a) })
	told(t, p)
	reports(t, p, next, "", tunnels)
}

// The ways of the kernel's datapath are those that the kernel has.
func TestKernelWay(t *testing.T) {
	testenv.Root(t)
	n := testnet.Quiet(t, "k")
	changes := make(chan struct{}, 1)
	kernel, err := followRoutes(n.Path(), func() {
		select {
		case changes <- struct{}{}:
		default:
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	testnet.Veth(t, n, "u0", n, "u1", 0)
	testnet.Address(t, n, "u0", planetest.TunnelIP.String()+"/24")
	testnet.Link(t, n, "u0", func(h *netlink.Handle, l netlink.Link) error {
		far := netip.MustParseAddr("203.0.113.9")
		_, to, _ := net.ParseCIDR("203.0.113.0/24")
		way := func(to netip.Addr, good bool) {
			t.Helper()
			var is *problem.Error
			switch mtu, bad, err := kernelWay(kernel, planetest.TunnelIP, to); {
			case err != nil || good != (bad == nil) || good != (mtu == 1500):
				t.Errorf("the way to %v is %v, %v", to, bad, err)
			case !good && (!errors.As(bad, &is) || is.Kind != problem.NoRoute || is.Remedy == ""):
				t.Errorf("the way to %v is %#v", to, bad)
			}
		}
		way(planetest.Peers[0], true)
		way(far, false)
		hole := &netlink.Route{Dst: to, Type: unix.RTN_BLACKHOLE}
		if err := h.RouteAdd(hole); err != nil {
			return err
		}
		way(far, false)
		if err := h.RouteReplace(&netlink.Route{LinkIndex: l.Attrs().Index, Dst: to, Gw: planetest.Peers[0].AsSlice()}); err != nil {
			return err
		}
		way(far, true)
		return nil
	})
	<-changes
}

// A tunnel IP that the kernel does not have, but somebody gave to ovs-vswitchd, is one of a datapath
// other than the kernel's, whose ways the kernel does not know.
func TestKernelHasNoTunnelIP(t *testing.T) {
	testenv.Root(t)
	n := testnet.Quiet(t, "k")
	kernel, err := followRoutes(n.Path(), func() {})
	if err != nil {
		t.Fatal(err)
	}
	defer kernel.Close()
	testnet.Veth(t, n, "u0", n, "u1", 0)
	testnet.Address(t, n, "u0", planetest.Peers[1].String()+"/32")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ovs-vswitchd.pid"), []byte("77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	q := &questions{tunnel: planetest.TunnelIP, peers: planetest.Peers[:1], kernel: kernel}
	p := &Plane{opts: Options{RunDir: dir, Control: func(context.Context, string, string, ...string) (string, error) {
		return fmt.Sprintf("src %v\ngateway ::\ndev br-phys\n", planetest.TunnelIP), nil
	}}}
	look := func() map[netip.Addr]error {
		t.Helper()
		a, err := p.lookUp(t.Context(), q)
		if err != nil || a.tunnel != nil {
			t.Fatalf("%v, %v", a, err)
		}
		return a.peers
	}
	if peers := look(); len(peers) > 0 {
		t.Errorf("without the tunnel IP the kernel knows of %v", peers)
	}
	testnet.Address(t, n, "u0", planetest.TunnelIP.String()+"/32")
	if peers := look(); len(peers) != 1 {
		t.Errorf("a peer without a route is none of %v", peers)
	}
}

// A route by a device that Open vSwitch's userspace datapath can't send by is none.
func TestParseRoute(t *testing.T) {
	for text, want := range map[string]route{
		"src 192.0.2.1\ngateway ::\ndev br-ex\n":              {netip.MustParseAddr("192.0.2.1"), "br-ex"},
		"src ::ffff:192.0.2.1\ngateway 192.0.2.9\ndev eth0\n": {netip.MustParseAddr("192.0.2.1"), "eth0"},
	} {
		if got, err := parseRoute(text); err != nil || got != want {
			t.Errorf("%q is %v, %v, want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"", "src x\ndev y\n", "something else\n"} {
		if got, err := parseRoute(text); err == nil {
			t.Errorf("%q is %v, want an error", text, got)
		}
	}
	q := &questions{tunnel: planetest.TunnelIP, peers: planetest.Peers[:1], devices: map[string]bool{"br-ex": true}}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "ovs-vswitchd.pid"), []byte("77\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	p := &Plane{opts: Options{RunDir: dir, Control: func(_ context.Context, path, command string, args ...string) (string, error) {
		if want := filepath.Join(dir, "ovs-vswitchd.77.ctl"); path != want || command != "ovs/route/lookup" {
			t.Errorf("%s is asked %s", path, command)
		}
		return "src " + planetest.TunnelIP.String() + "\ngateway ::\ndev eth7\n", nil
	}}}
	a, err := p.lookUp(t.Context(), q)
	var is *problem.Error
	if err != nil || a.tunnel != nil || !errors.As(a.peers[planetest.Peers[0]], &is) || is.Kind != problem.NoRoute {
		t.Errorf("lookUp: %v, %v", a, err)
	}
}

// Somebody else's tunnel port takes a peer's frames: it is named while it is there. Those that
// take none of ours are not.
func TestStrangers(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	s := twoTenants()
	w.apply(p, s, nil)
	kinds := func(want ...problem.Kind) {
		t.Helper()
		testenv.Eventually(t, longest, func() error {
			r, err := p.Apply(context.Background(), s, &intent.Delta{})
			if err != nil {
				return err
			}
			var got []problem.Kind
			for _, pr := range r.Problems {
				if pr.Remedy == "" {
					t.Errorf("no remedy: %v", pr)
				}
				got = append(got, pr.Kind)
			}
			if fmt.Sprint(got) != fmt.Sprint(want) {
				return fmt.Errorf("problems %v, want %v", r.Problems, want)
			}
			return nil
		})
	}
	kinds()
	peer := planetest.Peers[0].String()
	arrives := func() {
		t.Helper()
		testenv.Eventually(t, longest, func() error {
			w.places(t)
			w.send(t, "r0", encapsulated(intent.Tunnel{Peer: planetest.Peers[0], VNI: 5000}, frameFrom(9, all).Bytes()))
			w.forwarded(t)
			if got := w.places(t); !slices.Contains(got, "p0") {
				return fmt.Errorf("a peer's frame comes out at %q", got)
			}
			return nil
		})
	}
	arrives()
	for _, options := range []string{
		"options:remote_ip=" + peer + " options:key=flow", "options:remote_ip=192.0.2.77 options:key=5000",
		"options:remote_ip=" + peer + " options:key=5001", "options:remote_ip=" + peer + " options:key=5000 options:dst_port=4790",
	} {
		w.add(t, "harmless", options)
		kinds()
		w.Vsctl(t, "del-port", "br-ex", "harmless")
	}
	drain(p)
	w.add(t, "thief", "options:remote_ip="+peer+" options:key=5000")
	told(t, p)
	kinds(problem.TunnelTaken)
	w.Vsctl(t, "del-port", "br-ex", "thief")
	kinds()
	arrives()

	w.Vsctl(t, "set", "Open_vSwitch", ".", "other_config:vlan-limit=2")
	kinds(problem.VLANLimit)
	w.Vsctl(t, "set", "Open_vSwitch", ".", "other_config:vlan-limit=1")
	kinds()
}

func (w *world) add(t *testing.T, name, options string) {
	t.Helper()
	args := []string{"add-port", "br-ex", name, "--", "set", "Interface", name, "type=vxlan"}
	w.Vsctl(t, append(args, strings.Fields(options)...)...)
}

// An Open vSwitch that can't tell of flows: a switch that refuses the monitor stands before a
// real one's database.
func TestTooOld(t *testing.T) {
	w := newWorld(t)
	dir, err := os.MkdirTemp("", "vtep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	l, err := net.Listen("unix", filepath.Join(dir, "br0.mgmt"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go oldSwitch(c)
		}
	}()
	p := New(Options{Name: "br0", RunDir: dir, Dial: idl.DialTarget("unix:"+w.Socket("db.sock"), nil), Logger: testenv.Logger(t)})
	t.Cleanup(func() { p.Close() })
	s := twoTenants()
	ctx, cancel := context.WithCancel(context.Background())
	cancel() // it need not wait: nothing comes of it
	_, _ = p.Apply(ctx, s, nil)
	_ = p.do(context.Background(), func() {
		if !p.engine.begun {
			p.engine.apply(intent.Diff(intent.NewState(), s))
		}
	})
	testenv.Eventually(t, longest, func() (err error) {
		var r plane.Report
		if err := p.do(context.Background(), func() { r = p.engine.report() }); err != nil {
			return err
		}
		var is *problem.Error
		if !errors.As(r.Ports["p0"], &is) || is.Kind != problem.TooOld || is.Remedy == "" {
			return fmt.Errorf("reported is %v", r.Ports["p0"])
		}
		return nil
	})
}

// oldSwitch speaks OpenFlow 1.4, and refuses what it was not made for.
func oldSwitch(c net.Conn) {
	defer c.Close()
	const hello, failed, echo, echoReply, multipart, barrier, barrierReply = 0, 1, 2, 3, 18, 20, 21
	send := func(kind byte, xid, body []byte) error {
		b := binary.BigEndian.AppendUint16([]byte{5, kind}, uint16(8+len(body)))
		_, err := c.Write(append(append(b, xid...), body...))
		return err
	}
	_ = send(hello, []byte{0, 0, 0, 1}, nil)
	for {
		var h [8]byte
		if _, err := io.ReadFull(c, h[:]); err != nil {
			return
		}
		body := make([]byte, max(0, int(binary.BigEndian.Uint16(h[2:]))-8))
		if _, err := io.ReadFull(c, body); err != nil {
			return
		}
		var err error
		switch h[1] {
		case echo:
			err = send(echoReply, h[4:], body)
		case barrier:
			err = send(barrierReply, h[4:], nil)
		case multipart:
			err = send(failed, h[4:], append([]byte{0, 1, 0, 2}, h[:]...)) // bad request: no such part
		}
		if err != nil {
			return
		}
	}
}
