package ebpf

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/testnet"
)

// layers is a packet that is put together from the inside out.
type layers []byte

func (l layers) under(header ...byte) layers { return append(append(layers{}, header...), l...) }

func (l layers) ip4(proto byte, options ...byte) layers {
	size := 20 + len(options)
	h := append([]byte{0x40 | byte(size/4), 0, 0, 0, 0, 0, 0x40, 0, 64, proto, 0, 0, 198, 51, 100, 1, 198, 51, 100, 2}, options...)
	binary.BigEndian.PutUint16(h[2:], uint16(size+len(l)))
	binary.BigEndian.PutUint16(h[10:], testnet.Checksum(h))
	return l.under(h...)
}

func (l layers) ip6(next byte) layers {
	h := append([]byte{0x60, 0, 0, 0, 0, 0, next, 64}, make([]byte, 32)...)
	binary.BigEndian.PutUint16(h[4:], uint16(len(l)))
	h[23], h[39] = 1, 2
	return l.under(h...)
}

func (l layers) tcp(options int) layers {
	h := make([]byte, 20+options)
	h[12] = byte(len(h)/4) << 4
	return l.under(h...)
}

func (l layers) udp(port uint16) layers {
	h := []byte{0xc3, 0x50, 0, 0, 0, 0, 0, 0}
	binary.BigEndian.PutUint16(h[2:], port)
	binary.BigEndian.PutUint16(h[4:], uint16(8+len(l)))
	return l.under(h...)
}

func (l layers) ethernet(dst, src intent.MAC, proto uint16, vids ...uint16) layers {
	h := append(append([]byte{}, dst[:]...), src[:]...)
	for _, vid := range vids {
		h = append(h, 0x81, 0, byte(vid>>8), byte(vid))
	}
	return l.under(binary.BigEndian.AppendUint16(h, proto)...)
}

func (l layers) vxlan() layers { return l.under(8, 0, 0, 0, 0, 0, 7, 0).udp(vxlanPort) }

// What stands for several frames is measured as those will be, whatever headers segmentation
// has to repeat.
func testSizes(t *testing.T, w *world, p *Plane) {
	const ip4, ip6, byFrags = unix.ETH_P_IP, unix.ETH_P_IPV6, 0xffff
	for _, c := range []struct {
		name   string
		build  func(payload layers) layers // what is above Ethernet
		proto  uint16
		header int // bytes that are repeated, with Ethernet
	}{
		{"TCP", func(l layers) layers { return l.tcp(0).ip4(6) }, ip4, 54},
		{"TCP with options", func(l layers) layers { return l.tcp(12).ip4(6, 1, 1, 1, 0) }, ip4, 70},
		{"TCP over IPv6", func(l layers) layers { return l.tcp(12).ip6(6) }, ip6, 86},
		{"TCP behind extension headers", func(l layers) layers {
			return l.tcp(0).under(6, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0).under(60, 0, 1, 4, 0, 0, 0, 0).ip6(0)
		}, ip6, 14 + 40 + 8 + 16 + 20},
		{"UDP", func(l layers) layers { return l.udp(9).ip4(17) }, ip4, 42},
		{"VXLAN", func(l layers) layers { return l.tcp(12).ip4(6).ethernet(macB, macC, ip4).vxlan().ip4(17) }, ip4, 50 + 66},
		{"VXLAN over IPv6, IPv6 and a tag inside", func(l layers) layers {
			return l.tcp(0).ip6(6).ethernet(macB, macC, ip6, 7).vxlan().ip6(17)
		}, ip6, 70 + 78},
		{"Geneve", func(l layers) layers {
			return l.tcp(0).ip4(6).ethernet(macB, macC, ip4).under(2, 0, 0x65, 0x58, 0, 0, 7, 0, 1, 2, 3, 1, 9, 9, 9, 9).udp(6081).ip4(17)
		}, ip4, 14 + 20 + 8 + 16 + 54},
		{"VXLAN in VXLAN", func(l layers) layers {
			return l.tcp(0).ip4(6).ethernet(macB, macC, ip4).vxlan().ip4(17).ethernet(macB, macC, ip4).vxlan().ip4(17)
		}, ip4, 100 + 54},
		// A program makes the VXLAN headers, and lets UDP cut what it sends.
		{"UDP with VXLAN frames in it", func(l layers) layers {
			inner := layers(make([]byte, 50)).udp(9).ip4(17).ethernet(macB, macC, ip4).under(8, 0, 0, 0, 0, 0, 7, 0)
			copy(l, inner)
			return l.udp(vxlanPort).ip4(17)
		}, ip4, 42},
		{"GRE", func(l layers) layers { return l.tcp(0).ip4(6).under(0, 0, 8, 0).ip4(47) }, ip4, 14 + 24 + 40},
		{"GRE with key and Ethernet", func(l layers) layers {
			return l.tcp(0).ip4(6).ethernet(macB, macC, ip4).under(0x20, 0, 0x65, 0x58, 0, 0, 0, 7).ip4(47)
		}, ip4, 14 + 28 + 54},
		{"IP in IP", func(l layers) layers { return l.tcp(0).ip4(6).ip4(4) }, ip4, 14 + 20 + 40},
		{"IPv6 in IP", func(l layers) layers { return l.tcp(0).ip6(6).ip4(41) }, ip4, 14 + 20 + 60},
	} {
		const segment = 400
		payload := 3*segment + 100
		w.measured(p, c.name, c.build(make(layers, payload)).ethernet(macR, macA, c.proto), segment, 4, 4, payload+4*c.header)
		// The largest frame decides: p0 has an MTU of 1500.
		fits := 1514 - c.header
		for more, want := range map[int]uint32{0: actRedirect, 1: actDrop} {
			f := c.build(make(layers, fits+more+50)).ethernet(macA, macB, c.proto)
			if ret, _ := runAs(t, w.vtep, p.objs.VtepPort, "p1", f, stamp{segment: fits + more, segments: 2}); ret != want {
				t.Errorf("%s: frames of %d bytes: action %d, not %d", c.name, 1514+more, int32(ret), want)
			}
		}
	}

	// The pieces of SCTP differ: their number is known, and their size on the average.
	sctp := func(n int) layers {
		return make(layers, n).under(make([]byte, 12)...).ip4(132).ethernet(macR, macA, ip4)
	}
	w.measured(p, "SCTP", sctp(3000), byFrags, 3, 3, 3000+3*46)
	big := sctp(3600)
	copy(big, append(macA[:], macB[:]...))
	if ret, _ := runAs(t, w.vtep, p.objs.VtepPort, "p1", big, stamp{segment: byFrags, segments: 2}); ret != actDrop {
		t.Errorf("SCTP: frames of 1846 bytes on the average: action %d", int32(ret))
	}
}

// measured runs a frame from h0 and compares what the binding counts.
func (w *world) measured(p *Plane, name string, f []byte, segment, segments, packets, bytes int) {
	w.t.Helper()
	count := func() (uint64, uint64) {
		s, err := p.Stats(w.t.Context())
		if err != nil {
			w.t.Fatal(err)
		}
		c := s.Bindings[intent.BindingKey{Port: "p0"}]
		return c.PacketsFromLocal, c.BytesFromLocal
	}
	packetsBefore, bytesBefore := count()
	if ret, _ := runAs(w.t, w.vtep, p.objs.VtepPort, "p0", f, stamp{segment: segment, segments: segments}); ret != actRedirect {
		w.t.Errorf("%s: action %d", name, int32(ret))
	}
	packetsAfter, bytesAfter := count()
	if packetsAfter-packetsBefore != uint64(packets) || bytesAfter-bytesBefore != uint64(bytes) {
		w.t.Errorf("%s: %d frames of %d bytes in all are counted, not %d of %d", name,
			packetsAfter-packetsBefore, bytesAfter-bytesBefore, packets, bytes)
	}
}
