package planetest

import (
	"encoding/binary"
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// packet is a UDP packet of the suite between two addresses, in a frame. What is made of it is known
// again by its ID.
type packet struct {
	dst, src intent.MAC
	tags     []uint16
	from, to netip.Addr
	ttl      uint8
	id       uint32

	fragment uint16 // IPv4: flags and offset
	options  []byte // IPv4: of a length that 4 divides
}

// hop is the packet as a router hands it on.
func (p packet) hop(dst intent.MAC, tags ...uint16) packet {
	p.dst, p.src, p.tags = dst, routerMAC, tags
	p.ttl--
	return p
}

func ethernet(dst, src intent.MAC, tags []uint16, etherType uint16) []byte {
	b := append(append([]byte{}, dst[:]...), src[:]...)
	for _, vid := range tags {
		b = binary.BigEndian.AppendUint16(append(b, 0x81, 0), vid)
	}
	return binary.BigEndian.AppendUint16(b, etherType)
}

// Bytes returns the frame.
func (p packet) Bytes() []byte {
	data := binary.BigEndian.AppendUint32(append([]byte{}, marker...), p.id)
	data = append(data, "................................................"...)
	if p.from.Is4() {
		datagram := udp(sum(sum(0, p.from.AsSlice()), p.to.AsSlice()), data)
		return append(ethernet(p.dst, p.src, p.tags, 0x0800), p.header4(17, datagram)...)
	}
	datagram := udp(sum(sum(0, p.from.AsSlice()), p.to.AsSlice()), data)
	return append(ethernet(p.dst, p.src, p.tags, 0x86dd), p.header6(17, datagram)...)
}

func (p packet) header4(proto byte, data []byte) []byte {
	length := 20 + len(p.options)
	b := []byte{0x40 | byte(length/4), 0, 0, 0, 0x12, 0x34, byte(p.fragment >> 8), byte(p.fragment), p.ttl, proto, 0, 0}
	binary.BigEndian.PutUint16(b[2:], uint16(length+len(data)))
	b = append(append(append(b, p.from.AsSlice()...), p.to.AsSlice()...), p.options...)
	binary.BigEndian.PutUint16(b[10:], ^fold(sum(0, b)))
	return append(b, data...)
}

func (p packet) header6(next byte, data []byte) []byte {
	b := binary.BigEndian.AppendUint16([]byte{0x60, 0, 0, 0}, uint16(len(data)))
	b = append(b, next, p.ttl)
	return append(append(append(b, p.from.AsSlice()...), p.to.AsSlice()...), data...)
}

// extended makes the frame of p, of IPv6, one with n extension headers (destination options) before some data of a protocol.
func (p packet) extended(n int, proto byte) []byte {
	var data []byte
	for i := range n {
		next := byte(60)
		if i == n-1 {
			next = proto
		}
		data = append(data, next, 0, 1, 4, 0, 0, 0, 0) // padded
	}
	data = append(data, marker...)
	return append(ethernet(p.dst, p.src, p.tags, 0x86dd), p.header6(60, binary.BigEndian.AppendUint32(data, p.id))...)
}

// icmp makes the frame of p one with a message of ICMP or ICMPv6 instead. Its checksum is made.
func (p packet) icmp(message []byte) []byte {
	message = append([]byte{}, message...)
	if p.from.Is4() {
		binary.BigEndian.PutUint16(message[2:], ^fold(sum(0, message)))
		return append(ethernet(p.dst, p.src, p.tags, 0x0800), p.header4(1, message)...)
	}
	pseudo := sum(sum(uint32(len(message))+58, p.from.AsSlice()), p.to.AsSlice())
	binary.BigEndian.PutUint16(message[2:], ^fold(sum(pseudo, message)))
	return append(ethernet(p.dst, p.src, p.tags, 0x86dd), p.header6(58, message)...)
}

// trouble is the message by which the router tells, from its address ip, of the packet p that came from a port.
func (p packet) trouble(ip netip.Addr, kind4, code4, kind6, code6 byte) []byte {
	answer := packet{dst: p.src, src: routerMAC, tags: p.tags, from: ip, to: p.from, ttl: 64}
	quoted := p
	quoted.tags = nil
	packet := quoted.Bytes()[14:]
	if ip.Is4() {
		frame := answer.icmp(append([]byte{kind4, code4, 0, 0, 0, 0, 0, 0}, packet[:28]...))
		header := frame[len(frame)-36-20 : len(frame)-36]
		header[1] = 0xc0 // internetwork control
		copy(header[4:], []byte{0, 0, 0, 0, 64, 1, 0, 0})
		binary.BigEndian.PutUint16(header[10:], ^fold(sum(0, header)))
		return frame
	}
	return answer.icmp(append([]byte{kind6, code6, 0, 0, 0, 0, 0, 0}, packet[:min(len(packet), 112)]...))
}

// question asks, from a host, who has an address; to is the MAC that it is sent to.
type question struct {
	to, src  intent.MAC
	tags     []uint16
	from, ip netip.Addr
}

// ask asks all.
func ask(src intent.MAC, from, ip netip.Addr, tags ...uint16) question {
	q := question{to: broadcastMAC, src: src, tags: tags, from: from, ip: ip}
	if ip.Is6() {
		b := ip.As16()
		q.to = intent.MAC{0x33, 0x33, 0xff, b[13], b[14], b[15]}
	}
	return q
}

// Bytes is its frame.
func (q question) Bytes() []byte {
	if q.ip.Is4() {
		return arp(q.to, q.src, q.tags, 1, q.src, q.from, intent.MAC{}, q.ip)
	}
	body := append([]byte{135, 0, 0, 0, 0, 0, 0, 0}, q.ip.AsSlice()...)
	if !q.from.IsUnspecified() {
		body = append(append(body, 1, 1), q.src[:]...)
	}
	b := q.ip.As16()
	group := netip.AddrFrom16([16]byte{0: 0xff, 1: 2, 11: 1, 12: 0xff, 13: b[13], 14: b[14], 15: b[15]})
	return packet{dst: q.to, src: q.src, tags: q.tags, from: q.from, to: group, ttl: 255}.icmp(body)
}

// answer is what the router says to it.
func (q question) answer() []byte {
	if q.ip.Is4() {
		return arp(q.src, routerMAC, q.tags, 2, routerMAC, q.ip, q.src, q.from)
	}
	p := packet{dst: q.src, src: routerMAC, tags: q.tags, from: q.ip, to: q.from, ttl: 255}
	flags := byte(0xe0)
	if q.from.IsUnspecified() {
		p.dst, p.to, flags = intent.MAC{0x33, 0x33, 5: 1}, netip.MustParseAddr("ff02::1"), 0xa0
	}
	body := append([]byte{136, 0, 0, 0, flags, 0, 0, 0}, q.ip.AsSlice()...)
	return p.icmp(append(append(body, 2, 1), routerMAC[:]...))
}

func arp(dst, src intent.MAC, tags []uint16, op byte, sender intent.MAC, senderIP netip.Addr, target intent.MAC, targetIP netip.Addr) []byte {
	b := append(ethernet(dst, src, tags, 0x0806), 0, 1, 8, 0, 6, 4, 0, op)
	b = append(append(b, sender[:]...), senderIP.AsSlice()...)
	return append(append(b, target[:]...), targetIP.AsSlice()...)
}
