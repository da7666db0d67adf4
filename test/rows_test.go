package test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/lab"
)

// basic is one network, VNI 5000, with the untagged frames of both ports, and r1 as its one
// peer.
func (w *world) basic() {
	w.t.Helper()
	w.start(usual...)
	w.ctl(fmt.Sprintf(`
		add-ls ls0
		set Logical_Switch ls0 tunnel_key=%d
		bind-ls %[2]s p0 0 ls0
		bind-ls %[2]s p1 0 ls0
		add-mcast-remote ls0 unknown-dst %[3]v
		add-ucast-remote ls0 %[4]v %[3]v`,
		lab.VNIUntagged, w.name, lab.RemoteIP, lab.Host3.MAC))
	w.bound("p0", 0)
	w.bound("p1", 0)
}

// bound waits until a binding is in force: its counters have a row then.
func (w *world) bound(port string, vlan int64) {
	w.t.Helper()
	w.await(func(v view) error { _, err := v.stats(port, vlan); return err })
}

// learned waits until exactly these MACs are published for a logical switch.
func (w *world) learned(ls string, macs ...string) view {
	w.t.Helper()
	slices.Sort(macs)
	return w.await(func(v view) error {
		if have := v.locals(ls); !slices.Equal(have, macs) {
			return fmt.Errorf("learned in %s: %q, want %q", ls, have, macs)
		}
		return nil
	})
}

// TestRowsAtStart looks at the rows that the VTEP makes, and at those of a second start.
func TestRowsAtStart(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	check := func(v view) error {
		ps, err := v.physicalSwitch(w.name)
		if err != nil {
			return err
		}
		global, ok := v.TheGlobal()
		if !ok || !slices.Contains(global.Switches, ps.UUID) {
			return errors.New("the switch is not in Global")
		}
		if !slices.Equal(ps.TunnelIPs, []string{lab.TunnelIP.String()}) {
			return fmt.Errorf("tunnel_ips %q", ps.TunnelIPs)
		}
		for _, name := range []string{"p0", "p1"} {
			p, err := v.port(name)
			if err != nil {
				return err
			}
			if !slices.Contains(ps.Ports, p.UUID) {
				return fmt.Errorf("port %s is not of the switch", name)
			}
		}
		if len(ps.SwitchFaultStatus) > 0 {
			return fmt.Errorf("faults %q", ps.SwitchFaultStatus)
		}
		return nil
	}
	before := w.await(check)
	w.closeReplica()
	w.exit()
	w.start(usual...)
	after := w.await(check)
	for _, table := range []string{"Global", "Physical_Switch", "Physical_Port"} {
		if a, b := before.Len(table), after.Len(table); a != b {
			t.Errorf("%d rows of %s after a second start, there were %d", b, table, a)
		}
	}
	a, _ := before.TheGlobal()
	b, _ := after.TheGlobal()
	if a.UUID != b.UUID || !slices.Equal(a.Switches, b.Switches) {
		t.Errorf("Global was %v of %v, is %v of %v", a.UUID, a.Switches, b.UUID, b.Switches)
	}
}

// TestPublished looks at what the VTEP says of its work: learned MACs, where broadcast goes,
// tunnels.
func TestPublished(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.openReplica()
	w.reach(lab.Host1, lab.Host3)
	v := w.learned("ls0", lab.Host1.MAC.String())
	ls, err := v.logicalSwitch("ls0")
	if err != nil {
		t.Fatal(err)
	}
	for m := range v.UcastMACsLocal() {
		locator, _ := v.PhysicalLocator(m.Locator)
		if m.MAC != lab.Host1.MAC.String() || m.LogicalSwitch != ls.UUID || locator.DstIP != lab.TunnelIP.String() {
			t.Errorf("Ucast_Macs_Local %+v, locator %+v", m, locator)
		}
	}
	w.await(func(v view) error {
		for m := range v.McastMACsLocal() {
			set, _ := v.PhysicalLocatorSet(m.LocatorSet)
			if m.MAC != "unknown-dst" || m.LogicalSwitch != ls.UUID || len(set.Locators) != 1 {
				return fmt.Errorf("Mcast_Macs_Local %+v, locators %v", m, set.Locators)
			}
			if locator, _ := v.PhysicalLocator(set.Locators[0]); locator.DstIP != lab.TunnelIP.String() {
				return fmt.Errorf("Mcast_Macs_Local leads to %s", locator.DstIP)
			}
			return nil
		}
		return errors.New("no Mcast_Macs_Local")
	})
	w.tunnels(lab.RemoteIP.String())
	w.await(func(v view) error {
		for tunnel := range v.Tunnels() {
			if local, _ := v.PhysicalLocator(tunnel.Local); local.DstIP != lab.TunnelIP.String() {
				return fmt.Errorf("a tunnel from %s", local.DstIP)
			}
			if len(tunnel.BFDStatus) > 0 {
				return fmt.Errorf("bfd_status %v, but BFD is not wanted", tunnel.BFDStatus)
			}
		}
		return nil
	})

	// A peer that comes and goes.
	w.ctl("add-mcast-remote ls0 unknown-dst 10.2.2.9")
	w.tunnels(lab.RemoteIP.String(), "10.2.2.9")
	w.ctl("del-mcast-remote ls0 unknown-dst 10.2.2.9")
	w.tunnels(lab.RemoteIP.String())
}

// tunnels waits until the switch has tunnels to exactly these peers.
func (w *world) tunnels(peers ...string) {
	w.t.Helper()
	slices.Sort(peers)
	w.await(func(v view) error {
		if have := v.peers(w.name); !slices.Equal(have, peers) {
			return fmt.Errorf("tunnels to %q, want %q", have, peers)
		}
		if n := v.Len("Tunnel"); n != len(peers) {
			return fmt.Errorf("%d rows of Tunnel, want %d", n, len(peers))
		}
		return nil
	})
}

// tunnel waits for a Tunnel row to the peer.
func (w *world) tunnel(peer string) {
	w.t.Helper()
	w.await(func(v view) error {
		if have := v.peers(w.name); !slices.Contains(have, peer) {
			return fmt.Errorf("tunnels to %q, want one to %s", have, peer)
		}
		return nil
	})
}

// TestCounters sends known numbers of frames in each direction, in a VLAN in which the hosts'
// stacks are silent.
func TestCounters(t *testing.T) {
	w := newWorld(t)
	w.start(usual...)
	const vlan = 30
	w.ctl(fmt.Sprintf(`
		add-ls ls1
		set Logical_Switch ls1 tunnel_key=%d
		bind-ls %s p0 %d ls1
		add-mcast-remote ls1 unknown-dst %v`, lab.VNITagged, w.name, vlan, lab.RemoteIP))
	w.bound("p0", vlan)
	h1, h4 := w.h1(), w.h4()
	host := station(0x99)
	up := frame(lab.Host4.MAC, host, "counted, up", vlan)
	down := frame(host, lab.Host4.MAC, "counted, down", vlan)
	const in, out = 7, 4
	for range in {
		h1.Send(up)
		h4.Expect(untagged(up))
	}
	var toLocal, bytesToLocal int64 // counted at h1: r1's bridge also says something now and then
	arrived := func(frames ...[]byte) {
		for _, f := range frames {
			if len(f) > 16 && f[12] == 0x81 && f[15] == vlan {
				toLocal, bytesToLocal = toLocal+1, bytesToLocal+int64(len(f))-4 // the binding's tag does not count
			}
		}
	}
	for range out {
		h4.Send(untagged(down))
		arrived(append(h1.Expect(down), down)...)
	}
	w.await(func(v view) error {
		s, err := v.stats("p0", vlan)
		if err != nil {
			return err
		}
		arrived(h1.Drain()...)
		have := [4]int64{s.PacketsFromLocal, s.BytesFromLocal, s.PacketsToLocal, s.BytesToLocal}
		want := [4]int64{in, in * int64(len(untagged(up))), toLocal, bytesToLocal}
		if have != want {
			return fmt.Errorf("packets and bytes from local, to local: %v, want %v", have, want)
		}
		return nil
	})
	if toLocal < out {
		t.Errorf("%d frames came to h1, %d were sent", toLocal, out)
	}

	// No binding, no counters.
	w.ctl(fmt.Sprintf("unbind-ls %s p0 %d", w.name, vlan))
	w.await(func(v view) error {
		if p, err := v.port("p0"); err != nil || len(p.VLANStats) > 0 {
			return fmt.Errorf("vlan_stats %v, %v", p.VLANStats, err)
		}
		return nil
	})
}

// TestAgeing lets a MAC go that is silent, and keeps one that is not.
func TestAgeing(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.ctl("set Physical_Switch " + w.name + " other_config:mac_aging_time=2")
	talker, silent := station(0x71), station(0x72)
	w.h1().Send(frame(broadcast, silent, "once"))
	w.h2().Send(frame(broadcast, talker, "hello"))
	w.learned("ls0", silent.String(), talker.String())
	stop := w.repeat(w.h2(), frame(broadcast, talker, "hello again"))
	defer stop()
	w.learned("ls0", talker.String())
	// The silent one is in the dataplane no more: frames to it are flooded again.
	again := w.repeat(w.h2(), frame(silent, talker, "where are you"))
	defer again()
	w.h1().Until("a flooded frame", says("where are you"))
	w.underlay().Until("a flooded frame", says("where are you"))
}

// TestMove moves a MAC from port to port.
func TestMove(t *testing.T) {
	w := newWorld(t)
	w.basic()
	mac := station(0x73)
	w.h1().Send(frame(broadcast, mac, "at h1"))
	w.learned("ls0", mac.String())
	w.h2().Send(frame(broadcast, mac, "at h2"))
	w.h1().Until("the broadcast", says("at h2"))
	w.h3().Send(frame(mac, lab.Host3.MAC, "follow"))
	w.h2().Until("the frame for the MAC that moved", says("follow"))
	marker := frame(broadcast, lab.Host3.MAC, "marker")
	w.h3().Send(marker)
	if count(w.h1().Expect(marker), "follow") > 0 {
		t.Error("the old port got a frame for the MAC that moved")
	}
	w.learned("ls0", mac.String())
}

// TestUnbind takes a binding away: the learned MACs go at once, and the logical switch can be
// deleted, as its controller expects.
func TestUnbind(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.h1().Send(frame(broadcast, station(0x74), "at p0"))
	w.h2().Send(frame(broadcast, station(0x75), "at p1"))
	w.learned("ls0", station(0x74).String(), station(0x75).String())
	w.ctl("unbind-ls " + w.name + " p0 0")
	w.learned("ls0", station(0x75).String())
	w.ctl(fmt.Sprintf(`
		unbind-ls %s p1 0
		clear-remote-macs ls0`, w.name))
	w.await(func(v view) error {
		for _, table := range []string{"Ucast_Macs_Local", "Mcast_Macs_Local", "Tunnel", "Physical_Locator", "Logical_Binding_Stats"} {
			if n := v.Len(table); n > 0 {
				return fmt.Errorf("%d rows of %s are left", n, table)
			}
		}
		return nil
	})
	w.ctl("del-ls ls0")
	w.await(func(v view) error {
		if _, err := v.logicalSwitch("ls0"); err == nil {
			return errors.New("the logical switch is there still")
		}
		return nil
	})
}
