package packet

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// Echo returns the answer to a frame with a request for an echo, which goes back where it came from; nil: it is none,
// or one that is not answered: in pieces, or with options or extension headers.
func Echo(frame []byte, mac MAC) []byte {
	if p, ok := parseMessage(frame); ok && p.whole {
		return p.answer(frame, mac)
	}
	return nil
}

// maxEchoes is how many requests for an echo in fragments are known at once, and echoTime for how long.
const (
	maxEchoes = 1024
	echoTime  = 5 * time.Second
)

// Echoes answers requests for an echo also where they come in fragments: one by one, as the answer is as long, and has
// the same data. It knows the requests that have begun; what comes before its first fragment, and what is of
// anything else, is not answered. The zero Echoes has none. It is not for concurrent use.
type Echoes struct {
	begun map[echoKey]time.Time
	order []echoKey // since when they are known
}

// echoKey is what the fragments of a packet have in common, at a place.
type echoKey struct {
	place    [16]byte
	src, dst netip.Addr
	id       uint32
}

// Answer returns what Echo does, and the same for fragments; place is where the frame came in.
func (e *Echoes) Answer(now time.Time, place [16]byte, frame []byte, mac MAC) []byte {
	p, ok := parseMessage(frame)
	if !ok {
		return nil
	}
	key := echoKey{place, p.src, p.dst, p.id}
	if p.first {
		answer := p.answer(frame, mac)
		if answer != nil && !p.whole {
			e.begin(now, key)
		}
		return answer
	}
	if since, ok := e.begun[key]; !ok || now.Sub(since) > echoTime {
		return nil
	}
	return p.turned(frame, mac)
}

func (e *Echoes) begin(now time.Time, key echoKey) {
	for len(e.order) > 0 && (len(e.order) >= maxEchoes || now.Sub(e.begun[e.order[0]]) > echoTime) {
		delete(e.begun, e.order[0])
		e.order = e.order[1:]
	}
	if e.begun == nil {
		e.begun = map[echoKey]time.Time{}
	}
	if _, known := e.begun[key]; !known {
		e.begun[key] = now
		e.order = append(e.order, key)
	}
}

// message is one of ICMP or ICMPv6 in a frame, or a fragment of it.
type message struct {
	src, dst     netip.Addr
	id           uint32 // of a fragment
	first, whole bool
	at           int    // where data begins in the frame
	data         []byte // as long as the headers say
}

// parseMessage reads a frame; false: it is none, or one with options or more extension headers.
func parseMessage(frame []byte) (m message, ok bool) {
	if EtherType(frame) == EtherIPv4 {
		p, ok := ParseIPv4(frame[HeaderLen:])
		if !ok || len(p.Options) > 0 || p.Protocol != ProtoICMP {
			return m, false
		}
		return message{p.Src, p.Dst, uint32(binary.BigEndian.Uint16(frame[HeaderLen+4:])), !p.Fragment, !p.Fragments, HeaderLen + ipv4Len, p.Payload}, true
	}
	p, ok := ParseIPv6(frame[HeaderLen:])
	if !ok {
		return m, false
	}
	m = message{src: p.Src, dst: p.Dst, first: true, whole: true, at: HeaderLen + ipv6Len, data: p.Payload}
	if b := p.Payload; p.NextHeader == nextFragment && len(b) >= fragmentLen {
		m.id, m.first, m.whole = binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint16(b[2:])>>3 == 0, false
		m.at, m.data = m.at+fragmentLen, b[fragmentLen:]
		return m, b[0] == ProtoICMPv6
	}
	return m, p.NextHeader == ProtoICMPv6
}

const (
	nextFragment = 44
	fragmentLen  = 8
)

// answer makes of a request in a frame, or the first fragment of one, the answer; nil: it is none.
func (m *message) answer(frame []byte, mac MAC) []byte {
	request, reply := byte(8), byte(0)
	if m.src.Is6() {
		request, reply = 128, 129
	}
	if len(m.data) < 8 || m.data[0] != request || m.data[1] != 0 {
		return nil
	}
	out := m.turned(frame, mac)
	data := out[m.at:]
	before := binary.BigEndian.Uint16(data)
	data[0] = reply
	binary.BigEndian.PutUint16(data[2:], Adjust(binary.BigEndian.Uint16(data[2:]), before, binary.BigEndian.Uint16(data)))
	return out
}

// turned is the frame on its way back.
func (m *message) turned(frame []byte, mac MAC) []byte {
	out := append(Ethernet(MAC(frame[6:]), mac, EtherType(frame)), frame[HeaderLen:]...)
	ip := out[HeaderLen:]
	if m.src.Is6() {
		ip[7] = 64
		copy(ip[8:], m.dst.AsSlice())
		copy(ip[24:], m.src.AsSlice())
		return out
	}
	word := binary.BigEndian.Uint16(ip[8:])
	ip[8] = 64
	binary.BigEndian.PutUint16(ip[10:], Adjust(binary.BigEndian.Uint16(ip[10:]), word, binary.BigEndian.Uint16(ip[8:])))
	copy(ip[12:], m.dst.AsSlice())
	copy(ip[16:], m.src.AsSlice())
	return out
}
