package ovs

import (
	"math/bits"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// What Open vSwitch has of frames is a little other than what entries ask for (docs/acl.md):
//
//   - A packet whose IP header is not right has no addresses, no protocol and no TTL; one of IPv6
//     whose extension headers are not has addresses, but no protocol and no TTL.
//   - A fragment of IPv6 but the first has the protocol 44: what it is of can't be told.
//   - A first fragment that ends within the header of TCP or SCTP has no ports.
//
// Where an entry asks for what is not there, such packets are dropped as unreadable. A tag is no
// EtherType while Open vSwitch looks behind it, so IP is what has none.

// verdict is what a flow of an ACL does with what it matches.
type verdict uint32

// The values of regVerdict; none: not denied.
const (
	permitted verdict = iota
	deniedIn
	deniedOut
	unreadable
)

// condition is a part of an entry: a frame that matches it matches the entry, or may.
type condition struct {
	match  openflow.Match
	hidden bool // it hides or lacks what the entry asks for
}

// conditions returns those of an entry, one of which a frame has that matches it. The hidden ones
// count first.
func conditions(e *intent.ACLEntry) []condition {
	has := e.Fields.Has
	base := openflow.Match{}
	if has(intent.ACLSrcMAC) {
		base = append(base, openflow.EthSrc(e.SrcMAC))
	}
	if has(intent.ACLDstMAC) {
		base = append(base, openflow.EthDst(e.DstMAC))
	}
	packets := has(intent.ACLProtocol | intent.ACLTransport)
	switch {
	case !has(intent.ACLEtherType) && !packets:
		return []condition{{match: base}}
	case !has(intent.ACLEtherType):
		return append(packetConditions(base, e, intent.EtherTypeIPv4), packetConditions(base, e, intent.EtherTypeIPv6)...)
	case e.EtherType == intent.EtherTypeIPv4 || e.EtherType == intent.EtherTypeIPv6:
		return packetConditions(base, e, e.EtherType)
	case packets:
		return nil // what is not IP has no protocol
	case e.EtherType == etherVLAN:
		return []condition{{match: also(base, openflow.Tagged())}, {match: also(base, openflow.Untagged(), ethType(etherVLAN))}}
	}
	return []condition{{match: also(base, openflow.Untagged(), ethType(e.EtherType))}}
}

// also returns m with more fields.
func also(m openflow.Match, more ...openflow.Field) openflow.Match {
	return append(m[:len(m):len(m)], more...)
}

// packetConditions are those for packets of one family.
func packetConditions(base openflow.Match, e *intent.ACLEntry, family uint16) []condition {
	has := e.Fields.Has
	v6 := family == intent.EtherTypeIPv6
	base = also(base, openflow.Untagged(), ethType(family))
	src, dst, icmp := openflow.FieldIPv4Src, openflow.FieldIPv4Dst, uint8(intent.ProtocolICMP)
	if v6 {
		src, dst, icmp = openflow.FieldIPv6Src, openflow.FieldIPv6Dst, intent.ProtocolICMPv6
	}
	protocol := e.Protocol
	if has(intent.ACLICMP) && !has(intent.ACLProtocol) {
		protocol = icmp
	}
	if has(intent.ACLICMP) && protocol != icmp {
		return nil
	}
	addressed := base
	if has(intent.ACLSrcIP) {
		addressed = also(addressed, address(src, e.Src)...)
	}
	if has(intent.ACLDstIP) {
		addressed = also(addressed, address(dst, e.Dst)...)
	}
	asksProtocol, asksTransport := has(intent.ACLProtocol|intent.ACLTransport), has(intent.ACLTransport)
	var all []condition
	hidden := func(m openflow.Match) { all = append(all, condition{match: m, hidden: true}) }
	if asksProtocol || has(intent.ACLSrcIP|intent.ACLDstIP) {
		hidden(also(base, number(src, 0, addressLen(v6)), number(dst, 0, addressLen(v6)), proto(0), number(openflow.FieldIPTTL, 0, 1)))
	}
	if v6 && asksProtocol {
		hidden(also(addressed, proto(0), number(openflow.FieldIPTTL, 0, 1)))
		if !asksTransport {
			hidden(also(addressed, proto(protocolFragment), fragments(openflow.FragAny|openflow.FragLater, openflow.FragAny|openflow.FragLater)))
		}
	}
	if !asksProtocol {
		return append(all, condition{match: addressed})
	}
	of := also(addressed, proto(protocol))
	if !asksTransport {
		return append(all, condition{match: of})
	}
	var more openflow.Match
	switch protocol {
	case intent.ProtocolTCP:
		more = openflow.Match{number(openflow.FieldTCPSrc, 0, 2), number(openflow.FieldTCPDst, 0, 2), tcpFlags(0, allTCPFlags)}
	case intent.ProtocolSCTP:
		more = openflow.Match{number(openflow.FieldSCTPSrc, 0, 2), number(openflow.FieldSCTPDst, 0, 2)}
	}
	if more != nil {
		hidden(also(also(of, fragments(openflow.FragAny, openflow.FragAny|openflow.FragLater)), more...))
	}
	return transportConditions(all, also(of, fragments(0, openflow.FragLater)), e, protocol)
}

// transportConditions adds those of the transport header.
func transportConditions(all []condition, of openflow.Match, e *intent.ACLEntry, protocol uint8) []condition {
	has := e.Fields.Has
	if has(intent.ACLTCPFlags) && e.TCPMask != 0 {
		of = also(of, tcpFlags(e.TCPFlags, e.TCPMask))
	}
	kind, code := openflow.FieldICMPv4, openflow.FieldICMPCode
	if protocol == intent.ProtocolICMPv6 {
		kind, code = openflow.FieldICMPv6, openflow.FieldICMPv6Code
	}
	if has(intent.ACLICMPType) {
		of = also(of, number(kind, uint64(e.ICMPType), 1))
	}
	if has(intent.ACLICMPCode) {
		of = also(of, number(code, uint64(e.ICMPCode), 1))
	}
	src, dst := openflow.FieldTCPSrc, openflow.FieldTCPDst
	switch protocol {
	case intent.ProtocolUDP:
		src, dst = openflow.FieldUDPSrc, openflow.FieldUDPDst
	case intent.ProtocolSCTP:
		src, dst = openflow.FieldSCTPSrc, openflow.FieldSCTPDst
	}
	froms, tos := []openflow.Match{nil}, []openflow.Match{nil}
	if has(intent.ACLSrcPorts) {
		froms = ports(src, e.SrcPorts)
	}
	if has(intent.ACLDstPorts) {
		tos = ports(dst, e.DstPorts)
	}
	for _, from := range froms {
		for _, to := range tos {
			all = append(all, condition{match: also(also(of, from...), to...)})
		}
	}
	return all
}

const (
	protocolFragment = 44
	allTCPFlags      = 0xfff
)

func addressLen(v6 bool) int {
	if v6 {
		return 16
	}
	return 4
}

// address matches an address by its mask.
func address(id openflow.FieldID, m intent.Masked) openflow.Match {
	zero, ones := true, true
	mask := m.Mask.AsSlice()
	for _, b := range mask {
		zero, ones = zero && b == 0, ones && b == 0xff
	}
	switch {
	case zero:
		return nil
	case ones:
		return openflow.Match{{ID: id, Value: m.IP.AsSlice()}}
	}
	return openflow.Match{{ID: id, Value: m.IP.AsSlice(), Mask: mask}}
}

// prefixed matches the addresses of a prefix.
func prefixed(id openflow.FieldID, p netip.Prefix) openflow.Match {
	mask := make([]byte, p.Addr().BitLen()/8)
	for i := range p.Bits() {
		mask[i/8] |= 0x80 >> (i % 8)
	}
	ones, _ := netip.AddrFromSlice(mask)
	return address(id, intent.Masked{IP: p.Masked().Addr(), Mask: ones})
}

// number is a field of size bytes that has a value.
func number(id openflow.FieldID, value uint64, size int) openflow.Field {
	b := make([]byte, size)
	for i := size - 1; i >= 0 && value != 0; i-- {
		b[i] = byte(value)
		value >>= 8
	}
	return openflow.Field{ID: id, Value: b}
}

func proto(p uint8) openflow.Field { return number(openflow.FieldIPProto, uint64(p), 1) }

func fragments(value, mask byte) openflow.Field {
	f := openflow.Field{ID: openflow.FieldIPFrag, Value: []byte{value}}
	if mask != openflow.FragAny|openflow.FragLater {
		f.Mask = []byte{mask}
	}
	return f
}

func tcpFlags(value, mask uint16) openflow.Field {
	f := number(openflow.FieldTCPFlags, uint64(value), 2)
	f.Experimenter = openflow.ONF
	if mask != allTCPFlags {
		f.Mask = number(openflow.FieldTCPFlags, uint64(mask), 2).Value
	}
	return f
}

// ports splits a range into what masks can match: at most 30 parts.
func ports(id openflow.FieldID, r intent.PortRange) (all []openflow.Match) {
	if r.Min == 0 && r.Max == 0xffff {
		return []openflow.Match{nil}
	}
	for at, end := uint32(r.Min), uint32(r.Max)+1; at < end; {
		size := uint32(1) << min(bits.TrailingZeros32(at|1<<16), bits.Len32(end-at)-1)
		f := number(id, uint64(at), 2)
		if size > 1 {
			f.Mask = number(id, uint64(0x10000-size), 2).Value
		}
		all = append(all, openflow.Match{f})
		at += size
	}
	return all
}
