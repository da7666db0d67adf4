package test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/igmp"
	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// The groups that hosts join.
var (
	mcast4 = netip.MustParseAddr("239.1.1.1")
	mcast6 = netip.MustParseAddr("ff05::1:3")
)

// join has the kernel of a host join a group, until leave is called, or the end of the test.
func (w *world) join(node lab.Node, device string, group netip.Addr) (leave func()) {
	w.t.Helper()
	var c *net.UDPConn
	err := w.lab.Namespace(node).Do(func() error {
		ifi, err := net.InterfaceByName(device)
		if err != nil {
			return err
		}
		c, err = net.ListenMulticastUDP("udp", ifi, &net.UDPAddr{IP: group.AsSlice(), Port: 9})
		return err
	})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = c.Close() })
	return func() {
		if err := c.Close(); err != nil {
			w.t.Error(err)
		}
	}
}

// ipv6 gives a device its link-local address.
func (w *world) ipv6(node lab.Node, device string) {
	w.t.Helper()
	if err := w.lab.Namespace(node).Sysctl("ipv6/conf/"+device+"/disable_ipv6", "0"); err != nil {
		w.t.Fatal(err)
	}
}

// asks has a bridge of the kernel ask hosts every few seconds.
const asks = " type bridge mcast_snooping 1 mcast_querier 1 mcast_query_interval 300 mcast_query_response_interval 100" +
	" mcast_startup_query_interval 100 mcast_igmp_version 3"

// ip runs the command of that name in a namespace.
func (w *world) ip(node lab.Node, args string) {
	w.t.Helper()
	if err := w.lab.Namespace(node).Run(exec.Command(testenv.Program(w.t, "ip"), strings.Fields(args)...)); err != nil {
		w.t.Fatalf("ip %s: %v", args, err)
	}
}

// querier makes such a bridge at the far end of p2.
func (w *world) querier() {
	w.t.Helper()
	for _, args := range []string{"link add querier" + asks + " mcast_mld_version 2", "link set p2far master querier", "link set querier up"} {
		w.ip(lab.VTEP, args)
	}
	w.ipv6(lab.VTEP, "querier") // without an address it asks no hosts of IPv6
	w.atEnd(func() { w.ip(lab.VTEP, "link del querier") })
}

// groupsKnown waits until the VTEP knows these lines of groups, without what changes by itself.
func (w *world) groupsKnown(want ...string) {
	w.t.Helper()
	slices.Sort(want)
	testenv.Eventually(w.t, patience, func() error {
		got := []string{}
		for line := range strings.Lines(w.appctl("mdb/show")) {
			line, _, _ = strings.Cut(strings.TrimSuffix(line, "\n"), " expires")
			switch fields := strings.Fields(line); {
			case fields[2] == "querier": // its address is made of the bridge's MAC
				line = strings.Replace(line, " "+fields[3], "", 1)
			case fields[2] == "member" && fields[3] != mcast4.String() && fields[3] != mcast6.String():
				continue // what hosts of Linux are in by themselves
			}
			got = append(got, strings.TrimPrefix(line, "ls0 "))
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			return fmt.Errorf("groups are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
		}
		return nil
	})
}

// toGroup waits until frames to a group, from h3 behind r1, come to those of h1 and h2 that they should
// come to, and to nobody else.
func (w *world) toGroup(group netip.Addr, h1, h2 bool) {
	w.t.Helper()
	mac := igmp.MAC(group)
	end := time.Now().Add(patience)
	for n := 0; ; n++ {
		payload := fmt.Sprintf("to the group %d.", n)
		w.fromPeer(lab.RemoteIP, lab.VNIUntagged, frame(mac[:], lab.Host3.MAC, payload))
		marker := frame(broadcast, lab.Host3.MAC, fmt.Sprintf("after that %d.", n))
		w.fromPeer(lab.RemoteIP, lab.VNIUntagged, marker)
		got1, got2 := count(w.h1().Expect(marker), payload), count(w.h2().Expect(marker), payload)
		if got1 <= 1 && got2 <= 1 && (got1 == 1) == h1 && (got2 == 1) == h2 {
			return
		}
		if time.Now().After(end) {
			w.t.Fatalf("of a frame to %v h1 got %d, h2 got %d; want %v, %v", group, got1, got2, h1, h2)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// TestSnooping has kernels join and leave groups, and one ask for them.
func TestSnooping(t *testing.T) {
	w := newWorld(t)
	w.addPort("p2")
	w.start(append(slices.Clone(usual), "--port=p2")...)
	w.ctl(fmt.Sprintf(`
		add-ls ls0
		set Logical_Switch ls0 tunnel_key=%d replication_mode=source_node other_config:mcast_snooping=true
		bind-ls %[2]s p0 0 ls0
		bind-ls %[2]s p1 0 ls0
		bind-ls %[2]s p2 0 ls0
		add-mcast-remote ls0 unknown-dst %[3]v`, lab.VNIUntagged, w.name, lab.RemoteIP))
	for _, p := range []string{"p0", "p1", "p2"} {
		w.bound(p, 0)
	}
	w.ipv6(lab.H1, "eth0")
	leave4 := w.join(lab.H1, "eth0", mcast4)
	leave6 := w.join(lab.H1, "eth0", mcast6)
	w.groupsKnown("igmp member 239.1.1.1 port p0 vlan 0", "mld member ff05::1:3 port p0 vlan 0",
		"igmp open port p0 vlan 0", "igmp open port p1 vlan 0", "igmp open port p2 vlan 0",
		"mld open port p0 vlan 0", "mld open port p1 vlan 0", "mld open port p2 vlan 0")
	w.toGroup(mcast4, true, true) // nobody asks

	w.querier()
	there := []string{"igmp querier port p2 vlan 0", "igmp asker port p2 vlan 0", "mld querier port p2 vlan 0", "mld router port p2 vlan 0"}
	w.groupsKnown(append(there, "igmp member 239.1.1.1 port p0 vlan 0", "mld member ff05::1:3 port p0 vlan 0")...)
	w.toGroup(mcast4, true, false)
	w.toGroup(mcast6, true, false)
	w.toGroup(netip.MustParseAddr("239.7.7.7"), false, false)
	w.await(func(v view) error { return v.hasGroups("01:00:5e:01:01:01", "33:33:00:01:00:03") })

	leave4()
	w.toGroup(mcast4, false, false)
	leave6()
	w.toGroup(mcast6, false, false)
	w.await(func(v view) error { return v.hasNoGroups("01:00:5e:01:01:01", "33:33:00:01:00:03") })

	// While no process hears of it, who joins gets frames all the same. This one speaks IGMPv2.
	if err := w.lab.Namespace(lab.H2).Sysctl("ipv4/conf/eth0/force_igmp_version", "2"); err != nil {
		t.Fatal(err)
	}
	w.signal(syscall.SIGKILL)
	leave4 = w.join(lab.H2, "eth0", mcast4)
	w.toGroup(mcast4, true, true)
	w.start(w.args...)
	w.toGroup(mcast4, false, true)
	w.groupsKnown(append(there, "igmp member 239.1.1.1 port p1 vlan 0")...)
	leave4()
	w.toGroup(mcast4, false, false)

	// The hosts of a new binding are asked by the VTEP itself.
	w.ctl(fmt.Sprintf("unbind-ls %s p1 0", w.name))
	w.await(func(v view) error { // else both may come at once, and nothing is new
		if _, err := v.stats("p1", 0); err == nil {
			return errors.New("p1 still has statistics of VLAN 0")
		}
		return nil
	})
	w.ctl(fmt.Sprintf("bind-ls %s p1 0 ls0", w.name))
	w.h2().Until("query of the VTEP", func(b []byte) bool {
		m, err := igmp.Parse(b)
		return err == nil && m.Kind == igmp.Query && m.Source == netip.IPv4Unspecified() && m.MaxResponse == 10*time.Second
	})

	// Without the option all is as before.
	w.ctl("remove Logical_Switch ls0 other_config mcast_snooping")
	w.toGroup(mcast4, true, true)
	w.groupsKnown()
}

// TestSnoopingAcrossTunnel has the bridge of a peer ask hosts here, and send to a group what it hears from
// them that they want.
func TestSnoopingAcrossTunnel(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.ctl("set Logical_Switch ls0 other_config:mcast_snooping=true")
	w.ip(lab.R1, "link set br5000"+asks)
	leave := w.join(lab.H1, "eth0", mcast4)
	w.groupsKnown("igmp querier tunnel", "igmp member 239.1.1.1 port p0 vlan 0", "mld open port p0 vlan 0", "mld open port p1 vlan 0")
	mac := igmp.MAC(mcast4)
	payload := []byte("to a group by a kernel that snoops")
	sent := testnet.Frame(mac[:], lab.Host3.MAC, string(payload))
	ip := append([]byte{8, 0, 0x45, 0, 0, byte(20 + len(payload)), 0, 0, 0, 0, 4, 253, 0, 0, 192, 0, 2, 3}, mcast4.AsSlice()...)
	sum := testnet.Checksum(ip[2:])
	ip[12], ip[13] = byte(sum>>8), byte(sum)
	sent = append(append(sent[:12:12], ip...), payload...)
	stop := w.repeat(w.h3(), sent)
	before := w.h2().Drain()
	w.h1().Until("data of the group", func(b []byte) bool { return says(string(payload))(b) })
	stop()
	marker := frame(broadcast, lab.Host3.MAC, "after it")
	w.h3().Send(marker)
	if n := count(append(before, w.h2().Expect(marker)...), string(payload)); n > 0 {
		t.Errorf("h2, which is in no group, got %d frames", n)
	}
	leave()
	w.groupsKnown("igmp querier tunnel", "mld open port p0 vlan 0", "mld open port p1 vlan 0")
}

// hasGroups says whether each of the MACs has a row of a group.
func (v view) hasGroups(macs ...string) error {
	have := v.groups()
	for _, mac := range macs {
		if !slices.Contains(have, mac) {
			return fmt.Errorf("Mcast_Macs_Local has %q, and not %s", have, mac)
		}
	}
	return nil
}

// hasNoGroups is the opposite.
func (v view) hasNoGroups(macs ...string) error {
	have := v.groups()
	for _, mac := range macs {
		if slices.Contains(have, mac) {
			return fmt.Errorf("Mcast_Macs_Local has %q", have)
		}
	}
	return nil
}

func (v view) groups() (macs []string) {
	for m := range v.McastMACsLocal() {
		macs = append(macs, m.MAC)
	}
	return macs
}
