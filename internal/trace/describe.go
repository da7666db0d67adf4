package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
)

// Describe says in one line what a frame is.
func Describe(b []byte) string {
	if len(b) < packet.HeaderLen {
		return fmt.Sprintf("%d bytes", len(b))
	}
	text := fmt.Sprintf("%v to %v", intent.MAC(b[6:12]), intent.MAC(b[:6]))
	inside := b
	for {
		t := packet.EtherType(inside)
		if len(inside) < packet.HeaderLen+tagLen || t != etherVLAN && t != etherService {
			break
		}
		word := "VLAN"
		if t == etherService {
			word = "service VLAN"
		}
		text += fmt.Sprintf(", %s %d", word, tagOf(inside))
		if pcp := inside[14] >> 5; pcp != 0 {
			text += fmt.Sprintf(" PCP %d", pcp)
		}
		inside = append(append([]byte{}, inside[:12]...), inside[16:]...)
	}
	return fmt.Sprintf("%s, %s, %d bytes", text, payload(inside), len(b))
}

// payload says what an untagged frame has.
func payload(b []byte) string {
	switch packet.EtherType(b) {
	case packet.EtherARP:
		if a, ok := packet.ParseARP(b[packet.HeaderLen:]); ok {
			if a.Op == packet.ARPRequest {
				return fmt.Sprintf("ARP: who has %v, tell %v", a.TargetIP, a.SenderIP)
			}
			return fmt.Sprintf("ARP: %v is at %v", a.SenderIP, intent.MAC(a.SenderMAC))
		}
		return "ARP"
	case packet.EtherIPv4:
		if len(b) >= packet.HeaderLen+ipv4Len {
			ip := b[packet.HeaderLen:]
			src, dst := netip.AddrFrom4([4]byte(ip[12:])), netip.AddrFrom4([4]byte(ip[16:]))
			return between(src, dst, ip[9], ip[min(len(ip), int(ip[0]&15)*4):])
		}
		return "IPv4"
	case packet.EtherIPv6:
		if n, ok := packet.ParseND(b); ok && n.Type == packet.Solicitation {
			return fmt.Sprintf("Neighbor Solicitation: who has %v, tell %v", n.Target, n.Src)
		}
		if len(b) >= packet.HeaderLen+ipv6Len {
			ip := b[packet.HeaderLen:]
			return between(netip.AddrFrom16([16]byte(ip[8:])), netip.AddrFrom16([16]byte(ip[24:])), ip[6], ip[ipv6Len:])
		}
		return "IPv6"
	}
	return fmt.Sprintf("EtherType 0x%04x", packet.EtherType(b))
}

func between(src, dst netip.Addr, protocol byte, b []byte) string {
	name, ok := map[byte]string{
		intent.ProtocolUDP: "UDP", intent.ProtocolTCP: "TCP", intent.ProtocolSCTP: "SCTP",
	}[protocol]
	if ok && len(b) >= 4 {
		return fmt.Sprintf("%s %v to %v", name, netip.AddrPortFrom(src, binary.BigEndian.Uint16(b)), netip.AddrPortFrom(dst, binary.BigEndian.Uint16(b[2:])))
	}
	switch protocol {
	case intent.ProtocolICMP:
		name = "ICMP"
	case intent.ProtocolICMPv6:
		name = "ICMPv6"
	default:
		name = fmt.Sprintf("IP protocol %d", protocol)
	}
	return fmt.Sprintf("%s %v to %v", name, src, dst)
}
