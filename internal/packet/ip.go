package packet

import (
	"encoding/binary"
	"net/netip"
)

const (
	ipv4Len = 20
	ipv6Len = 40
)

// IPv4 is the header of an IPv4 packet.
type IPv4 struct {
	Src, Dst     netip.Addr
	TTL          uint8
	Protocol     uint8
	DontFragment bool
	Fragment     bool // it is not the first one
	Fragments    bool // it is one of several, or the first one
	Options      []byte
	Payload      []byte // as long as the header says
}

// ParseIPv4 reads what is behind the Ethernet header; false: the header can't be one, or its checksum
// is wrong.
func ParseIPv4(b []byte) (IPv4, bool) {
	if len(b) < ipv4Len || b[0]>>4 != 4 {
		return IPv4{}, false
	}
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < ipv4Len || length < header || length > len(b) || Fold(Sum(0, b[:header])) != 0 {
		return IPv4{}, false
	}
	fragment := binary.BigEndian.Uint16(b[6:])
	return IPv4{
		Src: netip.AddrFrom4([4]byte(b[12:])), Dst: netip.AddrFrom4([4]byte(b[16:])), TTL: b[8], Protocol: b[9],
		DontFragment: fragment&0x4000 != 0, Fragment: fragment&0x1fff != 0, Fragments: fragment&0x3fff != 0,
		Options: b[ipv4Len:header], Payload: b[header:length],
	}, true
}

// SourceRouted says whether its options name routers that it is to pass (RFC 791).
func (p *IPv4) SourceRouted() bool {
	for o := p.Options; len(o) > 0; {
		switch {
		case o[0] == 0:
			return false
		case o[0] == 1:
			o = o[1:]
			continue
		case o[0] == 131 || o[0] == 137:
			return true
		case len(o) < 2 || o[1] < 2 || int(o[1]) > len(o):
			return false
		}
		o = o[o[1]:]
	}
	return false
}

// IPv6 is the header of an IPv6 packet.
type IPv6 struct {
	Src, Dst   netip.Addr
	HopLimit   uint8
	NextHeader uint8
	Payload    []byte // as long as the header says
}

// ParseIPv6 reads what is behind the Ethernet header; false: the header can't be one.
func ParseIPv6(b []byte) (IPv6, bool) {
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return IPv6{}, false
	}
	length := int(binary.BigEndian.Uint16(b[4:]))
	if ipv6Len+length > len(b) {
		return IPv6{}, false
	}
	return IPv6{
		Src: netip.AddrFrom16([16]byte(b[8:])), Dst: netip.AddrFrom16([16]byte(b[24:])), HopLimit: b[7], NextHeader: b[6],
		Payload: b[ipv6Len : ipv6Len+length],
	}, true
}

// Routed returns a frame with an IPv4 or IPv6 packet as it is a hop further, with other addresses.
func Routed(frame []byte, dst, src MAC) []byte {
	out := append(Ethernet(dst, src, EtherType(frame)), frame[HeaderLen:]...)
	ip := out[HeaderLen:]
	if EtherType(frame) == EtherIPv6 {
		ip[7]--
		return out
	}
	word := binary.BigEndian.Uint16(ip[8:])
	ip[8]--
	binary.BigEndian.PutUint16(ip[10:], Adjust(binary.BigEndian.Uint16(ip[10:]), word, word-0x100))
	return out
}
