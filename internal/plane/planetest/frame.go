package planetest

import (
	"bytes"
	"encoding/binary"

	"github.com/vtep/vtep/internal/intent"
)

// Payload is a kind of frame. Planes have different paths for them.
type Payload uint8

const (
	IPv4  Payload = iota // UDP over IPv4
	IPv6                 // UDP over IPv6
	Other                // neither

	arpAsks    // a request of ARP
	ndAsks     // a solicitation of Neighbor Discovery
	ndRouter   // a router's advertisement of the same
	bfdControl // of BFD between VTEPs, as Open vSwitch sends them
)

func (k Payload) String() string {
	return [...]string{"IPv4", "IPv6", "other", "ARP", "NS", "RA", "BFD"}[k]
}

// Frame describes a frame of the suite. ID tells it from others.
type Frame struct {
	Dst, Src intent.MAC
	Tags     []uint16 // VLANs, the outer one first; with a priority from bit 13 on
	Service  bool     // the outer tag is a service tag
	Payload  Payload
	TOS      uint8  // DSCP and ECN, of an IPv4 or IPv6 payload
	Packet   []byte // what it carries, from the EtherType on; nil: what Payload says
	ID       uint32
}

var marker = []byte("planetest frame ")

// Mine says whether frame is one of the suite's: it has their mark, is from their router, or asks
// one of their hosts' questions.
func Mine(frame []byte) bool {
	return bytes.Contains(frame, marker) || len(frame) >= 12 && (intent.MAC(frame[6:12]) == routerMAC || isQuestion(frame))
}

// isQuestion says whether frame is from a host of the suite, and of ARP or ICMPv6.
func isQuestion(frame []byte) bool {
	for len(frame) > 18 && (frame[12] == 0x81 && frame[13] == 0 || frame[12] == 0x88 && frame[13] == 0xa8) {
		frame = append(bytes.Clone(frame[:12]), frame[16:]...)
	}
	if [5]byte(frame[6:11]) != [5]byte{0x02} || len(frame) < 21 {
		return false
	}
	return frame[12] == 0x08 && frame[13] == 0x06 || frame[12] == 0x86 && frame[13] == 0xdd && frame[20] == 58
}

const etherOther = 0x88b5 // IEEE 802: local experimental

// Bytes returns the frame without FCS. It has no padding that a device might cut or add.
func (f Frame) Bytes() []byte {
	b := append(append([]byte{}, f.Dst[:]...), f.Src[:]...)
	for i, vid := range f.Tags {
		tpid := uint16(0x8100)
		if f.Service && i == 0 {
			tpid = 0x88a8
		}
		b = binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16(b, tpid), vid)
	}
	data := binary.BigEndian.AppendUint32(bytes.Clone(marker), f.ID)
	data = append(data, "................................"...)
	if f.Packet != nil { // the mark is padding
		return append(append(b, f.Packet...), data...)
	}
	switch f.Payload {
	case IPv4:
		return append(b, ipv4(f.TOS, data)...)
	case IPv6:
		return append(b, ipv6(f.TOS, data)...)
	case arpAsks:
		b = append(b, 0x08, 0x06, 0, 1, 0x08, 0, 6, 4, 0, 1)
		b = append(append(b, f.Src[:]...), 198, 51, 100, 1)
		return append(append(b, 0, 0, 0, 0, 0, 0, 198, 51, 100, 2), data...)
	case ndAsks:
		return append(b, icmpv6(135, data)...)
	case ndRouter:
		return append(b, icmpv6(134, data)...)
	case bfdControl:
		return append(b, bfd(data)...)
	}
	return append(binary.BigEndian.AppendUint16(b, etherOther), data...)
}

// withTags returns f as seen where it carries other tags.
func (f Frame) withTags(vids ...uint16) Frame {
	f.Tags, f.Service = vids, false
	return f
}

// withService returns f as seen where its outer tag is a service tag.
func (f Frame) withService(vids ...uint16) Frame {
	f.Tags, f.Service = vids, true
	return f
}

func ipv4(tos uint8, data []byte) []byte {
	b := []byte{0x08, 0x00, 0x45, tos}
	b = binary.BigEndian.AppendUint16(b, uint16(20+8+len(data)))
	b = append(b, 0, 0, 0x40, 0, 64, 17, 0, 0)
	b = append(b, 198, 51, 100, 1, 198, 51, 100, 2)
	binary.BigEndian.PutUint16(b[12:], ^fold(sum(0, b[2:])))
	return append(b, udp(sum(0, b[14:22]), data)...)
}

func bfd(data []byte) []byte {
	b := ipv4(0, data)
	copy(b[14:], []byte{169, 254, 1, 0, 169, 254, 1, 1})
	binary.BigEndian.PutUint16(b[12:], 0)
	binary.BigEndian.PutUint16(b[12:], ^fold(sum(0, b[2:22])))
	return append(b[:22], udpTo(3784, sum(0, b[14:22]), data)...)
}

// icmpv6 returns a packet of one link, as those of Neighbor Discovery are, with what is no option of
// theirs.
func icmpv6(kind uint8, data []byte) []byte {
	b := ipv6(0, data)[:2+40]
	b[2+6], b[2+7] = 58, 255
	message := append([]byte{kind, 0, 0, 0, 0, 0, 0, 0}, data...)
	binary.BigEndian.PutUint16(b[2+4:], uint16(len(message)))
	binary.BigEndian.PutUint16(message[2:], ^fold(sum(sum(58+uint32(len(message)), b[2+8:]), message)))
	return append(b, message...)
}

func ipv6(tos uint8, data []byte) []byte {
	b := []byte{0x86, 0xdd, 0x60 | tos>>4, tos << 4, 0, 0}
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(b, 17, 64)
	for host := range byte(2) {
		b = append(b, 0x20, 0x01, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, host+1)
	}
	return append(b, udp(sum(0, b[10:42]), data)...)
}

func udp(addresses uint32, data []byte) []byte { return udpTo(9, addresses, data) } // 9 discards

// udpTo returns a datagram to a port; addresses is the sum of those of its pseudo header.
func udpTo(port uint16, addresses uint32, data []byte) []byte {
	length := uint16(8 + len(data))
	var b []byte
	for _, v := range []uint16{49152, port, length, 0} {
		b = binary.BigEndian.AppendUint16(b, v)
	}
	b = append(b, data...)
	c := ^fold(sum(addresses+17+uint32(length), b))
	if c == 0 {
		c = 0xffff
	}
	binary.BigEndian.PutUint16(b[6:], c)
	return b
}

func sum(s uint32, b []byte) uint32 {
	for i := 0; i+1 < len(b); i += 2 {
		s += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	if len(b)%2 == 1 {
		s += uint32(b[len(b)-1]) << 8
	}
	return s
}

func fold(s uint32) uint16 {
	for s > 0xffff {
		s = s>>16 + s&0xffff
	}
	return uint16(s)
}
