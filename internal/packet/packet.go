// Package packet reads and makes the packets by which routers and hosts find each other and tell what is wrong:
// ARP (RFC 826), Neighbor Discovery (RFC 4861), ICMP (RFC 792) and ICMPv6 (RFC 4443).
//
// Frames are Ethernet without tags and without FCS. Nothing here keeps or edits what it is given.
package packet

import (
	"encoding/binary"
	"net/netip"
)

// MAC is an Ethernet address in transmission order.
type MAC = [6]byte

// Ethernet types and protocol numbers.
const (
	EtherIPv4 = 0x0800
	EtherARP  = 0x0806
	EtherIPv6 = 0x86dd

	ProtoICMP   = 1
	ProtoICMPv6 = 58
)

// HeaderLen is the length of an Ethernet header.
const HeaderLen = 14

// EtherType is that of a frame, which has a header.
func EtherType(frame []byte) uint16 { return binary.BigEndian.Uint16(frame[12:]) }

// Ethernet begins a frame.
func Ethernet(dst, src MAC, etherType uint16) []byte {
	return binary.BigEndian.AppendUint16(append(append(make([]byte, 0, 128), dst[:]...), src[:]...), etherType)
}

// Sum adds up b in words, on top of s, as the Internet checksum does (RFC 1071).
func Sum(s uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	return s
}

// Fold makes the checksum of a sum.
func Fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return ^uint16(s)
}

// pseudo is the sum of the pseudo header of IPv6.
func pseudo(src, dst netip.Addr, length int) uint32 {
	a, b := src.As16(), dst.As16()
	return Sum(Sum(uint32(length)+ProtoICMPv6, a[:]), b[:])
}

// Adjust is the checksum after one of the words that it covers has changed (RFC 1624).
func Adjust(checksum, before, after uint16) uint16 {
	return Fold(uint32(^checksum) + uint32(^before) + uint32(after))
}
