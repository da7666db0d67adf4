package planetest

import (
	"encoding/binary"

	"github.com/vtep/vtep/internal/intent"
)

// segment is what a packet has behind its IP header: the first bytes of a transport header.
type segment struct {
	protocol byte
	bytes    []byte
}

func tcpSegment(from, to uint16, flags byte) segment {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from), to)
	return segment{6, append(b, 0, 0, 0, 0, 0, 0, 0, 0, 0x50, flags, 0, 0, 0, 0, 0, 0)}
}

func udpSegment(protocol byte, from, to uint16) segment {
	b := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, from), to)
	return segment{protocol, append(b, 0, 0, 0, 0, 0, 0, 0, 0)}
}

// icmpOf is a message of the family's own ICMP.
func (l *lab) icmpOf(kind, code byte) segment {
	if l.payload == IPv6 {
		return segment{58, []byte{kind, code, 0, 0, 0, 0, 0, 0}}
	}
	return segment{1, []byte{kind, code, 0, 0, 0, 0, 0, 0}}
}

// carrying makes a new frame of a segment from host 1 to host 2 of prefix 1, known again by what
// follows the segment.
func (l *lab) carrying(s segment) raw { return l.carryingIn(s, 0, nil) }

// carryingIn is the same in a fragment with these bits (IPv4: of the field, IPv6: of a fragment header, where
// there is one) or behind extension headers.
func (l *lab) carryingIn(s segment, fragment uint16, extensions func(next byte) (byte, []byte)) raw {
	p := l.packet(1, l.of(1, 1), l.of(1, 2))
	p.dst, p.fragment = station(2), fragment
	data := binary.BigEndian.AppendUint32(append(append([]byte{}, s.bytes...), marker...), p.id)
	data = append(data, "................................"...)
	next := s.protocol
	if extensions != nil {
		var headers []byte
		next, headers = extensions(next)
		data = append(headers, data...)
	}
	if l.payload == IPv6 {
		return append(ethernet(p.dst, p.src, nil, 0x86dd), p.header6(next, data)...)
	}
	return append(ethernet(p.dst, p.src, nil, 0x0800), p.header4(next, data)...)
}

// otherFrame is one that is not IP.
func (l *lab) otherFrame(src byte, dst intent.MAC) raw {
	l.lastID++
	return raw(Frame{Dst: dst, Src: station(src), Payload: Other, ID: l.lastID}.Bytes())
}
