package packet

import (
	"encoding/binary"
	"net/netip"
	"time"
)

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
	f, ok := parseFragment(frame)
	if !ok {
		return Echo(frame, mac)
	}
	key := echoKey{place, f.src, f.dst, f.id}
	if f.first {
		answer := echoFirst(frame, f, mac)
		if answer != nil {
			e.begin(now, key)
		}
		return answer
	}
	if since, ok := e.begun[key]; !ok || now.Sub(since) > echoTime {
		return nil
	}
	return turned(frame, f, mac)
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

// fragment is a piece of a packet of ICMP or ICMPv6.
type fragment struct {
	src, dst netip.Addr
	id       uint32
	first    bool
	data     int // where its data begin in the frame
}

// parseFragment reads a frame; false: it is no such fragment, or one with options or more extension headers.
func parseFragment(frame []byte) (f fragment, ok bool) {
	if EtherType(frame) == EtherIPv4 {
		p, ok := ParseIPv4(frame[HeaderLen:])
		f = fragment{src: p.Src, dst: p.Dst, first: !p.Fragment, data: HeaderLen + ipv4Len}
		if !ok || !p.Fragments || len(p.Options) > 0 || p.Protocol != ProtoICMP {
			return f, false
		}
		f.id = uint32(binary.BigEndian.Uint16(frame[HeaderLen+4:]))
		return f, true
	}
	p, ok := ParseIPv6(frame[HeaderLen:])
	if !ok || p.NextHeader != nextFragment || len(p.Payload) < fragmentLen || p.Payload[0] != ProtoICMPv6 {
		return f, false
	}
	f = fragment{src: p.Src, dst: p.Dst, id: binary.BigEndian.Uint32(p.Payload[4:]), data: HeaderLen + ipv6Len + fragmentLen}
	f.first = binary.BigEndian.Uint16(p.Payload[2:])>>3 == 0
	return f, true
}

const (
	nextFragment = 44
	fragmentLen  = 8
)

// echoFirst answers the first fragment of a request; nil: it is of none.
func echoFirst(frame []byte, f fragment, mac MAC) []byte {
	request, reply := byte(8), byte(0)
	if f.src.Is6() {
		request, reply = 128, 129
	}
	if len(frame) < f.data+8 || frame[f.data] != request || frame[f.data+1] != 0 {
		return nil
	}
	out := turned(frame, f, mac)
	return echo(out, out[f.data:], reply)
}

// turned is the fragment on its way back.
func turned(frame []byte, f fragment, mac MAC) []byte {
	out := append(Ethernet(MAC(frame[6:]), mac, EtherType(frame)), frame[HeaderLen:]...)
	ip := out[HeaderLen:]
	if f.src.Is6() {
		ip[7] = 64
		copy(ip[8:], f.dst.AsSlice())
		copy(ip[24:], f.src.AsSlice())
		return out
	}
	word := binary.BigEndian.Uint16(ip[8:])
	ip[8] = 64
	binary.BigEndian.PutUint16(ip[10:], Adjust(binary.BigEndian.Uint16(ip[10:]), word, binary.BigEndian.Uint16(ip[8:])))
	copy(ip[12:], f.dst.AsSlice())
	copy(ip[16:], f.src.AsSlice())
	return out
}
