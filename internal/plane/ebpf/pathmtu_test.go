package ebpf

import (
	"encoding/binary"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// ip6Frame is a UDP frame over IPv6 with n bytes of payload.
func ip6Frame(dst, src intent.MAC, n int) []byte {
	f := append(append([]byte{}, dst[:]...), src[:]...)
	f = append(f, 0x86, 0xdd, 0x60, 0, 0, 0)
	f = binary.BigEndian.AppendUint16(f, uint16(8+n))
	f = append(f, 17, 64)
	for host := range byte(2) {
		f = append(f, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host+1)
	}
	f = append(f, 0xc3, 0x50, 0, 9)
	f = binary.BigEndian.AppendUint16(f, uint16(8+n))
	return append(f, make([]byte, 2+n)...)
}

// swapped is what starts an answer to f.
func swapped(f []byte) []byte {
	return append(append(append([]byte{}, f[6:12]...), f[:6]...), f[12:14]...)
}

// tooBig4 is the ICMP message (RFC 1191) about f.
func tooBig4(f []byte, mtu uint16) []byte {
	b := append(swapped(f), 0x45, 0xc0, 0, 56, 0, 0, 0, 0, 64, 1, 0, 0)
	b = append(append(b, f[30:34]...), f[26:30]...)
	binary.BigEndian.PutUint16(b[24:], testnet.Checksum(b[14:34]))
	b = append(b, 3, 4, 0, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, mtu)
	b = append(b, f[14:42]...)
	binary.BigEndian.PutUint16(b[36:], testnet.Checksum(b[34:]))
	return b
}

// tooBig6 is the ICMPv6 message (RFC 4443, 3.2) about f.
func tooBig6(f []byte, mtu uint32) []byte {
	b := append(swapped(f), 0x60, 0, 0, 0, 0, 120, 58, 64)
	b = append(append(b, f[38:54]...), f[22:38]...)
	b = append(b, 2, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, mtu)
	b = append(b, f[14:126]...)
	pseudo := append(append([]byte{}, b[22:54]...), 0, 0, 0, 120, 0, 0, 0, 58)
	binary.BigEndian.PutUint16(b[56:], testnet.Checksum(append(pseudo, b[54:]...)))
	return b
}

// Who sends a packet that does not fit into the underlay is told what fits.
func TestPathMTU(t *testing.T) {
	w := newWorld(t)
	w.links(w.vtep, func(h *netlink.Handle) error {
		l, err := h.LinkByName("u0")
		if err != nil {
			return err
		}
		return h.LinkSetMTU(l, 1500)
	})
	p := w.plane(Options{})
	s := basic()
	s.Bindings[intent.BindingKey{Port: "p2", VLAN: 9}] = intent.Binding{Switch: ls1}
	w.apply(p, s, nil)

	big := ipFrame(macR, macA, 1451-28)
	w.send("h0", big)
	w.expect("h0", tooBig4(big, 1450))
	big = ip6Frame(macR, macB, 1451-48)
	w.send("h1", big)
	w.expect("h1", tooBig6(big, 1450))

	// Back with the tag that it came with.
	big = ipFrame(macR, macC, 1451-28)
	w.send("h2", tag(big, 9))
	w.expect("h2", tag(tooBig4(big, 1450), 9))

	// What the sender knows its packet by is quoted, also behind extension headers.
	time.Sleep(2 * time.Millisecond) // each port is told once a millisecond at most
	extended := func(next byte, l layers) []byte {
		return l.under(next, 2, 1, 20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0).ip6(60).ethernet(macR, macA, unix.ETH_P_IPV6)
	}
	big = extended(17, layers(make([]byte, 1400)).udp(4711))
	w.send("h0", big)
	w.expect("h0", tooBig6(big, 1450))

	// Also about a receiver that is not known yet, once the members have their copies.
	unknown := intent.MAC{2, 0, 0, 0, 0, 0x77}
	s.Floods[intent.FloodKey{Switch: ls1}] = intent.FloodSet{{Peer: peerIP, VNI: 10}, {Peer: peerIP.Next(), VNI: 10}}
	w.apply(p, s, nil)
	time.Sleep(2 * time.Millisecond) // each port is told once a millisecond at most
	big = ipFrame(unknown, macA, 1451-28)
	w.send("h0", big)
	w.expect("h0", tooBig4(big, 1450))
	w.expect("h1", big)

	// No answer to those who may be fragmented, to errors, to fragments.
	for name, edit := range map[string]func([]byte){
		"no DF":      func(b []byte) { b[20] = 0 },
		"a fragment": func(b []byte) { b[21] = 1 },
		"an error":   func(b []byte) { b[23], b[34] = 1, 3 },
	} {
		b := ipFrame(macR, macA, 1451-28)
		edit(b)
		if ret, _ := runAt(t, w.vtep, p.objs.VtepPort, "p0", b); ret != actDrop {
			t.Errorf("%s: action %d", name, int32(ret))
		}
	}
	big = extended(58, layers(make([]byte, 1400)).under(1, 0, 0, 0, 0, 0, 0, 0))
	if ret, _ := runAt(t, w.vtep, p.objs.VtepPort, "p0", big); ret != actDrop {
		t.Errorf("an error behind an extension header: action %d", int32(ret))
	}
	w.audit(p)
}

// tag puts an 802.1Q tag into a frame.
func tag(f []byte, vid uint16) []byte {
	b := append(append([]byte{}, f[:12]...), 0x81, 0)
	return append(binary.BigEndian.AppendUint16(b, vid), f[12:]...)
}

// Hosts that think they have the whole MTU of the underlay get their data through.
func TestPathMTUOfTCP(t *testing.T) {
	for name, o := range modes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			for n, dev := range map[string]string{"v": "u0", "r": "r0"} {
				ns := w.vtep
				if n == "r" {
					ns = w.far
				}
				w.links(ns, func(h *netlink.Handle) error {
					l, err := h.LinkByName(dev)
					if err != nil {
						return err
					}
					return h.LinkSetMTU(l, 1500)
				})
			}
			w.address(w.hosts, "h0", "198.51.100.1/24")
			w.address(w.far, "vx10", "198.51.100.2/24")
			p := w.plane(o)
			s := basic()
			s.Unicast.Set(intent.MACKey{Switch: ls1, MAC: w.mac(w.far, "vx10")}, intent.Tunnel{Peer: peerIP, VNI: 10})
			w.apply(p, s, nil)
			w.transfer(w.hosts, w.far, "198.51.100.2")
			st, err := p.Stats(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if st.Drops["too_big"] == 0 {
				t.Error("nothing was too big: this test shows nothing")
			}
		})
	}
}
