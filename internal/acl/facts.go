package acl

import (
	"encoding/binary"

	"github.com/vtep/vtep/internal/intent"
)

// Facts are what entries may ask of a frame. They are kept as the bytes that a Program looks at,
// all in network byte order; what a frame has not got is zero.
type Facts struct {
	Key     [KeyLen]byte
	Missing Missing
}

// Where facts are in a Key. The dataplane's programs have the same numbers.
const (
	atEtherType = 0
	atFamily    = 2 // 4, 6, or 0 for what is not IP
	atKind      = 3 // of transport header: a set of kind...
	atProtocol  = 4
	atICMPType  = 5
	atICMPCode  = 6
	atSrcPort   = 8
	atDstPort   = 10
	atTCPFlags  = 12
	atDstMAC    = 16
	atSrcMAC    = 22
	atSrcIP     = 32 // IPv4 has the first four bytes
	atDstIP     = 48

	KeyLen = 64 // bytes of a Key
)

// The kinds of a transport header, by what entries may ask of it. Fragments but the first, and
// whatever is of no kind, have none.
const (
	kindPorts = 1 << iota
	kindTCP
	kindICMP
)

// Missing is what of a frame can't be told, because it ends before that, or hides it behind too many
// headers.
type Missing uint8

const (
	MissingTransport Missing = 1 << iota // what is in the transport header
	MissingProtocol                      // and which one it is
	MissingIP                            // and what is in the IP header
)

// maxExtensions is how many extension headers of IPv6 are gone past.
const maxExtensions = 12

// minEthernet is the length of an Ethernet header.
const minEthernet = 14

// Read finds the facts of a frame as it is in its switch: without the tag of a binding. A tag that
// it still has is its EtherType, and what is behind that is data. The frame has an Ethernet header.
func Read(frame []byte) Facts {
	var f Facts
	copy(f.Key[atDstMAC:], frame[:12])
	copy(f.Key[atEtherType:], frame[12:14])
	packet := frame[minEthernet:]
	switch binary.BigEndian.Uint16(frame[12:]) {
	case intent.EtherTypeIPv4:
		f.Key[atFamily] = 4
		f.readIPv4(packet)
	case intent.EtherTypeIPv6:
		f.Key[atFamily] = 6
		f.readIPv6(packet)
	}
	return f
}

func (f *Facts) readIPv4(packet []byte) {
	const header = 20
	if len(packet) < header || packet[0]>>4 != 4 {
		f.miss(MissingIP)
		return
	}
	length := int(packet[0]&15) * 4
	if length < header || len(packet) < length {
		f.miss(MissingIP)
		return
	}
	copy(f.Key[atSrcIP:], packet[12:16])
	copy(f.Key[atDstIP:], packet[16:20])
	f.Key[atProtocol] = packet[9]
	if binary.BigEndian.Uint16(packet[6:])&0x1fff != 0 {
		return // not the first fragment
	}
	f.readTransport(packet[length:], intent.ProtocolICMP)
}

// The extension headers that are gone past (RFC 8200, 4; RFC 4302).
const (
	hopByHop    = 0
	routing     = 43
	fragment    = 44
	ah          = 51
	destination = 60
)

func (f *Facts) readIPv6(packet []byte) {
	const header = 40
	if len(packet) < header || packet[0]>>4 != 6 {
		f.miss(MissingIP)
		return
	}
	copy(f.Key[atSrcIP:], packet[8:24])
	copy(f.Key[atDstIP:], packet[24:40])
	next := packet[6]
	packet = packet[header:]
	for n := 0; ; n++ {
		length := 0
		switch next {
		case hopByHop, routing, destination, ah, fragment:
			if n == maxExtensions || len(packet) < 8 {
				f.miss(MissingProtocol)
				return
			}
		default:
			f.Key[atProtocol] = next
			f.readTransport(packet, intent.ProtocolICMPv6)
			return
		}
		switch next {
		case fragment:
			length = 8
			if binary.BigEndian.Uint16(packet[2:])&^7 != 0 { // not the first
				f.Key[atProtocol] = packet[0]
				return
			}
		case ah:
			length = (int(packet[1]) + 2) * 4
		default:
			length = (int(packet[1]) + 1) * 8
		}
		if len(packet) < length {
			f.miss(MissingProtocol)
			return
		}
		next, packet = packet[0], packet[length:]
	}
}

// readTransport reads the header that packet begins with; icmp is the protocol that ICMP has in
// the packet's family.
func (f *Facts) readTransport(packet []byte, icmp uint8) {
	kind, need := transportOf(f.Key[atProtocol], icmp)
	f.Key[atKind] = kind
	if len(packet) < need {
		f.miss(MissingTransport)
		return
	}
	switch {
	case kind&kindICMP != 0:
		f.Key[atICMPType], f.Key[atICMPCode] = packet[0], packet[1]
	case kind&kindPorts != 0:
		copy(f.Key[atSrcPort:], packet[:4])
	}
	if kind&kindTCP != 0 {
		f.Key[atTCPFlags], f.Key[atTCPFlags+1] = packet[12]&15, packet[13]
	}
}

// transportOf returns the kind of a protocol's header, and how many bytes of it are looked at.
func transportOf(protocol, icmp uint8) (kind uint8, need int) {
	switch protocol {
	case intent.ProtocolTCP:
		return kindPorts | kindTCP, 14
	case intent.ProtocolUDP, intent.ProtocolSCTP:
		return kindPorts, 4
	case icmp:
		return kindICMP, 2
	}
	return 0, 0
}

// miss notes that what is, and all that is behind it, can't be told.
func (f *Facts) miss(what Missing) { f.Missing = what | (what - 1) }
