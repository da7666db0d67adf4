package packet

import (
	"encoding/binary"
	"net/netip"
)

// Trouble is what a router can have with a packet that its sender is to be told of.
type Trouble uint8

const (
	TimeExceeded    Trouble = iota + 1 // it has passed too many routers
	NoRoute                            // nobody knows the way
	HostUnreachable                    // nobody answers for the next hop
	TooBig                             // the way takes smaller ones only
)

// types gives type and code, of ICMP and ICMPv6.
var types = map[Trouble][2][2]byte{
	TimeExceeded:    {{11, 0}, {3, 0}},
	NoRoute:         {{3, 0}, {1, 0}},
	HostUnreachable: {{3, 1}, {1, 3}},
	TooBig:          {{3, 4}, {2, 0}},
}

// How much of a packet is quoted to its sender. Of IPv6 there may be extension headers before the ports.
const (
	quoted4 = ipv4Len + 8
	quoted6 = ipv6Len + 64 + 8
)

// Error makes the frame that tells the sender of an IPv4 or IPv6 packet what a router with the addresses mac and ip
// has with it; mtu is for TooBig. Nil: nobody wants to be told of that packet, as one that tells of trouble
// itself, or the rest of one that was cut up (RFC 1812, 4.3.2.7; RFC 4443, 2.4).
func Error(frame []byte, what Trouble, mac MAC, ip netip.Addr, mtu uint32) []byte {
	if EtherType(frame) == EtherIPv6 {
		return error6(frame, types[what][1], mac, ip, mtu)
	}
	return error4(frame, types[what][0], mac, ip, mtu)
}

func error4(frame []byte, kind [2]byte, mac MAC, ip netip.Addr, mtu uint32) []byte {
	p, ok := ParseIPv4(frame[HeaderLen:])
	if !ok || p.Fragment || len(p.Options) > 0 || len(p.Payload) < 8 {
		return nil
	}
	if p.Protocol == ProtoICMP && p.Payload[0] != 8 && p.Payload[0] != 0 {
		return nil
	}
	if kind == types[TooBig][0] && !p.DontFragment {
		return nil
	}
	body := binary.BigEndian.AppendUint32([]byte{kind[0], kind[1], 0, 0}, mtu)
	body = append(body, frame[HeaderLen:HeaderLen+quoted4]...)
	binary.BigEndian.PutUint16(body[2:], Fold(Sum(0, body)))
	header := []byte{0x45, 0xc0, 0, 0, 0, 0, 0, 0, 64, ProtoICMP, 0, 0}
	binary.BigEndian.PutUint16(header[2:], uint16(ipv4Len+len(body)))
	header = append(append(header, ip.AsSlice()...), p.Src.AsSlice()...)
	binary.BigEndian.PutUint16(header[10:], Fold(Sum(0, header)))
	return append(append(Ethernet(MAC(frame[6:]), mac, EtherIPv4), header...), body...)
}

func error6(frame []byte, kind [2]byte, mac MAC, ip netip.Addr, mtu uint32) []byte {
	p, ok := ParseIPv6(frame[HeaderLen:])
	if !ok || isError6(p) {
		return nil
	}
	quote := frame[HeaderLen:min(len(frame), HeaderLen+quoted6)]
	body := binary.BigEndian.AppendUint32([]byte{kind[0], kind[1], 0, 0}, mtu)
	return icmp6(Ethernet(MAC(frame[6:]), mac, EtherIPv6), ip, p.Src, 64, 0, append(body, quote...))
}

// isError6 says whether a packet is an error of ICMPv6, perhaps behind extension headers.
func isError6(p IPv6) bool {
	next, b := p.NextHeader, p.Payload
	for range 8 {
		switch next {
		case ProtoICMPv6:
			return len(b) == 0 || b[0] < 128
		case 0, 43, 60: // hop-by-hop, routing, destination options
			if len(b) < 8 {
				return true
			}
			length := 8 + 8*int(b[1])
			if next = b[0]; length > len(b) {
				return true
			}
			b = b[length:]
		case nextFragment:
			if len(b) < fragmentLen || binary.BigEndian.Uint16(b[2:])>>3 != 0 {
				return true
			}
			next, b = b[0], b[fragmentLen:]
		default:
			return false
		}
	}
	return true
}

// icmp6 appends a packet of ICMPv6 whose checksum is still zero.
func icmp6(b []byte, src, dst netip.Addr, hopLimit, class uint8, body []byte) []byte {
	binary.BigEndian.PutUint16(body[2:], Fold(Sum(pseudo(src, dst, len(body)), body)))
	b = append(b, 0x60|class>>4, class<<4, 0, 0)
	b = binary.BigEndian.AppendUint16(b, uint16(len(body)))
	b = append(b, ProtoICMPv6, hopLimit)
	return append(append(append(b, src.AsSlice()...), dst.AsSlice()...), body...)
}
