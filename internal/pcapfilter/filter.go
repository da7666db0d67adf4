// Package pcapfilter reads expressions of pcap-filter(7), as tcpdump and Wireshark's capture dialog take them, and
// asks Ethernet frames. It knows the part of the language that is about Ethernet, ARP, IP and what is right above;
// what it does not know is an error of Parse, never another meaning. Where frames are cut or odd it answers as
// libpcap's programs do: tests compare the two.
//
//	f, err := pcapfilter.Parse("arp or icmp and host 192.0.2.1")
//	if f.Match(frame, len(frame)) { ... }
package pcapfilter

import (
	"encoding/binary"
	"errors"
)

// Filter is an expression. It may be asked by any goroutine. The zero Filter lets every frame through.
type Filter struct{ root condition }

// Parse reads an expression; one of white space lets every frame through.
func Parse(text string) (*Filter, error) {
	p := &parser{words: split(text)}
	if p.peek() == "" {
		return &Filter{}, nil
	}
	c, err := p.expression()
	if err != nil {
		return nil, err
	}
	if w := p.peek(); w != "" {
		return nil, unexpected(w)
	}
	return &Filter{c}, nil
}

// Match says whether f lets a frame through, of which there may be the first bytes only; length is of all of it.
func (f *Filter) Match(frame []byte, length int) bool {
	if f.root == nil {
		return true
	}
	m := &match{b: frame, length: length}
	return f.root(m) && !m.failed
}

// condition is a part of an expression.
type condition func(*match) bool

// value is a number of an expression.
type value func(*match) uint32

// match is a frame that is asked.
type match struct {
	b      []byte
	length int
	failed bool // something was read that is not there: whatever the expression is, the answer is no
	absent bool // the comparison under way is about a protocol that the frame is not of
}

// load reads a number of 1, 2 or 4 bytes.
func (m *match) load(at, size uint32) uint32 {
	if uint64(at)+uint64(size) > uint64(len(m.b)) {
		m.failed = true
		return 0
	}
	switch size {
	case 1:
		return uint32(m.b[at])
	case 2:
		return uint32(binary.BigEndian.Uint16(m.b[at:]))
	}
	return binary.BigEndian.Uint32(m.b[at:])
}

// is says whether the bytes are there and these.
func (m *match) is(at uint32, want []byte) bool {
	for i, w := range want {
		if m.load(at+uint32(i), 1) != uint32(w) {
			return false
		}
	}
	return true
}

func both(a, b condition) condition {
	return func(m *match) bool { return a(m) && !m.failed && b(m) }
}

func either(all ...condition) condition {
	return func(m *match) bool {
		for _, c := range all {
			if c(m) {
				return true
			}
			if m.failed {
				return false
			}
		}
		return false
	}
}

func neither(c condition) condition {
	return func(m *match) bool { return !c(m) }
}

// Where things are in a frame.
const (
	atType   = 12
	atIP     = 14
	ip6Len   = 40
	atNext   = atIP + 6 // IPv6: the next header
	atProto  = atIP + 9 // IPv4
	atOffset = atIP + 6 // IPv4: flags and the place of the fragment
)

// Ethernet types.
const (
	etherIP   = 0x0800
	etherARP  = 0x0806
	etherRARP = 0x8035
	etherIP6  = 0x86dd
)

// Protocols of IP.
const (
	protoICMP  = 1
	protoTCP   = 6
	protoUDP   = 17
	protoFrag6 = 44
	protoICMP6 = 58
	protoSCTP  = 132
)

func hasType(n uint32) condition {
	return func(m *match) bool { return m.load(atType, 2) == n }
}

func ipProto(n uint32) condition {
	return both(hasType(etherIP), func(m *match) bool { return m.load(atProto, 1) == n })
}

// ip6Proto looks behind a fragment header, too, as libpcap does.
func ip6Proto(n uint32) condition {
	return both(hasType(etherIP6), func(m *match) bool {
		next := m.load(atNext, 1)
		return next == n || next == protoFrag6 && m.load(atIP+ip6Len, 1) == n
	})
}

// transport gives where the header behind that of IPv4 is. There is none in later fragments.
func (m *match) transport() (at uint32, ok bool) {
	if m.load(atOffset, 2)&0x1fff != 0 {
		return 0, false
	}
	return atIP + m.load(atIP, 1)&15*4, true
}

var errEmpty = errors.New("the expression ends where something has to follow")
