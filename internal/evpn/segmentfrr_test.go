package evpn_test

import (
	"bufio"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// attached starts a leaf at 10.0.0.N whose port h0 is a link of an Ethernet segment that leaf OTHER has, too.
func (f *fabric) attached(n, other int) *leaf {
	f.Helper()
	l := &leaf{fabric: f, ns: testnet.Quiet(f, fmt.Sprintf("f%d", n)), dir: f.TempDir(), ip: fmt.Sprintf("10.0.0.%d", n), daemon: map[string]*exec.Cmd{}}
	f.joins(fmt.Sprintf("p%d", n), l.ns, "u0")
	testnet.Up(f, l.ns, "lo")
	testnet.Address(f, l.ns, "u0", l.ip+"/24")
	// FRR has segments at bonds only, which not each kernel has; but it takes what is configured before the device is there.
	l.zebra = "evpn mh startup-delay 0\ninterface h0\n evpn mh es-id 1\n evpn mh es-sys-mac 02:00:00:00:00:aa\n"
	config := fmt.Sprintf("router bgp %d\n bgp router-id %s\n no bgp ebgp-requires-policy\n no bgp default ipv4-unicast\n", 65000+n, l.ip)
	active := " address-family l2vpn evpn\n"
	for _, m := range []int{1, other} {
		config += fmt.Sprintf(" neighbor 10.0.0.%d remote-as %d\n neighbor 10.0.0.%[1]d timers connect 1\n", m, 65000+m)
		active += fmt.Sprintf("  neighbor 10.0.0.%d activate\n", m)
	}
	l.write("bgpd.conf", config+active+"  advertise-all-vni\n exit-address-family\n")
	l.run("zebra")
	testenv.Eventually(f, deadline, func() error {
		_, err := os.Stat(filepath.Join(l.dir, "zebra.pid"))
		return err
	})
	l.run("bgpd")
	testenv.Eventually(f, deadline, func() error {
		_, err := os.Stat(filepath.Join(l.dir, "bgpd.vty"))
		return err
	})
	testnet.Links(f, l.ns, func(h *netlink.Handle) error {
		br := &netlink.Bridge{LinkAttrs: netlink.LinkAttrs{Name: "br33"}}
		vx := &netlink.Vxlan{LinkAttrs: netlink.LinkAttrs{Name: "vx33"}, VxlanId: 33, SrcAddr: net.ParseIP(l.ip), Port: 4789}
		h0 := &netlink.Veth{LinkAttrs: netlink.LinkAttrs{Name: "h0"}, PeerName: "host"}
		for _, link := range []netlink.Link{br, vx, h0} {
			if err := h.LinkAdd(link); err != nil {
				return fmt.Errorf("%s: %w", link.Attrs().Name, err)
			}
		}
		for _, link := range []netlink.Link{vx, h0} {
			if err := h.LinkSetMaster(link, br); err != nil {
				return err
			}
		}
		if err := h.LinkSetLearning(vx, false); err != nil {
			return err
		}
		for _, link := range []netlink.Link{br, vx, h0, &netlink.Device{LinkAttrs: netlink.LinkAttrs{Name: "host"}}} {
			if err := h.LinkSetUp(link); err != nil {
				return err
			}
		}
		return nil
	})
	// It has segments in bridges with VLANs only, which not each kernel has; but its BGP takes the network of one from its console.
	testenv.Eventually(f, deadline, func() error {
		_, err := l.vty("bgpd", "configure terminal", fmt.Sprintf("router bgp %d", 65000+n), "address-family l2vpn evpn", "test es 03:02:00:00:00:00:aa:00:00:01 vni 33")
		return err
	})
	return l
}

// vty has a daemon execute commands, and returns what the last one says.
func (l *leaf) vty(daemon string, commands ...string) (said string, err error) {
	conn, err := net.Dial("unix", filepath.Join(l.dir, daemon+".vty"))
	if err != nil {
		return "", err
	}
	defer conn.Close()
	r := bufio.NewReader(conn)
	for _, c := range append([]string{"enable"}, commands...) {
		if _, err := conn.Write([]byte(c + "\x00")); err != nil {
			return "", err
		}
		said = ""
		for !strings.HasSuffix(said, "\x00\x00\x00") {
			b, err := r.ReadByte()
			if err != nil {
				return "", err
			}
			said += string(b)
		}
		if status, err := r.ReadByte(); err != nil || status != 0 {
			return "", fmt.Errorf("%s: %q: status %d, %v: %s", daemon, c, status, err, strings.TrimRight(said, "\x00"))
		}
	}
	return strings.TrimRight(said, "\x00"), nil
}

// Hosts of a segment are reached by all of its leaves, and when one loses the link, by the others.
func TestFRRSegment(t *testing.T) {
	f := newFabric(t, "v", "10.0.0.1", "as: 65001\nrouter-id: 10.0.0.1\nneighbors:\n- address: 10.0.0.2\n  as: 65002\n- address: 10.0.0.3\n  as: 65003\n")
	l, m := f.attached(2, 3), f.attached(3, 2)
	var macs []string
	for i := range 8 {
		macs = append(macs, fmt.Sprintf("02:00:00:00:01:%02x", i))
		l.speaks(macs[i]) // the other one hears none of them
	}
	at := map[string]int{}
	testenv.Eventually(t, deadline, func() error {
		clear(at)
		for _, mac := range macs {
			at[f.at(mac)]++
		}
		if at["10.0.0.2"] == 0 || at["10.0.0.3"] == 0 || len(at) != 2 {
			return fmt.Errorf("hosts of the segment are at %v", at)
		}
		return nil
	})

	// What one announces is not passed on to the other: next hops would be lost.
	if out, err := m.vty("bgpd", "show bgp l2vpn evpn"); err != nil || strings.Contains(out, "65001 65002") || !strings.Contains(out, "65002 i") {
		t.Errorf("the other leaf has %s, %v", out, err)
	}

	// The first one loses the link: the other one has announced the hosts, too, as it knows them from the first.
	testnet.Link(t, l.ns, "host", func(h *netlink.Handle, link netlink.Link) error { return h.LinkSetDown(link) })
	testenv.Eventually(t, deadline, func() error {
		for _, mac := range macs {
			if at := f.at(mac); at != "10.0.0.3" {
				return fmt.Errorf("%s is at %q", mac, at)
			}
		}
		return nil
	})
	if out := f.appctl("evpn/status"); !strings.Contains(out, "(all-active): 8 MACs, VTEPs [10.0.0.3]") {
		t.Errorf("status: %s", out)
	}
}

// at is the VTEP that a row of a remote MAC has, "" if there is none.
func (f *fabric) at(mac string) string {
	for _, line := range strings.Split(f.ctl("list-remote-macs", "ls0"), "\n") {
		if words := strings.Fields(line); len(words) == 3 && words[0] == mac {
			return strings.TrimPrefix(words[2], "vxlan_over_ipv4/")
		}
	}
	return ""
}
