package trace

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/packet"
)

const ipv4Len, ipv6Len = 20, 40

// ipPacket makes a frame of length bytes, or as many as it needs, with an IP packet.
func (q *Question) ipPacket(dstMAC, srcMAC intent.MAC, length int) ([]byte, error) {
	dst, err := netip.ParseAddr(q.ip)
	if err != nil || dst.Zone() != "" {
		return nil, fmt.Errorf("--ip is %q, not an IP address", q.ip)
	}
	src, err := q.source(dst)
	if err != nil {
		return nil, err
	}
	protocol, err := q.protocolOf(dst)
	if err != nil {
		return nil, err
	}
	ttl, err := number("ttl", or(q.ttl, "64"), 0, 255)
	if err != nil {
		return nil, err
	}
	dscp, err := number("dscp", q.dscp, 0, 63)
	if err != nil {
		return nil, err
	}
	payload, err := q.transport(protocol)
	if err != nil {
		return nil, err
	}
	header, etherType := ipv4Len, uint16(packet.EtherIPv4)
	if dst.Is6() {
		header, etherType = ipv6Len, packet.EtherIPv6
	}
	least := packet.HeaderLen + header + len(payload)
	if length == 0 {
		length = max(least, shortest)
	}
	if length < least {
		return nil, fmt.Errorf("--length is %d: the frame has %d bytes", length, least)
	}
	payload = append(payload, make([]byte, length-least)...)
	checksum(protocol, payload, src, dst)
	b := packet.Ethernet(packet.MAC(dstMAC), packet.MAC(srcMAC), etherType)
	if dst.Is6() {
		b = append(b, 0x60|byte(dscp>>2), byte(dscp<<6), 0, 0)
		b = binary.BigEndian.AppendUint16(b, uint16(len(payload)))
		b = append(b, protocol, byte(ttl))
		b = append(append(b, src.AsSlice()...), dst.AsSlice()...)
		return append(b, payload...), nil
	}
	ip := []byte{0x45, byte(dscp << 2), 0, 0, 0, 0, 0x40, 0, byte(ttl), protocol, 0, 0}
	if q.fragment {
		ip[6] = 0
	}
	binary.BigEndian.PutUint16(ip[2:], uint16(ipv4Len+len(payload)))
	ip = append(append(ip, src.AsSlice()...), dst.AsSlice()...)
	binary.BigEndian.PutUint16(ip[10:], packet.Fold(packet.Sum(0, ip)))
	return append(append(b, ip...), payload...), nil
}

func (q *Question) protocolOf(dst netip.Addr) (byte, error) {
	switch q.protocol {
	case "", "udp":
		return intent.ProtocolUDP, nil
	case "tcp":
		return intent.ProtocolTCP, nil
	case "sctp":
		return intent.ProtocolSCTP, nil
	case "icmp", "icmp6", "icmpv6":
		if dst.Is6() {
			return intent.ProtocolICMPv6, nil
		}
		return intent.ProtocolICMP, nil
	}
	n, err := number("protocol", q.protocol, 0, 255)
	if err != nil {
		return 0, fmt.Errorf("--protocol is %q, not udp, tcp, sctp, icmp or a number from 0 to 255", q.protocol)
	}
	return byte(n), nil
}

// transport makes the header behind that of IP, with checksums that are still zero.
func (q *Question) transport(protocol byte) ([]byte, error) {
	from, err := number("src-port", or(q.srcPort, "49152"), 0, 65535)
	if err != nil {
		return nil, err
	}
	to, err := number("dst-port", or(q.dstPort, "9"), 0, 65535)
	if err != nil {
		return nil, err
	}
	ports := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(nil, uint16(from)), uint16(to))
	switch protocol {
	case intent.ProtocolUDP:
		return append(ports, 0, 0, 0, 0), nil
	case intent.ProtocolTCP:
		return append(ports, 0, 0, 0, 1, 0, 0, 0, 0, 5<<4, 0x02, 0xff, 0xff, 0, 0, 0, 0), nil // SYN
	case intent.ProtocolSCTP:
		return append(ports, make([]byte, 8)...), nil
	case intent.ProtocolICMP:
		return []byte{8, 0, 0, 0, 0, 1, 0, 1}, nil
	case intent.ProtocolICMPv6:
		return []byte{128, 0, 0, 0, 0, 1, 0, 1}, nil
	}
	return nil, nil
}

// checksum fills in lengths and checksums of a payload that is complete.
func checksum(protocol byte, payload []byte, src, dst netip.Addr) {
	at, pseudo := 0, true
	switch protocol {
	case intent.ProtocolUDP:
		binary.BigEndian.PutUint16(payload[4:], uint16(len(payload)))
		at = 6
	case intent.ProtocolTCP:
		at = 16
	case intent.ProtocolICMP:
		at, pseudo = 2, false
	case intent.ProtocolICMPv6:
		at = 2
	default:
		return
	}
	sum := uint32(0)
	if pseudo {
		sum = packet.Sum(packet.Sum(0, src.AsSlice()), dst.AsSlice()) + uint32(protocol) + uint32(len(payload))
	}
	is := packet.Fold(packet.Sum(sum, payload))
	if is == 0 {
		is = 0xffff
	}
	binary.BigEndian.PutUint16(payload[at:], is)
}
