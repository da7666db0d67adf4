package igmp

import (
	"encoding/binary"
	"net/netip"

	"github.com/vtep/vtep/internal/packet"
)

const (
	protoHopByHop = 0
	protoIGMP     = 2
	protoPIM      = 103
)

// content is what is left of a frame when its headers are read.
type content struct {
	to       [6]byte // of the frame
	src, dst netip.Addr
	ttl      uint8
	alert    bool // it has the option
	proto    uint8
	body     []byte
}

// Parse reads an Ethernet frame without tags and FCS. An error is a Reason. What is behind the end
// of the IP packet is padding.
func Parse(frame []byte) (Message, error) {
	m, why := parse(frame)
	if why != "" {
		return Message{}, why
	}
	return m, nil
}

func parse(frame []byte) (Message, Reason) {
	p, why := unwrap(frame)
	if why != "" {
		return Message{}, why
	}
	var m Message
	switch {
	case p.proto == protoPIM:
		m, why = parsePIM(p)
	case p.dst.Is4():
		m, why = parseIGMP(p)
	default:
		m, why = parseMLD(p)
	}
	if why != "" {
		return Message{}, why
	}
	m.IPv6, m.Source = p.dst.Is6(), p.src
	return m, ""
}

// unwrap reads the headers of Ethernet and IP. What is of none of the protocols is Other, however
// malformed it is.
func unwrap(frame []byte) (*content, Reason) {
	if len(frame) < packet.HeaderLen {
		return nil, Malformed
	}
	p := &content{to: [6]byte(frame)}
	var why Reason
	switch ip := frame[packet.HeaderLen:]; packet.EtherType(frame) {
	case packet.EtherIPv4:
		why = p.unwrapIPv4(ip)
	case packet.EtherIPv6:
		why = p.unwrapIPv6(ip)
	default:
		why = Other
	}
	switch {
	case why != "":
		return nil, why
	case p.ttl != 1:
		return nil, BadTTL
	case !p.dst.IsMulticast() || p.to != MAC(p.dst):
		return nil, BadAddress
	}
	return p, ""
}

const ipv4Len = 20

func (p *content) unwrapIPv4(b []byte) Reason {
	if len(b) < ipv4Len || b[0]>>4 != 4 {
		return Malformed
	}
	if p.proto = b[9]; p.proto != protoIGMP && p.proto != protoPIM {
		return Other
	}
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	switch {
	case header < ipv4Len || length < header || length > len(b):
		return Malformed
	case checksum(0, b[:header]) != 0:
		return BadChecksum
	case binary.BigEndian.Uint16(b[6:])&0x3fff != 0: // a fragment
		return Malformed
	}
	p.ttl = b[8]
	p.src, p.dst = netip.AddrFrom4([4]byte(b[12:])), netip.AddrFrom4([4]byte(b[16:]))
	p.body = b[header:length]
	for options := b[ipv4Len:header]; len(options) > 0 && options[0] != 0; {
		n := 1
		if options[0] != 1 {
			if len(options) < 2 || options[1] < 2 || int(options[1]) > len(options) {
				return Malformed
			}
			n = int(options[1])
		}
		if options[0] == 148 && n == 4 { // RFC 2113
			p.alert = true
		}
		options = options[n:]
	}
	return ""
}

const ipv6Len = 40

func (p *content) unwrapIPv6(b []byte) Reason {
	if len(b) < ipv6Len || b[0]>>4 != 6 {
		return Malformed
	}
	p.proto, p.ttl = b[6], b[7]
	p.src, p.dst = netip.AddrFrom16([16]byte(b[8:])), netip.AddrFrom16([16]byte(b[24:]))
	length := int(binary.BigEndian.Uint16(b[4:]))
	if b = b[ipv6Len:]; length > len(b) {
		return Malformed
	}
	b = b[:length]
	if p.proto == protoHopByHop {
		if len(b) < 8 || 8+int(b[1])*8 > len(b) {
			return Malformed
		}
		options := b[2 : 8+int(b[1])*8]
		p.proto, b = b[0], b[8+int(b[1])*8:]
		for len(options) > 0 {
			n := 1
			if options[0] != 0 {
				if len(options) < 2 || 2+int(options[1]) > len(options) {
					return Malformed
				}
				n = 2 + int(options[1])
			}
			if options[0] == 5 && n == 4 && options[2] == 0 && options[3] == 0 { // RFC 2711: of MLD
				p.alert = true
			}
			options = options[n:]
		}
	}
	if p.proto != packet.ProtoICMPv6 && p.proto != protoPIM {
		return Other
	}
	if p.proto == packet.ProtoICMPv6 && (len(b) < 1 || !isMLD(b[0])) {
		return Other
	}
	p.body = b
	return ""
}

// checksum is the Internet checksum of b, begun with the sum of what is before it; 0 where b has
// its own in it and that is right.
func checksum(sum uint32, b []byte) uint16 { return packet.Fold(packet.Sum(sum, b)) }

// pseudoHeader is the sum of what the checksums of IPv6 have before the packet (RFC 8200, 8.1).
func pseudoHeader(src, dst netip.Addr, proto uint8, length int) uint32 {
	s, d := src.As16(), dst.As16()
	return packet.Sum(packet.Sum(uint32(length)+uint32(proto), s[:]), d[:])
}
