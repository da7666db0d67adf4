package test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/packet"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// forgetNeighbor has the kernel of a host ask anew who has an address.
func (w *world) forgetNeighbor(of lab.Station, ip netip.Addr) {
	w.t.Helper()
	cmd := exec.Command(testenv.Program(w.t, "ip"), "neigh", "flush", "to", ip.String(), "dev", of.Device)
	if err := w.lab.Namespace(of.Node).Run(cmd); err != nil {
		w.t.Fatal(err)
	}
}

// questions counts the ARP requests for an address in tunnels, of those that the underlay has seen by
// now.
func (w *world) questions(ip netip.Addr) (n int) {
	w.t.Helper()
	marker := frame(broadcast, lab.Host1.MAC, fmt.Sprintf("marker %d.", time.Now().UnixNano()))
	w.h1().Send(marker)
	before, _ := w.underlay().Until("the marker", func(b []byte) bool { return strings.Contains(string(b), string(marker[14:])) })
	for _, b := range before {
		o, ok := testnet.ParseOuter(b)
		if !ok || o.Src != lab.TunnelIP || len(o.Inner) < 14 {
			continue
		}
		if a, ok := packet.ParseARP(o.Inner[14:]); ok && packet.EtherType(o.Inner) == packet.EtherARP && a.Op == packet.ARPRequest && a.TargetIP == ip {
			n++
		}
	}
	return n
}

// TestSuppression has the kernel of a host find another one behind a peer, without a question on the
// underlay if a row has its address; and rows have the addresses of local hosts.
func TestSuppression(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.reach(lab.Host1, lab.Host3)
	w.await(func(v view) error {
		for m := range v.UcastMACsLocal() {
			if m.MAC == lab.Host1.MAC.String() && m.IPAddr == lab.Host1.IP.Addr().String() {
				return nil
			}
		}
		return fmt.Errorf("no row has the address of h1")
	})
	h3 := lab.Host3.IP.Addr()
	asks := func(want bool) {
		t.Helper()
		testenv.Eventually(t, patience, func() error { // rows take effect a moment after their commit
			w.questions(h3) // of before
			w.forgetNeighbor(lab.Host1, h3)
			if r := w.ping(lab.Host1, lab.Host3, 1, time.Millisecond); r.Received == 0 {
				return fmt.Errorf("h3 is not found")
			}
			if n := w.questions(h3); n > 0 != want {
				return fmt.Errorf("%d questions on the underlay", n)
			}
			return nil
		})
	}
	asks(true)
	w.ctl("set Logical_Switch ls0 other_config:arp_nd_suppression=true")
	asks(true) // no row has the address
	row := strings.TrimSpace(w.ctl("--bare --columns=_uuid find Ucast_Macs_Remote MAC=" + strings.ReplaceAll(lab.Host3.MAC.String(), ":", `\:`)))
	w.ctl(fmt.Sprintf("set Ucast_Macs_Remote %s ipaddr=%v", row, h3))
	asks(false)
	if out := w.appctl("plane/stats"); !strings.Contains(out, "answered arp: ") || strings.Contains(out, "answered arp: 0\n") {
		t.Errorf("plane/stats does not say that questions were answered:\n%s", out)
	}
	for range 20 { // not one of them goes out
		w.forgetNeighbor(lab.Host1, h3)
		if r := w.ping(lab.Host1, lab.Host3, 1, time.Millisecond); r.Lost() > 0 {
			t.Fatal("h3 is not found")
		}
	}
	if n := w.questions(h3); n > 0 {
		t.Errorf("%d of 20 questions went out", n)
	}

	// An unknown address is asked for as ever, and so is that of a peer's host that is gone.
	unknown := netip.MustParseAddr("192.0.2.77")
	w.ping(lab.Host1, lab.Station{Node: lab.H3, IP: netip.PrefixFrom(unknown, 24)}, 1, time.Millisecond)
	if w.questions(unknown) == 0 {
		t.Error("nobody is asked for an unknown address")
	}
	w.ctl("del-ucast-remote ls0 " + lab.Host3.MAC.String())
	asks(true)
}

// probes waits until h1 has been asked n times whether it is there, by a packet that is one.
func (w *world) probes(n int, what string, is func(frame []byte) bool) {
	w.t.Helper()
	tp := w.h1()
	tp.Drain()
	for range n {
		tp.Until(what, is)
	}
}

// TestSilentHost has the kernel of a host that says nothing by itself keep its row: it is asked before it
// ages, by either family, and answers. When it has its addresses no longer, the row goes.
func TestSilentHost(t *testing.T) {
	w := newWorld(t)
	w.basic()
	w.ctl(fmt.Sprintf("set Physical_Switch %s other_config:mac_aging_time=1\n set Logical_Switch ls0 other_config:arp_nd_probing=true", w.name))
	ip, mac := lab.Host1.IP.Addr(), packet.MAC(lab.Host1.MAC)
	row := func(says netip.Addr) (id string) {
		w.t.Helper()
		w.await(func(v view) error {
			for m := range v.UcastMACsLocal() {
				if m.MAC == lab.Host1.MAC.String() && m.IPAddr == says.String() {
					id = fmt.Sprint(m.UUID)
					return nil
				}
			}
			return fmt.Errorf("no row says that h1 has %v", says)
		})
		return id
	}
	w.reach(lab.Host1, lab.Host3)
	before := row(ip)
	var src packet.MAC
	w.probes(2, "an ARP probe", func(b []byte) bool {
		if packet.EtherType(b) != packet.EtherARP {
			return false
		}
		a, ok := packet.ParseARP(b[packet.HeaderLen:])
		src = a.SenderMAC
		return ok && packet.MAC(b) == mac && a.Op == packet.ARPRequest && a.SenderIP == netip.IPv4Unspecified() && a.TargetIP == ip
	})
	if now := row(ip); now != before {
		t.Error("the row is another one")
	}

	// What h1 answers is for the VTEP alone.
	answers := 0
	seen, _ := w.underlay().Until("the marker", func() func([]byte) bool {
		marker := frame(broadcast, lab.Host1.MAC, "after the answers.")
		w.h1().Send(marker)
		return func(b []byte) bool { return strings.Contains(string(b), string(marker[14:])) }
	}())
	for _, b := range seen {
		if o, ok := testnet.ParseOuter(b); ok && len(o.Inner) > 14 && packet.MAC(o.Inner) == src {
			answers++
		}
	}
	if answers > 0 {
		t.Errorf("%d answers went to the peer", answers)
	}

	six := netip.MustParseAddr("2001:db8::1")
	w.ipv6(lab.H1, lab.Host1.Device)
	w.ip(lab.H1, "addr add 2001:db8::1/64 nodad dev "+lab.Host1.Device)
	w.ip(lab.H1, "route add 2001:db8:1::/64 via 2001:db8::99") // so that something is asked for
	w.ip(lab.H1, "addr del "+lab.Host1.IP.String()+" dev "+lab.Host1.Device)
	_ = w.lab.Namespace(lab.H1).Run(exec.Command(testenv.Program(t, "ping"), "-c", "1", "-W", "1", "2001:db8::99")) // nobody is there
	before = row(six)
	w.probes(2, "a solicitation", func(b []byte) bool {
		if !packet.IsND(b) {
			return false
		}
		n, ok := packet.ParseND(b)
		return ok && packet.MAC(b) == mac && n.Type == packet.Solicitation && n.Target == six && n.Dst == six && n.Src.IsLinkLocalUnicast()
	})
	if now := row(six); now != before {
		t.Error("the row is another one")
	}
	w.ip(lab.H1, "addr flush dev "+lab.Host1.Device)
	w.await(func(v view) error {
		for m := range v.UcastMACsLocal() {
			if m.MAC == lab.Host1.MAC.String() {
				return fmt.Errorf("h1 has its row still")
			}
		}
		return nil
	})
}
