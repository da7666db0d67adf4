package pcapfilter

import (
	"fmt"
	"strconv"
)

func isNumber(w string) bool {
	_, err := strconv.ParseUint(w, 0, 32)
	return err == nil
}

// comparison reads two numbers and the sign between them.
func (p *parser) comparison() (condition, error) {
	a, err := p.sum()
	if err != nil {
		return nil, err
	}
	sign := p.take()
	test, ok := map[string]func(a, b uint32) bool{
		"=": func(a, b uint32) bool { return a == b }, "==": func(a, b uint32) bool { return a == b },
		"!=": func(a, b uint32) bool { return a != b }, "<": func(a, b uint32) bool { return a < b },
		">": func(a, b uint32) bool { return a > b }, "<=": func(a, b uint32) bool { return a <= b }, ">=": func(a, b uint32) bool { return a >= b },
	}[sign]
	if !ok {
		return nil, unexpected(sign)
	}
	b, err := p.sum()
	if err != nil {
		return nil, err
	}
	return func(m *match) bool {
		m.absent = false
		x, y := a(m), uint32(0)
		if !m.failed && !m.absent {
			y = b(m)
		}
		return !m.failed && !m.absent && test(x, y)
	}, nil
}

// The operators, those that bind least first.
var levels = [][]string{{"|"}, {"^"}, {"&"}, {"<<", ">>"}, {"+", "-"}, {"*", "/", "%"}}

func (p *parser) sum() (value, error) { return p.level(0) }

func (p *parser) level(n int) (value, error) {
	if n == len(levels) {
		return p.number()
	}
	a, err := p.level(n + 1)
	for err == nil {
		p.splitSign()
		sign := p.peek()
		if !contains(levels[n], sign) {
			return a, nil
		}
		p.take()
		left := a
		var b value
		if b, err = p.level(n + 1); err != nil {
			break
		}
		a = func(m *match) uint32 {
			x := left(m)
			y := b(m)
			switch sign {
			case "|":
				return x | y
			case "^":
				return x ^ y
			case "&":
				return x & y
			case "<<":
				return x << y
			case ">>":
				return x >> y
			case "+":
				return x + y
			case "-":
				return x - y
			case "*":
				return x * y
			}
			if y == 0 { // libpcap's programs end there
				m.failed = true
				return 0
			}
			if sign == "/" {
				return x / y
			}
			return x % y
		}
	}
	return nil, err
}

func contains(all []string, w string) bool {
	for _, a := range all {
		if a == w {
			return true
		}
	}
	return false
}

// named are numbers that have names.
var named = map[string]uint32{
	"tcpflags": 13, "tcp-fin": 1, "tcp-syn": 2, "tcp-rst": 4, "tcp-push": 8, "tcp-ack": 16, "tcp-urg": 32, "tcp-ece": 64, "tcp-cwr": 128,
	"icmptype": 0, "icmpcode": 1, "icmp-echoreply": 0, "icmp-unreach": 3, "icmp-sourcequench": 4, "icmp-redirect": 5, "icmp-echo": 8,
	"icmp-routeradvert": 9, "icmp-routersolicit": 10, "icmp-timxceed": 11, "icmp-paramprob": 12,
	"icmp6type": 0, "icmp6code": 1, "icmp6-echo": 128, "icmp6-echoreply": 129, "icmp6-destinationrunreach": 1, "icmp6-packettoobig": 2,
	"icmp6-timeexceeded": 3, "icmp6-parameterproblem": 4, "icmp6-routersolicit": 133, "icmp6-routeradvert": 134,
	"icmp6-neighborsolicit": 135, "icmp6-neighboradvert": 136, "icmp6-redirect": 137,
}

func (p *parser) number() (value, error) {
	w := p.take()
	if w == "(" {
		v, err := p.sum()
		if err == nil && !p.accept(")") {
			err = fmt.Errorf("a %q is missing", ")")
		}
		return v, err
	}
	if w == "len" || w == "length" {
		return func(m *match) uint32 { return uint32(m.length) }, nil
	}
	if n, ok := named[w]; ok {
		return func(*match) uint32 { return n }, nil
	}
	if p.peek() == "[" {
		return p.bytes(w)
	}
	n, err := strconv.ParseUint(w, 0, 32)
	if err != nil {
		return nil, unexpected(w)
	}
	return func(*match) uint32 { return uint32(n) }, nil
}

// bytes reads what is in the brackets behind the name of a protocol: where, and how many.
func (p *parser) bytes(proto string) (value, error) {
	base, ok := bases[proto]
	if !ok {
		return nil, unexpected(proto)
	}
	p.take()
	p.splitColon()
	at, err := p.sum()
	if err != nil {
		return nil, err
	}
	size := uint32(1)
	if p.accept(":") {
		switch w := p.take(); w {
		case "1":
		case "2":
			size = 2
		case "4":
			size = 4
		default:
			return nil, fmt.Errorf("%q is not a number of bytes: 1, 2 or 4", w)
		}
	}
	if !p.accept("]") {
		return nil, unexpected(p.peek())
	}
	return func(m *match) uint32 {
		from, ok := base(m)
		if !ok {
			m.absent = true
			return 0
		}
		off := at(m)
		if m.failed || m.absent {
			return 0
		}
		return m.load(from+off, size)
	}, nil
}

// splitSign takes a minus or a slash off a word: where a sign may be, it is one.
func (p *parser) splitSign() {
	if w := p.peek(); len(w) > 1 && (w[0] == '-' || w[0] == '/') {
		p.words = append([]string{w[:1], w[1:]}, p.words[1:]...)
	}
}

// splitColon takes the first word with a colon, up to the closing bracket, apart. Those in brackets between are not meant.
func (p *parser) splitColon() {
	depth := 0
	for i, w := range p.words {
		switch w {
		case "[":
			depth++
		case "]":
			if depth--; depth < 0 {
				return
			}
		}
		if depth > 0 {
			continue
		}
		for j := range w {
			if w[j] != ':' || w == ":" {
				continue
			}
			var parts []string
			for _, part := range []string{w[:j], ":", w[j+1:]} {
				if part != "" {
					parts = append(parts, part)
				}
			}
			p.words = append(append(append([]string{}, p.words[:i]...), parts...), p.words[i+1:]...)
			return
		}
	}
}

// bases say where the bytes of a protocol begin, and whether the frame is of it.
var bases = map[string]func(*match) (uint32, bool){
	"ether": func(*match) (uint32, bool) { return 0, true },
	"arp":   func(m *match) (uint32, bool) { return atIP, hasType(etherARP)(m) },
	"rarp":  func(m *match) (uint32, bool) { return atIP, hasType(etherRARP)(m) },
	"ip":    func(m *match) (uint32, bool) { return atIP, hasType(etherIP)(m) },
	"ip6":   func(m *match) (uint32, bool) { return atIP, hasType(etherIP6)(m) },
	"tcp":   above(protoTCP), "udp": above(protoUDP), "icmp": above(protoICMP), "sctp": above(protoSCTP), "igmp": above(2),
	"icmp6": func(m *match) (uint32, bool) {
		return atIP + ip6Len, hasType(etherIP6)(m) && m.load(atNext, 1) == protoICMP6
	},
}

func above(proto uint32) func(*match) (uint32, bool) {
	is := ipProto(proto)
	return func(m *match) (uint32, bool) {
		if !is(m) {
			return 0, false
		}
		return m.transport()
	}
}
