package intent

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// ACLID names an access control list: the UUID of its ACL row.
type ACLID [16]byte

// Compare orders lists by the bytes of their UUIDs.
func (id ACLID) Compare(o ACLID) int { return bytes.Compare(id[:], o[:]) }

// String returns the UUID form.
func (id ACLID) String() string { return SwitchID(id).String() }

// ACLEntryID names an entry: the UUID of its ACL_entry row.
type ACLEntryID [16]byte

// Compare orders entries by the bytes of their UUIDs.
func (id ACLEntryID) Compare(o ACLEntryID) int { return bytes.Compare(id[:], o[:]) }

// String returns the UUID form.
func (id ACLEntryID) String() string { return SwitchID(id).String() }

// ACL is an access control list: of the entries of a frame's direction the first one that it
// matches decides, and a frame that matches none passes. Ingress is from a port (or an interface
// of a router) into the switch, Egress out of it.
//
// An ACL in a State is not edited: a change puts another in its place. Entries are sorted by
// sequence, then UUID.
type ACL struct {
	Name            string // for logs and listings; not an identity
	Ingress, Egress []ACLEntry
}

// MaxACLEntries is the most entries of one direction that an ACL may have.
const MaxACLEntries = 4096

// Equal says whether a and o are the same in all.
func (a ACL) Equal(o ACL) bool {
	return a.Name == o.Name && slices.Equal(a.Ingress, o.Ingress) && slices.Equal(a.Egress, o.Egress)
}

// Direction is which way a frame goes, as seen by the switch.
type Direction uint8

const (
	Ingress Direction = iota // into it
	Egress                   // out of it
)

// String returns the word of ACL_entry.direction.
func (d Direction) String() string {
	if d == Egress {
		return "egress"
	}
	return "ingress"
}

// Entries returns those that are asked of frames of a direction.
func (a ACL) Entries(d Direction) []ACLEntry {
	if d == Egress {
		return a.Egress
	}
	return a.Ingress
}

// ACLEntry is one rule. A frame matches it if it matches all of its Fields.
type ACLEntry struct {
	ID       ACLEntryID
	Sequence int64
	Deny     bool
	Fields   ACLFields

	SrcMAC, DstMAC     MAC
	EtherType          uint16 // of what the binding's tag is before, host byte order
	Src, Dst           Masked
	Protocol           uint8 // of IPv4, or the next header of IPv6 after the extension headers
	SrcPorts, DstPorts PortRange
	TCPFlags, TCPMask  uint16 // FIN is bit 0; 12 bits
	ICMPType, ICMPCode uint8  // of ICMP in IPv4, of ICMPv6 in IPv6
}

// ACLFields is a set of fields.
type ACLFields uint16

const (
	ACLSrcMAC ACLFields = 1 << iota
	ACLDstMAC
	ACLEtherType
	ACLSrcIP // implies ACLEtherType, of the family
	ACLDstIP // likewise
	ACLProtocol
	ACLSrcPorts // implies ACLProtocol: TCP, UDP or SCTP
	ACLDstPorts // likewise
	ACLTCPFlags // implies ACLProtocol: TCP
	ACLICMPType
	ACLICMPCode
)

// The fields that are behind the IP header. Fragments but the first match none of them.
const (
	ACLPorts     = ACLSrcPorts | ACLDstPorts
	ACLICMP      = ACLICMPType | ACLICMPCode
	ACLTransport = ACLPorts | ACLTCPFlags | ACLICMP
)

// Has says whether any of o is in f.
func (f ACLFields) Has(o ACLFields) bool { return f&o != 0 }

// Masked is an address of which only the bits of the mask count; the others are zero. The mask
// is of the same family and may be any.
type Masked struct {
	IP, Mask netip.Addr
}

// Mask returns ip without the bits that mask has not got. Both are of one family.
func Mask(ip, mask netip.Addr) Masked {
	a, m := ip.AsSlice(), mask.AsSlice()
	for i := range a {
		a[i] &= m[i]
	}
	masked, _ := netip.AddrFromSlice(a)
	return Masked{masked, mask}
}

// String returns "IP/BITS", or "IP/MASK" for a mask that is not a prefix's.
func (m Masked) String() string {
	bits, ended := 0, false
	for _, b := range m.Mask.AsSlice() {
		for i := 7; i >= 0; i-- {
			switch one := b>>i&1 == 1; {
			case one && ended:
				return m.IP.String() + "/" + m.Mask.String()
			case one:
				bits++
			default:
				ended = true
			}
		}
	}
	return fmt.Sprintf("%v/%d", m.IP, bits)
}

// PortRange is of ports, both ends included.
type PortRange struct{ Min, Max uint16 }

// Numbers of protocols and EtherTypes that entries are special about.
const (
	ProtocolICMP   = 1
	ProtocolTCP    = 6
	ProtocolUDP    = 17
	ProtocolICMPv6 = 58
	ProtocolSCTP   = 132

	EtherTypeIPv4 = 0x0800
	EtherTypeIPv6 = 0x86dd
)

// String returns e in one line, as listings have it.
func (e ACLEntry) String() string {
	var b strings.Builder
	action := "permit"
	if e.Deny {
		action = "deny"
	}
	fmt.Fprintf(&b, "%d %s", e.Sequence, action)
	for _, f := range []struct {
		field ACLFields
		text  func() string
	}{
		{ACLSrcMAC, func() string { return "source-mac " + e.SrcMAC.String() }},
		{ACLDstMAC, func() string { return "dest-mac " + e.DstMAC.String() }},
		{ACLEtherType, func() string { return fmt.Sprintf("ethertype 0x%04x", e.EtherType) }},
		{ACLSrcIP, func() string { return "source " + e.Src.String() }},
		{ACLDstIP, func() string { return "dest " + e.Dst.String() }},
		{ACLProtocol, func() string { return fmt.Sprintf("protocol %d", e.Protocol) }},
		{ACLSrcPorts, func() string { return fmt.Sprintf("source-port %d-%d", e.SrcPorts.Min, e.SrcPorts.Max) }},
		{ACLDstPorts, func() string { return fmt.Sprintf("dest-port %d-%d", e.DstPorts.Min, e.DstPorts.Max) }},
		{ACLTCPFlags, func() string { return fmt.Sprintf("tcp-flags 0x%03x/0x%03x", e.TCPFlags, e.TCPMask) }},
		{ACLICMPType, func() string { return fmt.Sprintf("icmp-type %d", e.ICMPType) }},
		{ACLICMPCode, func() string { return fmt.Sprintf("icmp-code %d", e.ICMPCode) }},
	} {
		if e.Fields.Has(f.field) {
			b.WriteString(" " + f.text())
		}
	}
	return b.String()
}

// Check says what in e breaks a promise that planes rely on.
func (e *ACLEntry) Check() error {
	ip := func(m Masked) bool {
		return m.IP.IsValid() && m.IP.BitLen() == m.Mask.BitLen() && m.IP.Zone() == "" && Mask(m.IP, m.Mask) == m &&
			e.Fields.Has(ACLEtherType) && e.EtherType == etherTypeOf(m.IP)
	}
	protocol := func(may ...uint8) bool { return e.Fields.Has(ACLProtocol) && slices.Contains(may, e.Protocol) }
	switch {
	case e.Fields.Has(ACLSrcIP) && !ip(e.Src), e.Fields.Has(ACLDstIP) && !ip(e.Dst):
		return errors.New("an address without its mask, or not of the EtherType")
	case e.Fields.Has(ACLPorts) && !protocol(ProtocolTCP, ProtocolUDP, ProtocolSCTP):
		return errors.New("ports of a protocol without")
	case e.SrcPorts.Min > e.SrcPorts.Max || e.DstPorts.Min > e.DstPorts.Max:
		return errors.New("a range that ends before it begins")
	case e.Fields.Has(ACLTCPFlags) && (!protocol(ProtocolTCP) || e.TCPFlags&^e.TCPMask != 0):
		return errors.New("TCP flags of another protocol, or outside of the mask")
	}
	return nil
}

func etherTypeOf(ip netip.Addr) uint16 {
	if ip.Is4() {
		return EtherTypeIPv4
	}
	return EtherTypeIPv6
}

// Policy is what is asked of the frames of a binding, beside the switch that they belong to.
type Policy struct {
	ACL ACLID
}

func aclText(n names, id ACLID, a ACL) string {
	var b strings.Builder
	fmt.Fprintf(&b, "acl %s", n.acl(id))
	for _, d := range []Direction{Ingress, Egress} {
		for _, e := range a.Entries(d) {
			fmt.Fprintf(&b, "\n  %v %v", d, e)
		}
	}
	return b.String()
}

func checkACL(_ *State, _ ACLID, a ACL) error {
	for _, d := range []Direction{Ingress, Egress} {
		entries := a.Entries(d)
		if len(entries) > MaxACLEntries {
			return fmt.Errorf("%d entries of %v", len(entries), d)
		}
		for i := range entries {
			e := &entries[i]
			if i > 0 && cmp.Or(cmp.Compare(entries[i-1].Sequence, e.Sequence), entries[i-1].ID.Compare(e.ID)) >= 0 {
				return fmt.Errorf("%v entries not sorted, or twice %v", d, e)
			}
			if err := e.Check(); err != nil {
				return fmt.Errorf("%v %v: %w", d, e, err)
			}
		}
	}
	return nil
}

func policyText(n names, k BindingKey, p Policy) string {
	return fmt.Sprintf("policy %v acl %s", k, n.acl(p.ACL))
}

func checkPolicy(s *State, k BindingKey, p Policy) error {
	switch {
	case !has(s.Bindings, k):
		return errors.New("no such binding")
	case !has(s.ACLs, p.ACL):
		return fmt.Errorf("no ACL %v", p.ACL)
	}
	return nil
}
