package ebpf

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/vishvananda/netlink"

	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// settings reads what seal changes.
func (w *world) settings(dev string) string {
	w.t.Helper()
	var values []string
	err := w.vtep.Do(func() error {
		for _, path := range []string{"ipv6/conf/%s/addr_gen_mode", "ipv6/conf/%s/disable_ipv6", "ipv4/conf/%s/arp_ignore", "ipv4/conf/%s/rp_filter"} {
			b, err := os.ReadFile("/proc/sys/net/" + fmt.Sprintf(path, dev))
			if err != nil {
				return err
			}
			values = append(values, strings.TrimSpace(string(b)))
		}
		return nil
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return strings.Join(values, " ")
}

func (w *world) ipv6Addresses(dev string) (n int) {
	w.t.Helper()
	w.link(dev, func(h *netlink.Handle, l netlink.Link) error {
		addrs, err := h.AddrList(l, netlink.FAMILY_V6)
		n = len(addrs)
		return err
	})
	return n
}

// questions are frames by which a host could talk to the machine: it asks for the MAC of an
// address, and pings one.
func (w *world) questions(dev string) [][]byte {
	w.t.Helper()
	var mac []byte
	w.link(dev, func(_ *netlink.Handle, l netlink.Link) error {
		mac = l.Attrs().HardwareAddr
		return nil
	})
	arp := append(append(append([]byte{}, bcast[:]...), macA[:]...), 8, 6, 0, 1, 8, 0, 6, 4, 0, 1)
	arp = append(append(arp, macA[:]...), 192, 0, 2, 2)
	arp = append(append(arp, 0, 0, 0, 0, 0, 0), 192, 0, 2, 1)
	arp = append(arp, make([]byte, 60-len(arp))...)

	ping := append(append(bytes.Clone(mac), macA[:]...), 8, 0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 1, 0, 0)
	ping = append(ping, 192, 0, 2, 3, 192, 0, 2, 1) // 192.0.2.3 is at the other end of u0
	binary.BigEndian.PutUint16(ping[24:], testnet.Checksum(ping[14:34]))
	echo := append([]byte{8, 0, 0, 0, 0, 1, 0, 1}, "do you hear me?..."...)
	binary.BigEndian.PutUint16(echo[2:], testnet.Checksum(echo))
	return [][]byte{arp, append(ping, echo...)}
}

// answers gives what the machine has answered to questions at h0: ARP to it, pings to r0.
func (w *world) answers() (arp, pong bool) {
	w.t.Helper()
	w.barrier()
	for b := w.taps["h0"].Read(); b != nil; b = w.taps["h0"].Read() {
		arp = arp || bytes.Equal(b[:6], macA[:]) && b[12] == 8 && b[13] == 6
	}
	for b := w.taps["r0"].Read(); b != nil; b = w.taps["r0"].Read() {
		pong = pong || b[12] == 8 && b[13] == 0 && b[23] == 1 && b[34] == 0
	}
	return arp, pong
}

// A port is no interface of the machine: it sends nothing by it, and while the program is off
// it hears nothing. When the port goes, all is as it was.
func TestPortIsSealed(t *testing.T) {
	w := newWorld(t)
	w.links(w.vtep, func(h *netlink.Handle) error { return setUp(h, "lo") })
	for _, set := range [][2]string{
		{"ipv6/conf/p0/disable_ipv6", "0"}, {"ipv6/conf/p1/disable_ipv6", "0"}, {"ipv4/conf/p1/rp_filter", "2"}, {"ipv4/conf/p2/arp_ignore", "1"},
	} {
		if err := w.vtep.Sysctl(set[0], set[1]); err != nil {
			t.Fatal(err)
		}
	}
	w.address(w.vtep, "p1", "2001:db8::1/64")
	w.neighbour(peerIP3)
	before := map[string]string{}
	for _, dev := range []string{"p0", "p1", "p2"} {
		before[dev] = w.settings(dev)
	}
	if before["p0"] != "0 0 0 0" || w.ipv6Addresses("p0") == 0 {
		t.Fatalf("p0 begins with %s, and %d IPv6 addresses", before["p0"], w.ipv6Addresses("p0"))
	}
	ask := func() (arp, pong bool) {
		for _, q := range w.questions("p0") {
			w.send("h0", q)
		}
		return w.answers()
	}
	if arp, pong := ask(); !arp || !pong {
		t.Fatalf("ARP %v, pong %v from a machine without a VTEP: this test shows nothing", arp, pong)
	}

	p := w.watchful(Options{AllowPorts: []string{"p1"}}, time.Hour) // for its address
	w.apply(p, basic(), nil)
	for dev, want := range map[string]string{"p0": "1 1 8 1", "p1": "1 0 8 1", "p2": "1 1 8 1"} {
		if got := w.settings(dev); got != want {
			t.Errorf("%s is set to %s, want %s", dev, got, want)
		}
	}
	if n := w.ipv6Addresses("p0"); n != 0 {
		t.Errorf("p0 has %d IPv6 addresses", n)
	}
	if n := w.ipv6Addresses("p1"); n == 0 {
		t.Error("p1 has lost the address that somebody gave it")
	}
	p.mu.Lock() // nothing is put right meanwhile
	if a := p.attached.All[w.index("p0")]; a.Link != nil {
		if err := a.Link.Detach(); err != nil {
			t.Fatal(err)
		}
	} else {
		w.link("p0", func(h *netlink.Handle, l netlink.Link) error { return h.QdiscDel(kernel.Clsact(l.Attrs().Index)) })
	}
	if arp, pong := ask(); arp || pong {
		t.Errorf("ARP %v, pong %v from a port without its program", arp, pong)
	}
	p.mu.Unlock()
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}

	p = w.plane(Options{AllowPorts: []string{"p1"}}) // and it is remembered
	w.apply(p, basic(), nil)
	if err := w.vtep.Sysctl("ipv4/conf/p2/rp_filter", "2"); err != nil { // somebody else's word
		t.Fatal(err)
	}
	if err := p.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	before["p2"] = before["p2"][:len(before["p2"])-1] + "2"
	for dev, want := range before {
		if got := w.settings(dev); got != want {
			t.Errorf("%s is set to %s, was %s", dev, got, want)
		}
	}
	testenv.Eventually(t, patience, func() error {
		if w.ipv6Addresses("p0") == 0 {
			return errors.New("p0 has no address again")
		}
		return nil
	})
}
