package acl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// entryLen is the length of an entry in a source, in bytes: UUID, sequence, action, fields, and
// the fields themselves in the order of intent.ACLEntry.
const entryLen = 16 + 8 + 2 + 2 + 6 + 6 + 2 + 4*16 + 1 + 4*2 + 2*2 + 2

const sourceFormat = 1

// Encode makes bytes of an ACL, of which Decode makes it again, also in later versions of the
// program.
func Encode(a intent.ACL) []byte {
	b := []byte{sourceFormat}
	b = binary.BigEndian.AppendUint32(b, uint32(len(a.Name)))
	b = append(b, a.Name...)
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		entries := a.Entries(d)
		b = binary.BigEndian.AppendUint32(b, uint32(len(entries)))
		for i := range entries {
			b = appendEntry(b, &entries[i])
		}
	}
	return b
}

func appendEntry(b []byte, e *intent.ACLEntry) []byte {
	address := func(ip netip.Addr) {
		full := [16]byte{}
		copy(full[:], ip.AsSlice())
		b = append(b, full[:]...)
	}
	b = append(b, e.ID[:]...)
	b = binary.BigEndian.AppendUint64(b, uint64(e.Sequence))
	action := uint16(0)
	if e.Deny {
		action = 1
	}
	b = binary.BigEndian.AppendUint16(b, action)
	b = binary.BigEndian.AppendUint16(b, uint16(e.Fields))
	b = append(append(b, e.SrcMAC[:]...), e.DstMAC[:]...)
	b = binary.BigEndian.AppendUint16(b, e.EtherType)
	address(e.Src.IP)
	address(e.Src.Mask)
	address(e.Dst.IP)
	address(e.Dst.Mask)
	b = append(b, e.Protocol)
	for _, v := range []uint16{e.SrcPorts.Min, e.SrcPorts.Max, e.DstPorts.Min, e.DstPorts.Max, e.TCPFlags, e.TCPMask} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	return append(b, e.ICMPType, e.ICMPCode)
}

var errSource = errors.New("it ends in the middle, or is not whole")

// Decode makes an ACL of what Encode has made of it.
func Decode(b []byte) (a intent.ACL, err error) {
	r := reader{b}
	if format := r.bytes(1); format == nil || format[0] != sourceFormat {
		return a, fmt.Errorf("read an ACL: %w", errors.New("unknown format"))
	}
	a.Name = string(r.bytes(int(r.u32())))
	for _, list := range []*[]intent.ACLEntry{&a.Ingress, &a.Egress} {
		n := r.u32()
		if n > intent.MaxACLEntries || len(r.rest) < int(n)*entryLen {
			return a, fmt.Errorf("read an ACL: %w", errSource)
		}
		for range n {
			*list = append(*list, r.entry())
		}
	}
	if r.rest == nil || len(r.rest) != 0 {
		return a, fmt.Errorf("read an ACL: %w", errSource)
	}
	return a, nil
}

// reader takes bytes off; rest is nil when there were too few.
type reader struct{ rest []byte }

func (r *reader) bytes(n int) []byte {
	if n > len(r.rest) {
		r.rest = nil
		return nil
	}
	b := r.rest[:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) u32() uint32 {
	if b := r.bytes(4); b != nil {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

// entry takes an entry that is there.
func (r *reader) entry() (e intent.ACLEntry) {
	u16 := func() uint16 { return binary.BigEndian.Uint16(r.bytes(2)) }
	copy(e.ID[:], r.bytes(16))
	e.Sequence = int64(binary.BigEndian.Uint64(r.bytes(8)))
	e.Deny = u16() != 0
	e.Fields = intent.ACLFields(u16())
	copy(e.SrcMAC[:], r.bytes(6))
	copy(e.DstMAC[:], r.bytes(6))
	e.EtherType = u16()
	length := 16
	if e.EtherType == intent.EtherTypeIPv4 {
		length = 4
	}
	address := func(field intent.ACLFields) (m intent.Masked) {
		ip, mask := r.bytes(16), r.bytes(16)
		if e.Fields.Has(field) {
			m.IP, _ = netip.AddrFromSlice(ip[:length])
			m.Mask, _ = netip.AddrFromSlice(mask[:length])
		}
		return m
	}
	e.Src, e.Dst = address(intent.ACLSrcIP), address(intent.ACLDstIP)
	e.Protocol = r.bytes(1)[0]
	e.SrcPorts = intent.PortRange{Min: u16(), Max: u16()}
	e.DstPorts = intent.PortRange{Min: u16(), Max: u16()}
	e.TCPFlags, e.TCPMask = u16(), u16()
	icmp := r.bytes(2)
	e.ICMPType, e.ICMPCode = icmp[0], icmp[1]
	return e
}
