package test

import (
	"bytes"
	"fmt"
	"net"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

// TestTags sends frames with unusual tags, and to the addresses that a bridge keeps to itself.
func TestTags(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.ctl(fmt.Sprintf(`
		add-ls ls1
		set Logical_Switch ls1 tunnel_key=%d
		bind-ls %s p1 %d ls1
		add-mcast-remote ls1 unknown-dst %v`, lab.VNITagged, w.name, lab.VLAN, lab.RemoteIP))
	w.bound("p1", lab.VLAN)
	h1, h2 := w.h1(), w.h2()
	mac := station(0x61)

	// VID 0 is a priority tag: the frame counts as untagged, and the tag ends here.
	f := frame(broadcast, mac, "with a priority", 5<<13)
	h1.Send(f)
	h2.Expect(untagged(f))
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, untagged(f))

	// The priority of a tag does not make it another VLAN.
	f = frame(broadcast, mac, "in the VLAN, with a priority", 5<<13|lab.VLAN)
	h2.Send(f)
	w.expectTunnelled(lab.RemoteIP, lab.VNITagged, untagged(f))

	// No tag of a host goes into the overlay, none comes out of it (RFC 7348, 6.1).
	h2.Send(frame(broadcast, mac, "two tags", lab.VLAN, 7))
	marker := frame(broadcast, mac, "marker", lab.VLAN)
	h2.Send(marker)
	if _, before := w.expectTunnelled(lab.RemoteIP, lab.VNITagged, untagged(marker)); count(before, "two tags") > 0 {
		t.Error("a frame with a tag inside went into the overlay")
	}
	w.fromPeer(lab.RemoteIP, lab.VNIUntagged, frame(broadcast, lab.Host3.MAC, "tagged by a peer", 7))
	marker = frame(broadcast, lab.Host3.MAC, "marker of a peer")
	w.fromPeer(lab.RemoteIP, lab.VNIUntagged, marker)
	if count(h1.Expect(marker), "tagged by a peer") > 0 {
		t.Error("a frame with a tag came out of the overlay")
	}

	// Spanning tree, LLDP and their kind are between neighbours.
	for last := range 16 {
		h1.Send(frame(net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, byte(last)}, mac, "link local"))
	}
	marker = frame(broadcast, mac, "marker after link local")
	h1.Send(marker)
	if count(h2.Expect(marker), "link local") > 0 {
		t.Error("a link-local frame came to the other port")
	}
	if _, before := w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, marker); count(before, "link local") > 0 {
		t.Error("a link-local frame went into the overlay")
	}
}

// TestGroupRow gives a group address a row of its own, which replaces unknown-dst for it.
func TestGroupRow(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	group := net.HardwareAddr{0x01, 0x00, 0x5e, 0x01, 0x02, 0x03}
	w.ctl(fmt.Sprintf(`
		set-replication-mode ls0 source_node
		add-mcast-remote ls0 %v %v
		add-mcast-remote ls0 %[1]v %[3]v`, group, peer3, peer4))
	f := frame(group, lab.Host1.MAC, "to the group")
	stop := w.repeat(w.h1(), f)
	w.expectTunnelled(peer3, lab.VNIUntagged, f)
	w.expectTunnelled(peer4, lab.VNIUntagged, f)
	stop()
	w.h2().Expect(f) // the hosts of the box get it too
	w.floods(lab.VNIUntagged, lab.RemoteIP)
	w.ctl(fmt.Sprintf("del-mcast-remote ls0 %v %v -- del-mcast-remote ls0 %[1]v %[3]v", group, peer3, peer4))
	again := frame(group, lab.Host1.MAC, "to the group again")
	stop = w.repeat(w.h1(), again)
	defer stop()
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, again)
}

// TestLocatorKey has a peer that uses a VNI of its own, by the key of its locator; and
// networks that exchange their VNIs in one commit.
func TestLocatorKey(t *testing.T) {
	w := newWorld(t)
	w.morePeers()
	w.basic()
	w.floods(lab.VNIUntagged, lab.RemoteIP)
	mac := station(0x62)
	w.ctl(fmt.Sprintf(`
		--id=@l create Physical_Locator encapsulation_type=vxlan_over_ipv4 dst_ip="%v" tunnel_key=7777
		--id=@m create Ucast_Macs_Remote MAC="%v" logical_switch=%s locator=@l`, peer3, mac, w.lsUUID("ls0")))
	f := frame(mac, lab.Host1.MAC, "under the locator's key")
	stop := w.repeat(w.h1(), f)
	w.expectTunnelled(peer3, 7777, f)
	stop()
	back := frame(lab.Host1.MAC, mac, "from there")
	w.fromPeer(peer3, lab.VNIUntagged, frame(lab.Host1.MAC, mac, "not its VNI"))
	w.fromPeer(peer3, 7777, back)
	if count(w.h1().Expect(back), "not its VNI") > 0 {
		t.Error("a frame under the switch's VNI came in from a peer that has its own")
	}

	// In place, another key.
	w.ctl(fmt.Sprintf("set Physical_Locator %s tunnel_key=8888", w.locatorUUID(peer3.String())))
	stop = w.repeat(w.h1(), f)
	defer stop()
	w.underlay().Until("a frame under the new key", func(b []byte) bool {
		d, ok := testnet.ParseOuter(b)
		return ok && d.Dst == peer3 && d.VNI == 8888
	})
}

// TestSwapVNI exchanges the VNIs of two networks in one commit.
func TestSwapVNI(t *testing.T) {
	w := newWorld(t)
	w.both()
	w.ctl(fmt.Sprintf("set Logical_Switch ls0 tunnel_key=%d -- set Logical_Switch ls1 tunnel_key=%d", lab.VNITagged, lab.VNIUntagged))
	f := frame(broadcast, lab.Host1.MAC, "from ls0")
	stop := w.repeat(w.h1(), f)
	w.h4().Expect(f)
	stop()
	g := frame(broadcast, lab.Host2Tagged.MAC, "from ls1", lab.VLAN)
	stop = w.repeat(w.h2(), g)
	w.h3().Expect(untagged(g))
	stop()
	w.switchFault()
	w.ctl(fmt.Sprintf("set Logical_Switch ls0 tunnel_key=%d -- set Logical_Switch ls1 tunnel_key=%d", lab.VNIUntagged, lab.VNITagged))
	w.reach(lab.Host1, lab.Host3)
	w.reach(lab.Host2Tagged, lab.Host4)
}

func (w *world) lsUUID(name string) string {
	w.t.Helper()
	ls, err := w.now().logicalSwitch(name)
	if err != nil {
		w.t.Fatal(err)
	}
	return ls.UUID.String()
}

func (w *world) locatorUUID(ip string) string {
	w.t.Helper()
	for l := range w.now().PhysicalLocators() {
		if _, keyed := l.TunnelKey.Get(); l.DstIP == ip && keyed {
			return l.UUID.String()
		}
	}
	w.t.Fatalf("no locator with a key for %s", ip)
	return ""
}

// TestSwitchOptions lets through by options what TestTags sees dropped, gives it priorities, and floods
// no more than ARP.
func TestSwitchOptions(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.ctl(fmt.Sprintf(`
		add-ls ls1
		set Logical_Switch ls1 tunnel_key=%d
		bind-ls %s p1 %d ls1
		add-mcast-remote ls1 unknown-dst %v`, lab.VNITagged, w.name, lab.VLAN, lab.RemoteIP))
	w.bound("p1", lab.VLAN)
	w.ctl(fmt.Sprintf("set Physical_Switch %s other_config:reserved_macs=lldp other_config:flooding=arp_nd "+
		"other_config:inner_tags=true other_config:tunnel_dscp=inner other_config:tag_pcp=5", w.name))
	h1, h2 := w.h1(), w.h2()
	mac, lldp := station(0x62), net.HardwareAddr{0x01, 0x80, 0xc2, 0, 0, 0x0e}

	f := frame(lldp, mac, "to the neighbour of a neighbour")
	stop := w.repeat(h1, f)
	h2.Expect(f)
	stop()
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)

	// Only ARP is flooded.
	h1.Send(frame(broadcast, mac, "to all"))
	f = frame(broadcast, mac, "who has?")
	f[12], f[13] = 0x08, 0x06
	h1.Send(f)
	if count(h2.Expect(f), "to all") > 0 {
		t.Error("more than ARP is flooded")
	}
	w.expectTunnelled(lab.RemoteIP, lab.VNIUntagged, f)
	if drops := w.appctl("vtep/drops"); !strings.Contains("\n"+drops, "\nflood_limited: ") {
		t.Errorf("the drops are\n%s", drops)
	}

	// A second tag goes into a tunnel and comes out of it; the binding's own has its priority.
	f = frame(lldp, mac, "two tags", lab.VLAN, 7)
	h2.Send(f)
	w.expectTunnelled(lab.RemoteIP, lab.VNITagged, untagged(f))
	f = frame(lldp, lab.Host3.MAC, "tagged by a peer", 7)
	w.fromPeer(lab.RemoteIP, lab.VNITagged, f)
	h2.Expect(slices.Concat(f[:12], []byte{0x81, 0, 5<<5 | lab.VLAN>>8, lab.VLAN & 0xff}, f[12:]))

	const expedited = 46 << 2
	f = frame(lldp, mac, "EE..in haste")
	copy(f[12:], []byte{0x08, 0x00, 0x45, expedited})
	h1.Send(f)
	var o testnet.Outer
	w.underlay().Until("with a DSCP", func(b []byte) (ok bool) {
		o, ok = testnet.ParseOuter(b)
		return ok && bytes.Equal(o.Inner, f)
	})
	if o.TOS != expedited {
		t.Errorf("the tunnel packet has TOS %#x, the packet in it %#x", o.TOS, expedited)
	}

	w.ctl("set Logical_Switch ls0 other_config:flooding=some")
	w.problem("bad_option: Logical_Switch ls0: other_config:flooding is \"some\"", true)
}
