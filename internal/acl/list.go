package acl

import (
	"encoding/binary"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// Verdict is what becomes of a frame.
type Verdict struct {
	Entry int  // index of the entry that decided; None
	Deny  bool //
	// Unreadable: the frame may or may not match the entry, since it does not have, or hides, what the
	// entry asks of it. It is denied then.
	Unreadable bool
}

// None is the Entry of a frame that matches no entry. It passes.
const None = -1

// First looks through entries, which are those of one direction, for the first that the frame
// matches.
func First(entries []intent.ACLEntry, f *Facts) Verdict {
	for i := range entries {
		if e := &entries[i]; Matches(e, f) {
			return verdict(i, e, f.Missing)
		}
	}
	return Verdict{Entry: None}
}

func verdict(i int, e *intent.ACLEntry, missing Missing) Verdict {
	unreadable := asks(e.Fields)&missing != 0
	return Verdict{Entry: i, Deny: e.Deny || unreadable, Unreadable: unreadable}
}

// asks returns what of a frame must be there for the fields to be told.
func asks(fields intent.ACLFields) (m Missing) {
	if fields.Has(intent.ACLSrcIP | intent.ACLDstIP) {
		m |= MissingIP
	}
	if fields.Has(intent.ACLProtocol) {
		m |= MissingProtocol
	}
	if fields.Has(intent.ACLTransport) {
		m |= MissingTransport
	}
	return m
}

// Matches says whether the frame matches the entry in all that can be told of it.
func Matches(e *intent.ACLEntry, f *Facts) bool {
	k, missing := &f.Key, f.Missing
	has := e.Fields.Has
	address := func(m intent.Masked, at int) bool {
		ip, _ := netip.AddrFromSlice(k[at : at+m.IP.BitLen()/8])
		return intent.Mask(ip, m.Mask) == m
	}
	within := func(r intent.PortRange, at int) bool {
		port := binary.BigEndian.Uint16(k[at:])
		return r.Min <= port && port <= r.Max
	}
	switch {
	case has(intent.ACLDstMAC) && e.DstMAC != intent.MAC(k[atDstMAC:atDstMAC+6]),
		has(intent.ACLSrcMAC) && e.SrcMAC != intent.MAC(k[atSrcMAC:atSrcMAC+6]),
		has(intent.ACLEtherType) && e.EtherType != binary.BigEndian.Uint16(k[atEtherType:]):
		return false
	case has(intent.ACLProtocol|intent.ACLTransport) && k[atFamily] == 0:
		return false
	}
	if missing&MissingIP != 0 {
		return true
	}
	if has(intent.ACLSrcIP) && !address(e.Src, atSrcIP) || has(intent.ACLDstIP) && !address(e.Dst, atDstIP) {
		return false
	}
	if missing&MissingProtocol != 0 {
		return true
	}
	if has(intent.ACLProtocol) && e.Protocol != k[atProtocol] || kinds(e.Fields)&^k[atKind] != 0 {
		return false
	}
	if missing&MissingTransport != 0 {
		return true
	}
	return !(has(intent.ACLSrcPorts) && !within(e.SrcPorts, atSrcPort) ||
		has(intent.ACLDstPorts) && !within(e.DstPorts, atDstPort) ||
		has(intent.ACLTCPFlags) && binary.BigEndian.Uint16(k[atTCPFlags:])&e.TCPMask != e.TCPFlags ||
		has(intent.ACLICMPType) && e.ICMPType != k[atICMPType] ||
		has(intent.ACLICMPCode) && e.ICMPCode != k[atICMPCode])
}

// kinds returns what kinds of transport header a frame must have for the fields.
func kinds(fields intent.ACLFields) (k uint8) {
	if fields.Has(intent.ACLPorts) {
		k |= kindPorts
	}
	if fields.Has(intent.ACLTCPFlags) {
		k |= kindTCP
	}
	if fields.Has(intent.ACLICMP) {
		k |= kindICMP
	}
	return k
}
