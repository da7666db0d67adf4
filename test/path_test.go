package test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/lab"
)

// TestMainPath is the howto, with either vtep-ctl as the controller, and by the ways of old
// kernels: two networks, untagged
// and in a VLAN; hosts reach those behind the kernel's VTEP; every frame is right in every
// byte, at both ends.
func TestMainPath(t *testing.T) {
	for _, c := range []struct {
		name string
		nvc  func(*world) nvc
		args []string
	}{
		{"OVS", (*world).cs, nil},
		{"ours", (*world).ours, nil},
		{"without short ways", (*world).ours, []string{"--no-direct", "--tc-filter"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.start(append(c.args, usual...)...)
			w.howto(c.nvc(w))

			w.reach(lab.Host1, lab.Host3)
			w.reach(lab.Host3, lab.Host2)
			w.reach(lab.Host1, lab.Host2)
			w.reach(lab.Host2Tagged, lab.Host4)
			w.checkFrames()

			w.await(func(v view) error {
				want := fmt.Sprintf("%v %v", lab.Host1.MAC, lab.Host2.MAC)
				if have := strings.Join(v.locals("ls0"), " "); have != want {
					return fmt.Errorf("learned in ls0: %s, want %s", have, want)
				}
				return nil
			})
			list := c.nvc(w).run("list-local-macs", "ls0")
			for _, want := range []string{
				fmt.Sprintf("%v -> vxlan_over_ipv4/%v", lab.Host1.MAC, lab.TunnelIP),
				fmt.Sprintf("unknown-dst -> vxlan_over_ipv4/%v", lab.TunnelIP),
			} {
				if !strings.Contains(list, want) {
					t.Errorf("list-local-macs lacks %q:\n%s", want, list)
				}
			}
		})
	}
}

// howto is what the howto's person does: one command for each step.
func (w *world) howto(n nvc) {
	w.t.Helper()
	remote := lab.RemoteIP.String()
	for _, args := range [][]string{
		{"add-ls", "ls0"},
		{"set", "Logical_Switch", "ls0", fmt.Sprintf("tunnel_key=%d", lab.VNIUntagged)},
		{"bind-ls", w.name, "p0", "0", "ls0"},
		{"bind-ls", w.name, "p1", "0", "ls0"},
		{"add-mcast-remote", "ls0", "unknown-dst", remote},
		{"add-ucast-remote", "ls0", lab.Host3.MAC.String(), remote},
		{"add-ls", "ls1"},
		{"set", "Logical_Switch", "ls1", fmt.Sprintf("tunnel_key=%d", lab.VNITagged)},
		{"set-replication-mode", "ls1", "source_node"},
		{"bind-ls", w.name, "p1", fmt.Sprint(lab.VLAN), "ls1"},
		{"add-mcast-remote", "ls1", "unknown-dst", remote},
		{"add-ucast-remote", "ls1", lab.Host4.MAC.String(), remote},
	} {
		n.run(args...)
	}
}

// checkFrames looks at single frames, when the stations are known on all sides.
func (w *world) checkFrames() {
	w.t.Helper()
	h1, h2, h3, h4 := w.h1(), w.h2(), w.h3(), w.h4()
	w.underlay().Drain()

	// Known unicast, untagged.
	f := frame(lab.Host3.MAC, lab.Host1.MAC, "from h1 to h3")
	h1.Send(f)
	sport, _ := w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	h3.Expect(f)
	h1.Send(f)
	if again, _ := w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f); again != sport {
		w.t.Errorf("two frames of one flow have the source ports %d and %d", sport, again)
	}
	f = frame(lab.Host1.MAC, lab.Host3.MAC, "from h3 to h1")
	h3.Send(f)
	h1.Expect(f)

	// The largest frame that a host may send.
	f = frame(lab.Host3.MAC, lab.Host1.MAC, strings.Repeat("large ", 250)[:1500])
	h1.Send(f)
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	h3.Expect(f)

	// In the VLAN: the tag is off in the overlay, and on again on the way back.
	f = frame(lab.Host4.MAC, lab.Host2Tagged.MAC, "from h2 to h4", lab.VLAN)
	h2.Send(f)
	w.expectTunnelled(lab.RemoteIP, lab.VNITagged, untagged(f))
	h4.Expect(untagged(f))
	f = frame(lab.Host2Tagged.MAC, lab.Host4.MAC, "from h4 to h2", lab.VLAN)
	h4.Send(untagged(f))
	h2.Expect(f)

	// Broadcast: to the other port, with its tag or none, and in the tunnel.
	f = frame(broadcast, lab.Host1.MAC, "from h1 to all")
	h1.Send(f)
	h2.Expect(f)
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	h3.Expect(f)
	f = frame(broadcast, lab.Host4.MAC, "from h4 to all", lab.VLAN)
	h4.Send(untagged(f))
	h2.Expect(f)

	// Of one network's frames the other one sees none.
	marker := frame(broadcast, lab.Host3.MAC, "marker in ls0")
	h3.Send(marker)
	if before := h1.Expect(marker); count(before, "from h4") > 0 || count(before, "from h2 to h4") > 0 {
		w.t.Error("frames of ls1 came to h1, which is in ls0")
	}

	// Frames in a VLAN that is not bound go nowhere.
	h2.Send(frame(broadcast, lab.Host2.MAC, "in VLAN 7", 7))
	marker = frame(broadcast, lab.Host2.MAC, "after VLAN 7")
	h2.Send(marker)
	if before := h1.Expect(marker); count(before, "in VLAN 7") > 0 {
		w.t.Error("a frame in an unbound VLAN came to h1")
	}
	if _, before := w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, marker); count(before, "in VLAN 7") > 0 {
		w.t.Error("a frame in an unbound VLAN came into a tunnel")
	}
}
