package test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

// portFault waits until the faults of a port are these.
func (w *world) portFault(port string, faults ...string) {
	w.t.Helper()
	w.await(func(v view) error {
		p, err := v.port(port)
		if err != nil {
			return err
		}
		if !slices.Equal(p.PortFaultStatus, faults) {
			return fmt.Errorf("faults of port %s: %q, want %q", port, p.PortFaultStatus, faults)
		}
		return nil
	})
}

// TestBadRows commits rows that can't be served, in the middle of good ones. Each has a line
// in the log that names it; the good ones work, and the VTEP lives.
func TestBadRows(t *testing.T) {
	w := newWorld(t)
	w.basic()
	// The C program checks less than ours may, so it is the one that writes nonsense.
	bad := w.cs()
	bad.run("add-ucast-remote", "ls0", "not-a-mac", lab.RemoteIP.String())
	bad.run("add-ucast-remote", "ls0", "ff:ff:ff:ff:ff:ff", lab.RemoteIP.String())
	bad.run("add-ucast-remote", "ls0", "00:00:5e:00:53:a1", "not-an-ip")
	bad.run("add-mcast-remote", "ls0", "neither-mac", lab.RemoteIP.String())
	bad.run("add-mcast-remote", "ls0", "unknown-dst", "224.0.0.1")
	bad.run("add-ls", "ls-bad-vni", "--", "set", "Logical_Switch", "ls-bad-vni", "tunnel_key=99999999",
		"--", "bind-ls", w.name, "p1", "7", "ls-bad-vni")
	bad.run("add-ls", `bad; rm -rf "x' $(id) {`, "--", "bind-ls", w.name, "p1", "8", `bad; rm -rf "x' $(id) {`)
	bad.run("bind-ls", w.name, "p1", "4095", "ls0")
	w.ctl(fmt.Sprintf("set Physical_Switch %s other_config:mac_aging_time=soon", w.name))

	w.logged("not-a-mac")
	w.logged("not-an-ip")
	w.logged("neither-mac")
	w.logged("224.0.0.1")
	w.logged("99999999")
	w.logged("4095")
	w.logged("mac_aging_time")
	w.portFault("p1", "invalid_vlan_map")

	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	w.ctl(fmt.Sprintf("add-ucast-remote ls0 %v %v", station(0xa2), lab.RemoteIP)) // good, after the bad
	f := frame(station(0xa2), lab.Host1.MAC, "good")
	stop := w.repeat(w.h1(), f)
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	stop()

	// Repaired rows work, and their faults go.
	bad.run("unbind-ls", w.name, "p1", "4095")
	w.portFault("p1")
	w.ctl(fmt.Sprintf("set Logical_Switch ls-bad-vni tunnel_key=%d -- add-mcast-remote ls-bad-vni unknown-dst %v", lab.VNITagged, lab.RemoteIP))
	f = frame(broadcast, station(0xa3), "in the repaired network", 7)
	stop = w.repeat(w.h2(), f)
	defer stop()
	w.expectTunnelled(lab.RemoteIP, lab.VNITagged, untagged(f))
}

// TestSameVNI gives two networks one VNI: the later one has the fault until it is free.
func TestSameVNI(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	w.ctl(fmt.Sprintf(`
		add-ls ls1
		set Logical_Switch ls1 tunnel_key=%d
		bind-ls %s p1 100 ls1
		add-mcast-remote ls1 unknown-dst %v`, lab.VNIUntagged, w.name, lab.RemoteIP))
	w.switchFault("unspecified_fault")
	w.logged(fmt.Sprint(lab.VNIUntagged), "Logical_Switch")
	w.reach(lab.Host1, lab.Host3)
	w.ctl(fmt.Sprintf("set Logical_Switch ls1 tunnel_key=%d", lab.VNITagged))
	w.switchFault()
	w.reach(lab.Host2Tagged, lab.Host4)
}

// switchFault waits until the faults of the switch are these.
func (w *world) switchFault(faults ...string) {
	w.t.Helper()
	w.await(func(v view) error {
		ps, err := v.physicalSwitch(w.name)
		if err != nil {
			return err
		}
		if !slices.Equal(ps.SwitchFaultStatus, faults) {
			return fmt.Errorf("switch_fault_status %q, want %q", ps.SwitchFaultStatus, faults)
		}
		return nil
	})
}

// TestUnknownPort has a port row whose device is missing, comes, goes, and comes again. The
// row stays, says what is wrong, and works whenever the device is there.
func TestUnknownPort(t *testing.T) {
	w := newWorld(t)
	w.basic()
	const port = "p9"
	w.ctl(fmt.Sprintf("add-port %s %s -- bind-ls %[1]s %[2]s 0 ls0", w.name, port))
	w.portFault(port, "invalid_vlan_map")
	w.logged(port)
	w.reach(lab.Host1, lab.Host3)

	for range 2 {
		w.addPort(port)
		w.portFault(port)
		w.reach(lab.Host1, lab.Host2)
		far := w.tap(lab.VTEP, port+"far")
		f := frame(broadcast, lab.Host1.MAC, "to the new port")
		stop := w.repeat(w.h1(), f)
		far.Expect(f)
		stop()
		mac := station(0xa4)
		far.Send(frame(broadcast, mac, "from the new port"))
		w.await(func(v view) error {
			if !slices.Contains(v.locals("ls0"), mac.String()) {
				return fmt.Errorf("learned: %q", v.locals("ls0"))
			}
			return nil
		})
		w.removed(lab.VTEP, port+"far")

		w.links(lab.VTEP, func(h *netlink.Handle) error {
			l, err := h.LinkByName(port)
			if err != nil {
				return err
			}
			return h.LinkDel(l)
		})
		w.portFault(port, "invalid_vlan_map")
		w.await(func(v view) error { // its MACs are nowhere now
			if slices.Contains(v.locals("ls0"), mac.String()) {
				return errors.New("the MAC behind the device that went is still published")
			}
			return nil
		})
		w.reach(lab.Host1, lab.Host3)
	}
}

// addPort makes a veth pair in the VTEP's namespace: NAME, for a port, and NAMEfar.
func (w *world) addPort(name string) {
	w.t.Helper()
	w.links(lab.VTEP, func(h *netlink.Handle) error {
		err := h.LinkAdd(&netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: name}, PeerName: name + "far"})
		if err != nil {
			return err
		}
		for _, name := range []string{name, name + "far"} {
			l, err := h.LinkByName(name)
			if err != nil {
				return err
			}
			if err := h.LinkSetUp(l); err != nil {
				return err
			}
		}
		return nil
	})
}

// TestTunnelIPNotLocal starts with a tunnel IP that the machine does not have: there is a
// fault and a line that says what to do, the ports work, and tunnels do once it is there.
func TestTunnelIPNotLocal(t *testing.T) {
	w := newWorld(t)
	const ip = "10.2.2.77"
	w.start("--tunnel-ip="+ip, "--port=p0", "--port=p1")
	w.ctl(fmt.Sprintf(`
		add-ls ls0
		set Logical_Switch ls0 tunnel_key=%d
		bind-ls %[2]s p0 0 ls0
		bind-ls %[2]s p1 0 ls0
		add-mcast-remote ls0 unknown-dst %[3]v`, lab.VNIUntagged, w.name, lab.RemoteIP))
	w.await(func(v view) error {
		if ps, err := v.physicalSwitch(w.name); err != nil || len(ps.SwitchFaultStatus) == 0 {
			return fmt.Errorf("the switch has no fault (%v)", err)
		}
		return nil
	})
	w.logged(ip, "not an address of this machine")
	w.reach(lab.Host1, lab.Host2)

	w.address(lab.VTEP, "u0", ip+"/24")
	w.switchFault()
	f := frame(broadcast, lab.Host1.MAC, "from the new address")
	stop := w.repeat(w.h1(), f)
	defer stop()
	_, b := w.underlay().Until("the broadcast in a tunnel", says("from the new address"))
	if d, ok := testnet.ParseOuter(b); !ok || d.Src.String() != ip {
		t.Errorf("it came from %v", d.Src)
	}

	// Another one, by the row.
	w.ctl(fmt.Sprintf("set Physical_Switch %s tunnel_ips=%v", w.name, lab.TunnelIP))
	w.underlay().Until("a frame from the other address", func(b []byte) bool {
		d, ok := testnet.ParseOuter(b)
		return ok && d.Src == lab.TunnelIP
	})
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	w.await(func(v view) error {
		for l := range v.PhysicalLocators() {
			if l.DstIP == ip {
				return fmt.Errorf("a locator with the old address is there still")
			}
		}
		return nil
	})
}

// TestSwitchRowGoes deletes the row of the switch itself: its forwarding goes, the process
// waits, and serves it again when it is back.
func TestSwitchRowGoes(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host2)
	w.ctl("del-ps " + w.name)
	w.await(func(v view) error {
		if n := len(v.locals("ls0")) + v.Len("Tunnel") + v.Len("Mcast_Macs_Local"); n > 0 {
			return fmt.Errorf("%d rows of the switch are left", n)
		}
		return nil
	})
	if w.vtep.ended() {
		t.Fatal("the VTEP has ended")
	}
	w.ctl(fmt.Sprintf(`
		add-ps %s
		set Physical_Switch %[1]s tunnel_ips=%v
		add-port %[1]s p0
		add-port %[1]s p1
		bind-ls %[1]s p0 0 ls0
		bind-ls %[1]s p1 0 ls0`, w.name, lab.TunnelIP))
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host1, lab.Host2)
	if n := strings.Count(w.vtep.output(t), "panic"); n > 0 {
		t.Error("the log speaks of a panic")
	}
}
