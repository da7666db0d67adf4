package testnet

import (
	"encoding/binary"
	"net"
	"net/netip"

	"golang.org/x/sys/unix"
)

// etherTest is the EtherType of test frames, for local experiments (IEEE 802): no stack
// answers them.
const etherTest = 0x88b5

// Frame builds an Ethernet frame with a payload that tells it from others, and tags from the
// outside in. It is at least as long as the wire wants, also without a tag.
func Frame(dst, src net.HardwareAddr, payload string, vlans ...uint16) []byte {
	b := append(append([]byte{}, dst...), src...)
	for _, vlan := range vlans {
		b = binary.BigEndian.AppendUint16(b, unix.ETH_P_8021Q)
		b = binary.BigEndian.AppendUint16(b, vlan)
	}
	b = binary.BigEndian.AppendUint16(b, etherTest)
	b = append(b, payload...)
	for len(b) < 64 {
		b = append(b, byte(len(b)))
	}
	return b
}

// Offsets in an encapsulated frame, whose IP header has no options.
const (
	atIP    = 14
	atUDP   = atIP + 20
	atVXLAN = atUDP + 8
	atInner = atVXLAN + 8
)

// vxlanPort is the UDP port of VXLAN.
const vxlanPort = 4789

// Outer is what an encapsulated frame says outside.
type Outer struct {
	Src, Dst         netip.Addr
	TTL, TOS         uint8
	DF               bool   // and nothing else about fragments
	ID               uint16 // of the IP header
	SrcPort, DstPort uint16
	Sum              uint16 // of UDP
	Flags            uint8
	VNI              uint32
	Inner            []byte
	IPLen, UDPLen    int
	SumOK            bool // of the IP header; that of IPv6 has none
	Trailer          bool // something follows the packet
}

// ParseOuter takes an encapsulated frame apart; ok is false if it is none.
func ParseOuter(b []byte) (o Outer, ok bool) { return ParseOuterTo(vxlanPort, b) }

// ParseOuterTo is ParseOuter for another UDP port.
func ParseOuterTo(port uint16, b []byte) (o Outer, ok bool) {
	if len(b) >= 14 && binary.BigEndian.Uint16(b[12:]) == unix.ETH_P_IPV6 {
		return parseOuter6(port, b[14:])
	}
	if len(b) < atInner || binary.BigEndian.Uint16(b[12:]) != unix.ETH_P_IP || b[atIP] != 0x45 ||
		b[atIP+9] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(b[atUDP+2:]) != port {
		return o, false
	}
	ip, udp, vx := b[atIP:], b[atUDP:], b[atVXLAN:]
	o = Outer{
		Src: netip.AddrFrom4([4]byte(ip[12:])), Dst: netip.AddrFrom4([4]byte(ip[16:])),
		TTL: ip[8], TOS: ip[1], DF: binary.BigEndian.Uint16(ip[6:]) == 0x4000, ID: binary.BigEndian.Uint16(ip[4:]),
		SrcPort: binary.BigEndian.Uint16(udp), DstPort: binary.BigEndian.Uint16(udp[2:]), Sum: binary.BigEndian.Uint16(udp[6:]),
		Flags: vx[0], VNI: binary.BigEndian.Uint32(vx[4:]) >> 8,
		IPLen: int(binary.BigEndian.Uint16(ip[2:])), UDPLen: int(binary.BigEndian.Uint16(udp[4:])),
		SumOK: Checksum(ip[:20]) == 0,
	}
	o.Trailer = len(ip) != o.IPLen
	o.Inner = b[atInner:max(atInner, min(len(b), atUDP+o.UDPLen))]
	return o, true
}

// parseOuter6 takes an IPv6 packet without extension headers apart.
func parseOuter6(port uint16, b []byte) (o Outer, ok bool) {
	const atUDP, atInner = 40, 40 + 8 + 8
	if len(b) < atInner || b[6] != unix.IPPROTO_UDP || binary.BigEndian.Uint16(b[atUDP+2:]) != port {
		return o, false
	}
	udp, vx := b[atUDP:], b[atUDP+8:]
	o = Outer{
		Src: netip.AddrFrom16([16]byte(b[8:])), Dst: netip.AddrFrom16([16]byte(b[24:])), TTL: b[7], TOS: b[0]<<4 | b[1]>>4, DF: true, SumOK: true,
		SrcPort: binary.BigEndian.Uint16(udp), DstPort: binary.BigEndian.Uint16(udp[2:]), Sum: binary.BigEndian.Uint16(udp[6:]),
		Flags: vx[0], VNI: binary.BigEndian.Uint32(vx[4:]) >> 8,
		IPLen: 40 + int(binary.BigEndian.Uint16(b[4:])), UDPLen: int(binary.BigEndian.Uint16(udp[4:])),
	}
	o.Trailer = len(b) != o.IPLen
	o.Inner = b[atInner:max(atInner, min(len(b), atUDP+o.UDPLen))]
	return o, true
}

// Encapsulate builds the whole frame that must be on the wire between two VTEPs. Identity of
// the IP header and source port are free.
func Encapsulate(dstMAC, srcMAC net.HardwareAddr, src, dst netip.Addr, vni uint32, id, srcPort uint16, inner []byte) []byte {
	b := append(append([]byte{}, dstMAC...), srcMAC...)
	b = binary.BigEndian.AppendUint16(b, unix.ETH_P_IP)
	b = append(b, 0x45, 0) // no options; default DSCP, not ECN-capable as the inner frame
	b = binary.BigEndian.AppendUint16(b, uint16(20+8+8+len(inner)))
	b = binary.BigEndian.AppendUint16(b, id)
	b = append(b, 0x40, 0) // don't fragment
	b = append(b, 64, unix.IPPROTO_UDP, 0, 0)
	b = append(b, src.AsSlice()...)
	b = append(b, dst.AsSlice()...)
	binary.BigEndian.PutUint16(b[atIP+10:], Checksum(b[atIP:atUDP]))
	b = binary.BigEndian.AppendUint16(b, srcPort)
	b = binary.BigEndian.AppendUint16(b, vxlanPort)
	b = binary.BigEndian.AppendUint16(b, uint16(8+8+len(inner)))
	b = append(b, 0, 0) // no checksum
	b = append(b, 0x08, 0, 0, 0)
	b = binary.BigEndian.AppendUint32(b, vni<<8)
	return append(b, inner...)
}

// SetTOS gives the outer IP header of an encapsulated frame another TOS.
func SetTOS(b []byte, tos uint8) {
	b[atIP+1] = tos
	b[atIP+10], b[atIP+11] = 0, 0
	binary.BigEndian.PutUint16(b[atIP+10:], Checksum(b[atIP:atUDP]))
}

// Checksum is that of RFC 1071; of a header that has a right one it is 0.
func Checksum(header []byte) uint16 {
	var sum uint32
	for i := 0; i < len(header); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(header[i:]))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
