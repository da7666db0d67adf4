package packet

import (
	"encoding/binary"
	"slices"
)

// tos is the TOS of the IPv4 packet in a frame, or the traffic class of the IPv6 one, also behind tags; 0: it has
// neither.
func tos(frame []byte) uint8 {
	for at := 12; len(frame) >= at+4; at += 4 {
		switch binary.BigEndian.Uint16(frame[at:]) {
		case EtherIPv4:
			return frame[at+3]
		case EtherIPv6:
			return frame[at+2]<<4 | frame[at+3]>>4
		case 0x8100, 0x88a8:
		default:
			return 0
		}
	}
	return 0
}

// OuterECN returns the congestion bits for the header of a tunnel, as Linux makes them: those of
// the packet, but "can be told" for "was experienced" (RFC 3168, 9.1.1, full functionality).
func OuterECN(frame []byte) uint8 {
	if ecn := tos(frame) & 3; ecn != 3 {
		return ecn
	}
	return 2
}

// Decapsulated returns a frame as it comes out of a tunnel packet with that TOS. It returns false if the
// packet met with congestion and what is in the frame has no way to say so (RFC 6040, 4.2).
func Decapsulated(frame []byte, outer uint8) ([]byte, bool) {
	if len(frame) < HeaderLen+ipv4Len || EtherType(frame) != EtherIPv4 && EtherType(frame) != EtherIPv6 {
		return frame, true
	}
	ecn := tos(frame) & 3
	switch outer &= 3; {
	case outer == 3 && ecn == 0:
		return frame, false
	case outer == 3 && ecn != 3, outer == 1 && ecn == 2:
		ecn = outer
	default:
		return frame, true
	}
	frame = slices.Clone(frame)
	if EtherType(frame) == EtherIPv6 {
		frame[HeaderLen+1] = frame[HeaderLen+1]&^(3<<4) | ecn<<4
		return frame, true
	}
	frame[HeaderLen+1] = frame[HeaderLen+1]&^3 | ecn
	header := frame[HeaderLen : HeaderLen+ipv4Len]
	header[10], header[11] = 0, 0
	binary.BigEndian.PutUint16(header[10:], Fold(Sum(0, header)))
	return frame, true
}
