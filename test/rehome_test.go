package test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// rehome gives a switch other tunnel IPs.
func (w *world) rehome(ps string, ips ...netip.Addr) {
	w.t.Helper()
	var texts []string
	for _, ip := range ips {
		texts = append(texts, `"`+ip.String()+`"`)
	}
	w.ctl("set Physical_Switch " + ps + " tunnel_ips=" + strings.Join(texts, ","))
}

// homed waits until all rows that name a switch by its locator name this one, and no other.
func (w *world) homed(ps string, ip netip.Addr) {
	w.t.Helper()
	w.await(func(v view) error {
		row, err := v.physicalSwitch(ps)
		if err != nil {
			return err
		}
		for _, id := range row.Tunnels {
			tunnel, _ := v.Tunnel(id)
			if l, _ := v.PhysicalLocator(tunnel.Local); l.DstIP != ip.String() {
				return fmt.Errorf("a tunnel begins at %s", l.DstIP)
			}
		}
		for m := range v.UcastMACsLocal() {
			if l, _ := v.PhysicalLocator(m.Locator); l.DstIP != ip.String() {
				return fmt.Errorf("%s is behind %s", m.MAC, l.DstIP)
			}
		}
		for m := range v.McastMACsLocal() {
			var ips []string
			set, _ := v.PhysicalLocatorSet(m.LocatorSet)
			for _, id := range set.Locators {
				l, _ := v.PhysicalLocator(id)
				ips = append(ips, l.DstIP)
			}
			if !slices.Equal(ips, []string{ip.String()}) {
				return fmt.Errorf("%s is behind %s", m.MAC, ips)
			}
		}
		return nil
	})
}

// TestRehome changes the tunnel IP under traffic. Rows follow; the peer, which goes on sending to
// the old address, loses nothing, also over a restart.
func TestRehome(t *testing.T) {
	w := newWorld(t)
	w.both()
	next := netip.MustParseAddr("10.2.2.5")
	w.address(lab.VTEP, "u0", next.String()+"/24")
	w.device(lab.R1, "vx5000", func(h *netlink.Handle, l netlink.Link) error { // it stays with the old one
		return h.LinkSetLearning(l, false)
	})
	stop := w.pings()
	for _, ips := range [][]netip.Addr{{lab.TunnelIP, next}, {next}, {lab.TunnelIP}, {next}} {
		w.rehome(w.name, ips...)
		w.homed(w.name, ips[0])
		for range 2 {
			f := frame(lab.Host1.MAC, lab.Host3.MAC, fmt.Sprintf("to the old address, %d", len(ips)))
			w.fromPeer(lab.RemoteIP, lab.VNIUntagged, f)
			w.h1().Expect(f)
		}
	}
	w.h1().Send(frame(lab.Host3.MAC, lab.Host1.MAC, "by the new address"))
	w.underlay().Until("from the new address", func(b []byte) bool {
		o, ok := testnet.ParseOuter(b)
		return ok && o.Src == next && says("by the new address")(o.Inner)
	})
	w.audit()
	w.closeReplica()
	w.signal(syscall.SIGKILL)
	w.start(usual...)
	f := frame(lab.Host1.MAC, lab.Host3.MAC, "after a restart")
	w.fromPeer(lab.RemoteIP, lab.VNIUntagged, f)
	w.h1().Expect(f)
	w.problem("several_ips", false)
	stop()
}

// vtepIn starts one more VTEP, in a node's namespace, with files of its own; its switch is called
// by the name and the node. The result ends it.
func (w *world) vtepIn(node lab.Node, args ...string) (name string, stop func()) {
	w.t.Helper()
	name = w.name + string(node)
	dir := w.env.RunDir + "-" + string(node)
	all := append([]string{"run", name, "--rundir=" + dir, "--pin-dir=" + w.pins + string(node)}, args...)
	cmd := w.env.Command(w.bin+"/vtep", all...)
	w.starts++
	p := launch(w.t, w.lab.Namespace(node), cmd, fmt.Sprintf("%s/vtep%d.log", w.env.LogDir, w.starts))
	ended := false
	stop = func() {
		if ended {
			return
		}
		ended = true
		control := fmt.Sprintf("%s/vtep.%d.ctl", dir, p.cmd.Process.Pid)
		cmd := w.env.Command(testenv.Program(w.t, "ovs-appctl"), "-t", control, "exit", "--cleanup")
		if out, err := cmd.CombinedOutput(); err != nil {
			w.t.Errorf("end %s: %v: %s\n%s", name, err, out, p.output(w.t))
			_ = p.cmd.Process.Kill()
		}
		if status := p.wait(w.t); status != 0 {
			w.t.Errorf("%s ended with status %d", name, status)
		}
	}
	w.t.Cleanup(stop)
	testenv.Eventually(w.t, patience, func() error {
		if out := p.output(w.t); p.ended() || !strings.Contains(out, "|running") {
			return fmt.Errorf("%s does not run:\n%s", name, out)
		}
		return nil
	})
	return name, stop
}

// withoutKernel has r1 be no VTEP of the kernel's, so that one of ours can be there.
func (w *world) withoutKernel() {
	w.t.Helper()
	w.links(lab.R1, func(h *netlink.Handle) error {
		for _, name := range []string{"vx5000", "vx5100", "br5000", "br5100"} {
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := h.LinkDel(l); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestTwoAgents has two VTEPs in two network namespaces on one database, whose hosts reach each
// other by the same rows, those of the NVC and those of either VTEP. Then one moves to another
// tunnel IP under traffic: the new one first beside the old one, then without it.
func TestTwoAgents(t *testing.T) {
	w := newWorld(t)
	w.start(append([]string{"--no-protect"}, usual...)...)
	w.withoutKernel()
	far, stop := w.vtepIn(lab.R1, "--connect=unix:"+w.socket(), "--tunnel-ip="+lab.RemoteIP.String(), "--port=h3", "--port=h4")
	w.ctl(fmt.Sprintf(`
		add-ls ls0
		set Logical_Switch ls0 tunnel_key=%d
		bind-ls %s p0 0 ls0
		bind-ls %s h3 0 ls0
		set-replication-mode ls0 source_node
		add-mcast-remote ls0 unknown-dst %v
		add-mcast-remote ls0 unknown-dst %v`, lab.VNIUntagged, w.name, far, lab.TunnelIP, lab.RemoteIP))
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host3, lab.Host1)
	w.learned("ls0", lab.Host1.MAC.String(), lab.Host3.MAC.String())

	w.ctl("del-mcast-remote ls0 unknown-dst " + lab.RemoteIP.String()) // what the VTEPs say of themselves is left
	next := netip.MustParseAddr("10.2.2.6")
	w.address(lab.R1, "u0", next.String()+"/24")
	traffic := []func(){w.startPing(lab.H1, lab.Host3), w.startPing(lab.H3, lab.Host1)}
	w.rehome(far, lab.RemoteIP, next)
	w.accepts(lab.RemoteIP, next)
	w.rehome(far, next)
	w.await(func(v view) error {
		if got := v.peers(w.name); !slices.Equal(got, []string{next.String()}) {
			return fmt.Errorf("tunnels to %v", got)
		}
		return nil
	})
	w.accepts(next)
	for _, stop := range traffic {
		stop()
	}
	w.learned("ls0", lab.Host1.MAC.String(), lab.Host3.MAC.String())
	w.audit()
	stop()
}

// accepts waits until frames are accepted from these peers, and no others.
func (w *world) accepts(peers ...netip.Addr) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		var got []netip.Addr
		for line := range strings.Lines(w.appctl("vtep/show")) {
			if rest, ok := strings.CutPrefix(line, "decap "); ok {
				ip, err := netip.ParseAddr(strings.SplitN(rest, "/", 2)[0])
				if err != nil {
					return err
				}
				got = append(got, ip)
			}
		}
		slices.SortFunc(got, netip.Addr.Compare)
		if !slices.Equal(got, peers) {
			return fmt.Errorf("frames are accepted from %v, not from %v", got, peers)
		}
		return nil
	})
}
