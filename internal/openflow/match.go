package openflow

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
)

// FieldID names a field of a packet or of its metadata: its OXM class and number.
type FieldID uint32

const (
	classNXM0 = 0x0000
	classNXM1 = 0x0001
	classOXM  = 0x8000
	classOVS  = 0x1000 // of Open vSwitch's own
	classExp  = 0xffff
)

// Fields, with their widths.
const (
	FieldInPort     FieldID = classOXM << 16     // 4 bytes
	FieldEthDst     FieldID = classOXM<<16 | 3   // 6 bytes
	FieldEthSrc     FieldID = classOXM<<16 | 4   // 6 bytes
	FieldEthType    FieldID = classOXM<<16 | 5   // 2 bytes
	FieldVLANVID    FieldID = classOXM<<16 | 6   // 2 bytes; bit 12: there is a tag
	FieldVLANPCP    FieldID = classOXM<<16 | 7   // 1 byte; wants FieldVLANVID, with a tag
	FieldIPProto    FieldID = classOXM<<16 | 10  // 1 byte; wants FieldEthType
	FieldIPv4Src    FieldID = classOXM<<16 | 11  // 4 bytes; wants FieldEthType
	FieldIPv4Dst    FieldID = classOXM<<16 | 12  // 4 bytes; wants FieldEthType
	FieldTCPSrc     FieldID = classOXM<<16 | 13  // 2 bytes; wants FieldIPProto
	FieldTCPDst     FieldID = classOXM<<16 | 14  // 2 bytes; wants FieldIPProto
	FieldUDPSrc     FieldID = classOXM<<16 | 15  // 2 bytes; wants FieldIPProto
	FieldUDPDst     FieldID = classOXM<<16 | 16  // 2 bytes; wants FieldIPProto
	FieldSCTPSrc    FieldID = classOXM<<16 | 17  // 2 bytes; wants FieldIPProto
	FieldSCTPDst    FieldID = classOXM<<16 | 18  // 2 bytes; wants FieldIPProto
	FieldICMPv4     FieldID = classOXM<<16 | 19  // 1 byte, the type; wants FieldIPProto
	FieldICMPCode   FieldID = classOXM<<16 | 20  // 1 byte, of ICMP in IPv4; wants FieldIPProto
	FieldARPOp      FieldID = classOXM<<16 | 21  // 2 bytes; wants FieldEthType, as the others of ARP do
	FieldARPSPA     FieldID = classOXM<<16 | 22  // 4 bytes, the sender's IP address
	FieldARPTPA     FieldID = classOXM<<16 | 23  // 4 bytes, the target's
	FieldARPSHA     FieldID = classOXM<<16 | 24  // 6 bytes, the sender's MAC
	FieldARPTHA     FieldID = classOXM<<16 | 25  // 6 bytes, the target's
	FieldIPv6Src    FieldID = classOXM<<16 | 26  // 16 bytes; wants FieldEthType
	FieldIPv6Dst    FieldID = classOXM<<16 | 27  // 16 bytes; wants FieldEthType
	FieldICMPv6     FieldID = classOXM<<16 | 29  // 1 byte, the type; wants FieldIPProto
	FieldICMPv6Code FieldID = classOXM<<16 | 30  // 1 byte, of ICMPv6; wants FieldIPProto
	FieldNDTarget   FieldID = classOXM<<16 | 31  // 16 bytes; wants FieldICMPv6 and FieldICMPv6Code
	FieldNDSource   FieldID = classOXM<<16 | 32  // 6 bytes, the MAC that a solicitation has; wants its type
	FieldNDMAC      FieldID = classOXM<<16 | 33  // 6 bytes, that of an advertisement; wants its type
	FieldTunnelID   FieldID = classOXM<<16 | 38  // 8 bytes
	FieldNDFlags    FieldID = classOVS<<16 | 1   // 4 bytes, what Neighbor Discovery has before the target; wants its type
	FieldNDOption   FieldID = classOVS<<16 | 2   // 1 byte, the type of its first option; wants its type
	FieldVLANTCI    FieldID = classNXM0<<16 | 4  // 2 bytes; bit 12: there is a tag
	FieldIPFrag     FieldID = classNXM1<<16 | 26 // 1 byte, of FragAny and FragLater; wants FieldEthType
	FieldIPTTL      FieldID = classNXM1<<16 | 29 // 1 byte, also of IPv6; wants FieldEthType
	FieldTunSrc     FieldID = classNXM1<<16 | 31 // 4 bytes, IPv4
	FieldTunDst     FieldID = classNXM1<<16 | 32 // 4 bytes, IPv4
	FieldMark       FieldID = classNXM1<<16 | 33 // 4 bytes; it stays from bridge to bridge
	FieldInPort16   FieldID = classNXM0 << 16    // 2 bytes, of FieldInPort, for RegMoveAction
	FieldTCPFlags   FieldID = classExp<<16 | 42  // 2 bytes, of the experimenter ONF; wants FieldIPProto
)

// Bits of FieldIPFrag.
const (
	FragAny   = 1 // it is a fragment
	FragLater = 2 // and not the first
)

// FieldXXReg names registers 4n to 4n+3 as one of 16 bytes, n from 0 to 3, for actions. In a match they are told
// one by one.
func FieldXXReg(n int) FieldID { return classNXM1<<16 | FieldID(111+n) }

// FieldReg names register n, 0 to 15, of 4 bytes.
func FieldReg(n int) FieldID { return classNXM1<<16 | FieldID(n) }

var fieldNames = map[FieldID]string{
	FieldInPort: "in_port", FieldEthDst: "dl_dst", FieldEthSrc: "dl_src", FieldEthType: "dl_type", FieldVLANVID: "vlan_vid",
	FieldIPProto: "nw_proto", FieldIPv4Dst: "nw_dst", FieldUDPDst: "tp_dst", FieldICMPv6: "icmp_type", FieldVLANPCP: "vlan_pcp",
	FieldIPv4Src: "nw_src", FieldTCPSrc: "tp_src", FieldTCPDst: "tp_dst", FieldUDPSrc: "tp_src", FieldSCTPSrc: "tp_src", FieldSCTPDst: "tp_dst",
	FieldICMPv4: "icmp_type", FieldICMPCode: "icmp_code", FieldICMPv6Code: "icmp_code", FieldIPv6Src: "ipv6_src", FieldIPv6Dst: "ipv6_dst",
	FieldARPOp: "arp_op", FieldARPSPA: "arp_spa", FieldARPTPA: "arp_tpa", FieldARPSHA: "arp_sha", FieldARPTHA: "arp_tha",
	FieldNDTarget: "nd_target", FieldNDSource: "nd_sll", FieldNDMAC: "nd_tll", FieldNDFlags: "nd_reserved", FieldNDOption: "nd_options_type", FieldMark: "pkt_mark", FieldInPort16: "in_port",
	FieldIPFrag: "ip_frag", FieldIPTTL: "nw_ttl", FieldTCPFlags: "tcp_flags",
	FieldTunnelID: "tun_id", FieldVLANTCI: "vlan_tci", FieldTunSrc: "tun_src", FieldTunDst: "tun_dst",
}

// String returns the name that ovs-fields(7) has for the field.
func (f FieldID) String() string {
	if name, ok := fieldNames[f]; ok {
		return name
	}
	if f>>16 == classNXM1 && f&0xffff < 16 {
		return fmt.Sprintf("reg%d", f&0xffff)
	}
	return fmt.Sprintf("field(%#x,%d)", uint32(f>>16), f&0xffff)
}

// header returns the OXM header for a field of width bytes.
func (f FieldID) header(width int, masked bool) uint32 {
	h := uint32(f>>16)<<16 | uint32(f&0x7f)<<9
	if masked {
		return h | 1<<8 | uint32(2*width)
	}
	return h | uint32(width)
}

// oldFields are the names that fields had before there were those of OpenFlow. Open vSwitch gives them back in
// actions that are as old.
var oldFields = map[FieldID]FieldID{
	FieldEthDst: classNXM0<<16 | 1, FieldEthSrc: classNXM0<<16 | 2, FieldIPv4Src: classNXM0<<16 | 7, FieldIPv4Dst: classNXM0<<16 | 8,
	FieldARPSPA: classNXM0<<16 | 16, FieldARPTPA: classNXM0<<16 | 17, FieldARPSHA: classNXM1<<16 | 17, FieldARPTHA: classNXM1<<16 | 18,
	FieldIPv6Src: classNXM1<<16 | 19, FieldIPv6Dst: classNXM1<<16 | 20,
}

func (f FieldID) old() FieldID {
	if old, ok := oldFields[f]; ok {
		return old
	}
	return f
}

func fieldOf(header uint32) FieldID { return FieldID(header>>16<<16 | header>>9&0x7f) }

// Field is a field with a value.
type Field struct {
	ID           FieldID
	Experimenter uint32 // of fields of class 0xffff
	Value        []byte // big-endian
	Mask         []byte // of the same length; nil: all of the value counts
}

// InPort is the port that a packet came by.
func InPort(port uint32) Field { return Field{ID: FieldInPort, Value: be.AppendUint32(nil, port)} }

// EthDst is the destination address.
func EthDst(mac [6]byte) Field { return Field{ID: FieldEthDst, Value: mac[:]} }

// EthDstMasked is some bits of the destination address.
func EthDstMasked(mac, mask [6]byte) Field {
	return Field{ID: FieldEthDst, Value: mac[:], Mask: mask[:]}
}

// EthSrc is the source address.
func EthSrc(mac [6]byte) Field { return Field{ID: FieldEthSrc, Value: mac[:]} }

// EthSrcMasked is some bits of the source address.
func EthSrcMasked(mac, mask [6]byte) Field {
	return Field{ID: FieldEthSrc, Value: mac[:], Mask: mask[:]}
}

const vlanPresent = 0x1000

// Untagged is a packet without a VLAN tag.
func Untagged() Field { return Field{ID: FieldVLANVID, Value: []byte{0, 0}} }

// VLAN is a packet whose outer tag has this VID; 0 is a priority tag.
func VLAN(vid uint16) Field {
	return Field{ID: FieldVLANVID, Value: be.AppendUint16(nil, vlanPresent|vid)}
}

// Tagged is a packet with any VLAN tag.
func Tagged() Field {
	return Field{ID: FieldVLANVID, Value: []byte{vlanPresent >> 8, 0}, Mask: []byte{vlanPresent >> 8, 0}}
}

// TunSrc is the outer source of a packet that came by a tunnel.
func TunSrc(ip [4]byte) Field { return Field{ID: FieldTunSrc, Value: ip[:]} }

// TunDst is the outer destination.
func TunDst(ip [4]byte) Field { return Field{ID: FieldTunDst, Value: ip[:]} }

// TunnelID is the key of the tunnel: a VNI.
func TunnelID(key uint64) Field { return Field{ID: FieldTunnelID, Value: be.AppendUint64(nil, key)} }

// Reg is the value of register n.
func Reg(n int, value uint32) Field {
	return Field{ID: FieldReg(n), Value: be.AppendUint32(nil, value)}
}

func (f Field) append(b []byte) []byte {
	extra := 0
	if f.ID>>16 == classExp {
		extra = 4
	}
	h := f.ID.header(len(f.Value), f.Mask != nil)
	b = be.AppendUint32(b, h+uint32(extra))
	if extra > 0 {
		b = be.AppendUint32(b, f.Experimenter)
	}
	return append(append(b, f.Value...), f.Mask...)
}

func readField(r *reader) (Field, error) {
	h := r.u32()
	f := Field{ID: fieldOf(h)}
	n := int(h & 0xff)
	if f.ID>>16 == classExp {
		f.Experimenter = r.u32()
		n -= 4
	}
	b := bytes.Clone(r.take(n))
	if r.err != nil {
		return f, r.err
	}
	if h>>8&1 == 0 {
		f.Value = b
		return f, nil
	}
	if n%2 != 0 {
		return f, fmt.Errorf("field %v has a mask of another length", f.ID)
	}
	f.Value, f.Mask = b[:n/2:n/2], b[n/2:]
	return f, nil
}

// String returns the field as "name=value/mask".
func (f Field) String() string {
	v := valueText(f.ID, f.Value)
	if f.Mask != nil {
		v += "/" + valueText(f.ID, f.Mask)
	}
	return f.ID.String() + "=" + v
}

func valueText(id FieldID, v []byte) string {
	switch {
	case (id == FieldEthDst || id == FieldEthSrc) && len(v) == 6:
		return fmt.Sprintf("%02x:%02x:%02x:%02x:%02x:%02x", v[0], v[1], v[2], v[3], v[4], v[5])
	case (id == FieldTunSrc || id == FieldTunDst || id == FieldIPv4Src || id == FieldIPv4Dst) && len(v) == 4:
		return fmt.Sprintf("%d.%d.%d.%d", v[0], v[1], v[2], v[3])
	}
	var n uint64
	for _, c := range v {
		n = n<<8 | uint64(c)
	}
	switch {
	case len(v) > 8:
		return fmt.Sprintf("0x%x", v)
	case id == FieldInPort || id == FieldTunnelID || id == FieldIPProto || id == FieldUDPDst:
		return fmt.Sprintf("%d", n)
	}
	return fmt.Sprintf("%#x", n)
}

// Match is the fields that packets must have. The order does not matter: Canonical has one.
type Match []Field

// Canonical returns m in the order of the fields: equal matches are then equal. What a field wants
// is before it, as switches demand.
func (m Match) Canonical() Match {
	c := slices.Clone(m)
	slices.SortFunc(c, func(a, b Field) int { return int(int64(a.ID.rank()) - int64(b.ID.rank())) })
	return c
}

// rank says where a field is among those of a match.
func (f FieldID) rank() uint64 {
	if f == FieldIPFrag || f == FieldIPTTL || f>>16 == classOVS { // of a class that has fields which others want
		return 1<<32 | uint64(f)
	}
	return uint64(f)
}

// Get returns the value of a field that is matched without a mask.
func (m Match) Get(id FieldID) ([]byte, bool) {
	for _, f := range m {
		if f.ID == id && f.Mask == nil {
			return f.Value, true
		}
	}
	return nil, false
}

// InPort returns the port of the match.
func (m Match) InPort() (uint32, bool) {
	if v, ok := m.Get(FieldInPort); ok && len(v) == 4 {
		return be.Uint32(v), true
	}
	return 0, false
}

// String returns the fields with commas between them.
func (m Match) String() string {
	parts := make([]string, len(m))
	for i, f := range m {
		parts[i] = f.String()
	}
	return strings.Join(parts, ",")
}

const matchOXM = 1

func (m Match) append(b []byte) []byte {
	start := len(b)
	b = be.AppendUint16(b, matchOXM)
	b = append(b, 0, 0)
	for _, f := range m {
		b = f.append(b)
	}
	be.PutUint16(b[start+2:], uint16(len(b)-start))
	return pad8(b, start)
}

func readMatch(r *reader) (Match, error) {
	kind, n := r.u16(), int(r.u16())
	if kind != matchOXM || n < 4 {
		return nil, fmt.Errorf("match of type %d and length %d", kind, n)
	}
	body := reader{b: r.take(n - 4)}
	r.skip((8 - n%8) % 8)
	if r.err != nil {
		return nil, r.err
	}
	var m Match
	for len(body.b) > 0 {
		f, err := readField(&body)
		if err != nil {
			return nil, err
		}
		m = append(m, f)
	}
	return m, nil
}
