package packet

import (
	"encoding/binary"
	"net/netip"
)

// ARP is a packet of ARP for IPv4 over Ethernet.
type ARP struct {
	Op                   uint16
	SenderMAC, TargetMAC MAC
	SenderIP, TargetIP   netip.Addr
}

// The operations of ARP.
const (
	ARPRequest = 1
	ARPReply   = 2
)

const arpLen = 28

var arpHeader = [6]byte{0, 1, 8, 0, 6, 4}

// ParseARP reads what is behind the Ethernet header; false: it is not of ARP for IPv4 over Ethernet.
func ParseARP(b []byte) (ARP, bool) {
	if len(b) < arpLen || [6]byte(b) != arpHeader {
		return ARP{}, false
	}
	return ARP{
		Op: binary.BigEndian.Uint16(b[6:]), SenderMAC: MAC(b[8:]), SenderIP: netip.AddrFrom4([4]byte(b[14:])),
		TargetMAC: MAC(b[18:]), TargetIP: netip.AddrFrom4([4]byte(b[24:])),
	}, true
}

// Frame makes a frame of it.
func (a ARP) Frame(dst, src MAC) []byte {
	b := append(Ethernet(dst, src, EtherARP), arpHeader[:]...)
	b = binary.BigEndian.AppendUint16(b, a.Op)
	b = append(append(b, a.SenderMAC[:]...), a.SenderIP.AsSlice()...)
	return append(append(b, a.TargetMAC[:]...), a.TargetIP.AsSlice()...)
}

// ND is a solicitation or an advertisement of Neighbor Discovery.
type ND struct {
	Type     uint8
	Flags    uint8 // of an advertisement
	Src, Dst netip.Addr
	Target   netip.Addr
	MAC      MAC // of the source (solicitation) or the target (advertisement); zero: it is not said
}

// Types and flags of Neighbor Discovery.
const (
	Solicitation  = 135
	Advertisement = 136

	FlagRouter    = 0x80
	FlagSolicited = 0x40
	FlagOverride  = 0x20
)

const (
	ndLen        = 24
	optionSource = 1
	optionTarget = 2
)

// AllNodes is ff02::1.
var AllNodes = netip.MustParseAddr("ff02::1")

// IsND says whether a frame is of Neighbor Discovery, right or wrong.
func IsND(frame []byte) bool {
	if len(frame) < HeaderLen+ipv6Len+1 || EtherType(frame) != EtherIPv6 || frame[HeaderLen+6] != ProtoICMPv6 {
		return false
	}
	t := frame[HeaderLen+ipv6Len]
	return t == Solicitation || t == Advertisement
}

// NDTarget is the target of a frame that is of Neighbor Discovery; the zero Addr: it is too short to have one.
func NDTarget(frame []byte) netip.Addr {
	if len(frame) < HeaderLen+ipv6Len+ndLen {
		return netip.Addr{}
	}
	return netip.AddrFrom16([16]byte(frame[HeaderLen+ipv6Len+8:]))
}

// ParseND reads a frame for which IsND is true; false: it is not valid (RFC 4861, 7.1).
func ParseND(frame []byte) (ND, bool) {
	ip, ok := ParseIPv6(frame[HeaderLen:])
	if !ok || ip.HopLimit != 255 {
		return ND{}, false
	}
	b := ip.Payload
	if len(b) < ndLen || b[1] != 0 || Fold(Sum(pseudo(ip.Src, ip.Dst, len(b)), b)) != 0 {
		return ND{}, false
	}
	n := ND{Type: b[0], Flags: b[4], Src: ip.Src, Dst: ip.Dst, Target: netip.AddrFrom16([16]byte(b[8:]))}
	if n.Target.IsMulticast() {
		return ND{}, false
	}
	wanted := byte(optionSource)
	if n.Type == Advertisement {
		wanted = optionTarget
		if n.Dst.IsMulticast() && n.Flags&FlagSolicited != 0 {
			return ND{}, false
		}
	}
	for o := b[ndLen:]; len(o) > 0; {
		if len(o) < 8 || o[1] == 0 || int(o[1])*8 > len(o) {
			return ND{}, false
		}
		if o[0] == wanted && o[1] == 1 {
			n.MAC = MAC(o[2:])
		}
		o = o[int(o[1])*8:]
	}
	if n.Type == Solicitation && n.Src.IsUnspecified() && (n.MAC != MAC{} || !isSolicitedNode(n.Dst)) {
		return ND{}, false
	}
	return n, true
}

// isSolicitedNode says whether an address is one of ff02::1:ff00:0/104.
func isSolicitedNode(ip netip.Addr) bool {
	b := ip.As16()
	return [13]byte(b[:]) == [13]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff}
}

// SolicitedNode is the group that a host with the address listens to, and the MAC of that.
func SolicitedNode(ip netip.Addr) (netip.Addr, MAC) {
	b := ip.As16()
	return netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]}), MAC{0x33, 0x33, 0xff, b[13], b[14], b[15]}
}

// LinkLocal is the address that a MAC has by modified EUI-64 (RFC 4291, appendix A).
func LinkLocal(m MAC) netip.Addr {
	return netip.AddrFrom16([16]byte{0: 0xfe, 1: 0x80, 8: m[0] ^ 2, 9: m[1], 10: m[2], 11: 0xff, 12: 0xfe, 13: m[3], 14: m[4], 15: m[5]})
}

// Frame makes a frame of it.
func (n ND) Frame(dst, src MAC) []byte {
	body := append([]byte{n.Type, 0, 0, 0, n.Flags, 0, 0, 0}, n.Target.AsSlice()...)
	if n.MAC != (MAC{}) {
		option := byte(optionSource)
		if n.Type == Advertisement {
			option = optionTarget
		}
		body = append(append(body, option, 1), n.MAC[:]...)
	}
	return icmp6(Ethernet(dst, src, EtherIPv6), n.Src, n.Dst, 255, 0, body)
}
