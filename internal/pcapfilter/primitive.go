package pcapfilter

import (
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// protocols are the words that stand for one by themselves.
var protocols = map[string]condition{
	"ip": hasType(etherIP), "ip6": hasType(etherIP6), "arp": hasType(etherARP), "rarp": hasType(etherRARP),
	"tcp": either(ipProto(protoTCP), ip6Proto(protoTCP)), "udp": either(ipProto(protoUDP), ip6Proto(protoUDP)),
	"sctp": either(ipProto(protoSCTP), ip6Proto(protoSCTP)), "icmp": ipProto(protoICMP), "icmp6": ip6Proto(protoICMP6),
	"igmp": ipProto(2), "ah": either(ipProto(51), ip6Proto(51)), "esp": either(ipProto(50), ip6Proto(50)),
	"pim": either(ipProto(103), ip6Proto(103)), "vrrp": ipProto(112), "igrp": ipProto(9),
}

// protoNumbers are those of IP that have names.
var protoNumbers = map[string]uint32{
	"icmp": 1, "igmp": 2, "igrp": 9, "tcp": 6, "udp": 17, "esp": 50, "ah": 51, "icmp6": 58, "pim": 103, "vrrp": 112, "sctp": 132,
}

// primitive reads one without a sign: qualifiers, and what they are of.
func (p *parser) primitive() (condition, error) {
	switch p.peek() {
	case "":
		return nil, errEmpty
	case "less", "greater":
		less := p.take() == "less"
		n, err := strconv.ParseUint(p.peek(), 0, 31)
		if err != nil {
			return nil, unexpected(p.peek())
		}
		p.take()
		return func(m *match) bool { return less && m.length <= int(n) || !less && m.length >= int(n) }, nil
	case "vlan", "mpls", "pppoed", "pppoes", "geneve", "vxlan", "gateway", "inbound", "outbound", "ifname", "on":
		return nil, fmt.Errorf("%q is none of the words that are known here", p.peek())
	}
	q, any := qualifiers{}, false
	switch p.peek() {
	case "ether", "link", "ip", "ip6", "arp", "rarp", "tcp", "udp", "sctp":
		q.proto, any = p.take(), true
	}
	if q.proto == "link" {
		q.proto = "ether"
	}
	if dir, ok := p.direction(); ok {
		q.dir, any = dir, true
	}
	switch p.peek() {
	case "host", "net", "port", "portrange", "proto":
		q.kind, any = p.take(), true
	case "broadcast", "multicast":
		return p.group(q)
	}
	if !any {
		if c := protocols[p.peek()]; c != nil {
			p.take()
			return c, nil
		}
		q = p.last
		switch {
		case q == (qualifiers{}) && isAddress(p.peek()):
			return nil, fmt.Errorf("%q is an address: say \"host\" before, \"net\", or for a MAC \"ether host\"", p.peek())
		case q == (qualifiers{}):
			return nil, unexpected(p.peek())
		}
	} else if c := protocols[q.proto]; c != nil && q.dir == "" && q.kind == "" && !isAddress(p.peek()) {
		return c, nil // it stands by itself
	}
	p.last = q
	return p.about(q)
}

func isAddress(w string) bool {
	_, err := netip.ParseAddr(w)
	_, err2 := netip.ParsePrefix(w)
	_, err3 := net.ParseMAC(w)
	return err == nil || err2 == nil || err3 == nil
}

// direction reads src, dst, "src or dst" or "src and dst".
func (p *parser) direction() (string, bool) {
	first := p.peek()
	if first != "src" && first != "dst" {
		return "", false
	}
	p.take()
	sign, other := p.peek(), p.second()
	if (sign == "or" || sign == "and" || sign == "||" || sign == "&&") && (other == "src" || other == "dst") && other != first {
		p.take()
		p.take()
		if sign == "or" || sign == "||" {
			return "", true
		}
		return "src and dst", true
	}
	return first, true
}

// group reads "broadcast" and "multicast".
func (p *parser) group(q qualifiers) (condition, error) {
	word := p.take()
	if q.dir != "" {
		return nil, unexpected(word)
	}
	switch {
	case (q.proto == "" || q.proto == "ether") && word == "broadcast":
		return func(m *match) bool { return m.is(0, []byte{255, 255, 255, 255, 255, 255}) }, nil
	case q.proto == "" || q.proto == "ether":
		return func(m *match) bool { return m.load(0, 1)&1 != 0 }, nil
	case q.proto == "ip" && word == "multicast":
		return both(hasType(etherIP), func(m *match) bool { return m.load(atIP+16, 1) >= 224 }), nil
	case q.proto == "ip6" && word == "multicast":
		return both(hasType(etherIP6), func(m *match) bool { return m.load(atIP+24, 1) == 255 }), nil
	}
	return nil, fmt.Errorf("\"%s %s\" is not known here", q.proto, word)
}

// about reads what the qualifiers are of.
func (p *parser) about(q qualifiers) (condition, error) {
	w := p.take()
	if w == "" {
		return nil, errEmpty
	}
	switch q.kind {
	case "port", "portrange":
		return ports(q, w)
	case "proto":
		return proto(q, w)
	case "net":
		if p.accept("mask") {
			w += "/" + p.take()
		}
		return network(q, w)
	}
	if mac, err := net.ParseMAC(w); err == nil && len(mac) == 6 {
		if q.proto != "ether" {
			return nil, fmt.Errorf("%q is a MAC: say \"ether\" before", w)
		}
		return pair(q.dir, func(m *match) bool { return m.is(6, mac) }, func(m *match) bool { return m.is(0, mac) }), nil
	}
	if _, err := netip.ParsePrefix(w); err == nil && q.kind == "" {
		return network(q, w)
	}
	ip, err := netip.ParseAddr(w)
	if err != nil || ip.Zone() != "" {
		return nil, fmt.Errorf("%q is not an address", w)
	}
	return hosts(q, netip.PrefixFrom(ip, ip.BitLen()))
}

func network(q qualifiers, w string) (condition, error) {
	addr, mask, has := strings.Cut(w, "/")
	// 10 is 10.0.0.0/8, and so on.
	dots := strings.Count(addr, ".")
	if !strings.Contains(addr, ":") && dots < 3 {
		addr += strings.Repeat(".0", 3-dots)
		if !has {
			mask = strconv.Itoa(8 * (dots + 1))
		}
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return nil, fmt.Errorf("%q is not a network", w)
	}
	bits := ip.BitLen()
	if m, err := netip.ParseAddr(mask); err == nil && m.Is4() && ip.Is4() {
		if ones, all := net.IPMask(m.AsSlice()).Size(); all != 0 {
			bits = ones
		} else {
			return nil, fmt.Errorf("%q is not a mask of the first bits", mask)
		}
	} else if mask != "" {
		if bits, err = strconv.Atoi(mask); err != nil || bits < 0 || bits > ip.BitLen() {
			return nil, fmt.Errorf("%q is not a network", w)
		}
	}
	prefix := netip.PrefixFrom(ip, bits)
	if prefix.Masked() != prefix {
		return nil, fmt.Errorf("%q has bits beyond its mask", w)
	}
	return hosts(q, prefix)
}

// hosts has the addresses of a prefix, as source or destination.
func hosts(q qualifiers, prefix netip.Prefix) (condition, error) {
	inside := func(at uint32) condition {
		want, bits := prefix.Addr().AsSlice(), prefix.Bits()
		return func(m *match) bool {
			for i := 0; i < bits; i += 8 {
				b, mask := byte(m.load(at+uint32(i/8), 1)), byte(0xff)
				if bits-i < 8 {
					mask <<= 8 - (bits - i)
				}
				if (b^want[i/8])&mask != 0 {
					return false
				}
			}
			return true
		}
	}
	if prefix.Addr().Is6() {
		if q.proto != "" && q.proto != "ip6" {
			return nil, fmt.Errorf("%v is an address of IPv6", prefix.Addr())
		}
		return both(hasType(etherIP6), pair(q.dir, inside(atIP+8), inside(atIP+24))), nil
	}
	ip := both(hasType(etherIP), pair(q.dir, inside(atIP+12), inside(atIP+16)))
	arp := pair(q.dir, inside(atIP+14), inside(atIP+24))
	switch q.proto {
	case "":
		return either(ip, both(hasType(etherARP), arp), both(hasType(etherRARP), arp)), nil
	case "ip":
		return ip, nil
	case "arp":
		return both(hasType(etherARP), arp), nil
	case "rarp":
		return both(hasType(etherRARP), arp), nil
	}
	return nil, fmt.Errorf("%q has no addresses of IPv4", q.proto)
}

// pair tests the source, the destination, both, or either.
func pair(dir string, src, dst condition) condition {
	switch dir {
	case "src":
		return src
	case "dst":
		return dst
	case "src and dst":
		return both(src, dst)
	}
	return either(src, dst)
}

func ports(q qualifiers, w string) (condition, error) {
	protos := []uint32{protoTCP, protoUDP, protoSCTP}
	network := "tcp"
	switch q.proto {
	case "tcp", "udp", "sctp":
		protos = []uint32{protoNumbers[q.proto]}
		if q.proto == "udp" {
			network = "udp"
		}
	case "":
	default:
		return nil, fmt.Errorf("%q has no ports", q.proto)
	}
	lowest, highest, ranged := strings.Cut(w, "-")
	if !ranged || q.kind == "port" {
		lowest, highest = w, w
	}
	var ends [2]uint32
	for i, text := range []string{lowest, highest} {
		n, err := strconv.ParseUint(text, 0, 16)
		if err != nil {
			named, err := net.LookupPort(network, text)
			if q.proto == "" {
				// A name of TCP or UDP alone is of a port of it alone.
				if udp, none := net.LookupPort("udp", text); err != nil {
					named, err, protos = udp, none, []uint32{protoUDP}
				} else if none != nil {
					protos = []uint32{protoTCP}
				}
			}
			if err != nil {
				return nil, fmt.Errorf("%q is not a port", text)
			}
			n = uint64(named)
		}
		ends[i] = uint32(n)
	}
	if ends[0] > ends[1] {
		ends[0], ends[1] = ends[1], ends[0]
	}
	between := func(at uint32) func(m *match, from uint32) bool {
		return func(m *match, from uint32) bool {
			n := m.load(from+at, 2)
			return n >= ends[0] && n <= ends[1]
		}
	}
	test := func(m *match, from uint32) bool {
		return pair(q.dir, func(m *match) bool { return between(0)(m, from) }, func(m *match) bool { return between(2)(m, from) })(m)
	}
	has := func(n uint32) bool {
		for _, proto := range protos {
			if n == proto {
				return true
			}
		}
		return false
	}
	ip := both(hasType(etherIP), func(m *match) bool {
		if !has(m.load(atProto, 1)) {
			return false
		}
		from, ok := m.transport()
		return ok && test(m, from)
	})
	ip6 := both(hasType(etherIP6), func(m *match) bool { return has(m.load(atNext, 1)) && test(m, atIP+ip6Len) })
	return either(ip6, ip), nil
}

func proto(q qualifiers, w string) (condition, error) {
	w = strings.TrimPrefix(w, `\`)
	if q.dir != "" {
		return nil, unexpected(w)
	}
	n, err := strconv.ParseUint(w, 0, 16)
	if q.proto == "ether" {
		for name, t := range map[string]uint64{"ip": etherIP, "ip6": etherIP6, "arp": etherARP, "rarp": etherRARP} {
			if name == w {
				n, err = t, nil
			}
		}
		if err != nil {
			return nil, unexpected(w)
		}
		if n < 1536 {
			return nil, fmt.Errorf("%q is no EtherType: those begin at 1536", w)
		}
		return hasType(uint32(n)), nil
	}
	if err != nil {
		named, ok := protoNumbers[w]
		if !ok {
			return nil, unexpected(w)
		}
		n = uint64(named)
	}
	if n > 255 {
		return nil, fmt.Errorf("%q is no protocol of IP", w)
	}
	switch q.proto {
	case "":
		return either(ipProto(uint32(n)), ip6Proto(uint32(n))), nil
	case "ip":
		return ipProto(uint32(n)), nil
	case "ip6":
		return ip6Proto(uint32(n)), nil
	}
	return nil, fmt.Errorf("\"%s proto\" is not known here", q.proto)
}
