package igmp

import (
	"encoding/binary"
	"encoding/hex"
	"net/netip"
	"strings"
	"testing"
)

// wire is a frame that tests make, by hand after the standards, and spoil.
type wire struct {
	src, dst string
	ttl      byte
	noAlert  bool
	proto    byte // 0: IGMP or ICMPv6
	fragment uint16
	to       []byte // nil: the address of the group
	badIP    bool   // its header has a wrong checksum
	badSum   bool   // its body has
	cut      int    // bytes less than it says
	pad      int    // bytes behind it
	body     string // in hexadecimal; bytes 2 and 3 become the checksum
}

func (w wire) bytes(t testing.TB) []byte {
	t.Helper()
	body, err := hex.DecodeString(strings.ReplaceAll(w.body, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	src, dst := netip.MustParseAddr(w.src), netip.MustParseAddr(w.dst)
	to := MAC(dst)
	b := append(append([]byte{}, to[:]...), 2, 0, 0, 0, 0, 1)
	if w.to != nil {
		copy(b, w.to)
	}
	if src.Is4() {
		b = append(b, w.ipv4(src, dst, body)...)
	} else {
		b = append(b, w.ipv6(src, dst, body)...)
	}
	b = b[:len(b)-w.cut]
	return append(b, make([]byte, w.pad)...)
}

func (w wire) sum(body []byte, before uint32) {
	if len(body) >= 4 {
		binary.BigEndian.PutUint16(body[2:], 0)
		binary.BigEndian.PutUint16(body[2:], reference(before, body))
		if w.badSum {
			body[3] ^= 1
		}
	}
}

func (w wire) ipv4(src, dst netip.Addr, body []byte) []byte {
	proto := w.proto
	if proto == 0 {
		proto = 2
	}
	w.sum(body, 0)
	header := 24
	if w.noAlert {
		header = 20
	}
	ip := []byte{0x40 | byte(header/4), 0xc0, 0, byte(header + len(body)), 0, 0, byte(w.fragment >> 8), byte(w.fragment), w.ttl, proto, 0, 0}
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	if !w.noAlert {
		ip = append(ip, 0x94, 4, 0, 0)
	}
	binary.BigEndian.PutUint16(ip[10:], reference(0, ip))
	if w.badIP {
		ip[11] ^= 1
	}
	return append(append([]byte{8, 0}, ip...), body...)
}

func (w wire) ipv6(src, dst netip.Addr, body []byte) []byte {
	proto := w.proto
	if proto == 0 {
		proto = 58
	}
	pseudo := append(append(append([]byte{}, src.AsSlice()...), dst.AsSlice()...), 0, 0, 0, byte(len(body)), 0, 0, 0, proto)
	w.sum(body, uint32(^reference(0, pseudo)))
	ip := []byte{0x60, 0, 0, 0, 0, byte(len(body)), proto, w.ttl}
	var options []byte
	if !w.noAlert {
		ip[5] += 8
		ip[6] = 0
		options = []byte{proto, 0, 5, 2, 0, 0, 1, 0}
	}
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	return append(append([]byte{0x86, 0xdd}, append(ip, options...)...), body...)
}

// reference is the Internet checksum once more, word by word as RFC 1071 says it.
func reference(sum uint32, b []byte) uint16 {
	for i, c := range b {
		if i%2 == 0 {
			sum += uint32(c) << 8
		} else {
			sum += uint32(c)
		}
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}
