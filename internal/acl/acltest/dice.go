// Package acltest draws access control lists and frames at random, from domains so small that they
// meet.
package acltest

import (
	"cmp"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// Dice draws them.
type Dice struct {
	*rand.Rand
	Wild   bool // masks of any form
	Wide   bool // addresses of larger domains
	Strict bool // entries that ask much
	Whole  bool // frames that are not cut off, and have no tags of their own
	Valid  bool // and are packets that hosts take, with no more than a few extension headers
}

// One is true once in so many times.
func (d Dice) One(in int) bool { return d.IntN(in) == 0 }

// Pick draws one of these.
func Pick[T any](d Dice, of ...T) T { return of[d.IntN(len(of))] }

func (d Dice) mac() intent.MAC { return intent.MAC{2, 0, 0, 0, byte(d.IntN(2)), byte(d.IntN(4))} }

func (d Dice) etherType() uint16 {
	return Pick[uint16](d, intent.EtherTypeIPv4, intent.EtherTypeIPv4, intent.EtherTypeIPv6, 0x0806, 0x8100, 0x88cc)
}

// ip draws an address of few, which differ in few of their bits.
func (d Dice) ip(etherType uint16) netip.Addr {
	b := []byte{10, byte(d.IntN(3)), byte(d.IntN(3) * 64), byte(d.IntN(8))}
	if d.Wide {
		b[2], b[3] = byte(d.IntN(16)), byte(d.Uint32())
	}
	if etherType == intent.EtherTypeIPv6 {
		b = append([]byte{0x20, 1, 0xd, 0xb8, 0, 0, 0, byte(d.IntN(2)), 0, 0, 0, 0}, b...)
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}

func (d Dice) mask(ip netip.Addr) netip.Addr {
	b := make([]byte, ip.BitLen()/8)
	if d.Wild {
		for i := range b {
			b[i] = byte(d.Uint32())
			b[i] &= byte(d.Uint32())
		}
	} else {
		prefix, _ := ip.Prefix(Pick(d, ip.BitLen(), ip.BitLen(), ip.BitLen()-8, ip.BitLen()-d.IntN(24), 0))
		for i := range prefix.Bits() {
			b[i/8] |= 0x80 >> (i % 8)
		}
	}
	mask, _ := netip.AddrFromSlice(b)
	return mask
}

func (d Dice) protocol() uint8 { return Pick[uint8](d, 6, 6, 17, 17, 132, 1, 58, 50, 0) }

func (d Dice) port() uint16 {
	return Pick[uint16](d, 0, 22, 80, 443, 1024, 8080, 65535, uint16(d.Uint32()))
}

func (d Dice) ports() intent.PortRange {
	a, b := d.port(), d.port()
	if d.One(2) {
		b = a
	}
	return intent.PortRange{Min: min(a, b), Max: max(a, b)}
}

func (d Dice) entry() (e intent.ACLEntry) {
	binary.BigEndian.PutUint64(e.ID[:], d.Uint64())
	e.Sequence, e.Deny = int64(d.IntN(50)), d.One(2)
	ask := func(f intent.ACLFields, in int) bool {
		if d.One(in) || d.Strict && !d.One(8) {
			e.Fields |= f
			return true
		}
		return false
	}
	if ask(intent.ACLSrcMAC, 6) {
		e.SrcMAC = d.mac()
	}
	if ask(intent.ACLDstMAC, 6) {
		e.DstMAC = d.mac()
	}
	if ask(intent.ACLEtherType, 2) {
		e.EtherType = d.etherType()
	}
	if ip := e.EtherType == intent.EtherTypeIPv4 || e.EtherType == intent.EtherTypeIPv6; ip {
		if ask(intent.ACLSrcIP, 2) {
			ip := d.ip(e.EtherType)
			e.Src = intent.Mask(ip, d.mask(ip))
		}
		if ask(intent.ACLDstIP, 2) {
			ip := d.ip(e.EtherType)
			e.Dst = intent.Mask(ip, d.mask(ip))
		}
	} else if e.Fields.Has(intent.ACLEtherType) {
		return e
	}
	if ask(intent.ACLProtocol, 2) {
		e.Protocol = d.protocol()
	}
	switch e.Protocol {
	case 6, 17, 132:
		if ask(intent.ACLSrcPorts, 3) {
			e.SrcPorts = d.ports()
		}
		if ask(intent.ACLDstPorts, 2) {
			e.DstPorts = d.ports()
		}
		if e.Protocol == 6 && ask(intent.ACLTCPFlags, 4) {
			e.TCPMask = uint16(d.IntN(0x20))
			e.TCPFlags = uint16(d.Uint32()) & e.TCPMask
		}
	case 0, 1, 58:
		if ask(intent.ACLICMPType, 6) {
			e.ICMPType = uint8(d.IntN(3))
		}
		if ask(intent.ACLICMPCode, 6) {
			e.ICMPCode = uint8(d.IntN(3))
		}
	}
	return e
}

// Entries draws the entries of one direction.
func (d Dice) Entries(n int) (list []intent.ACLEntry) {
	for range n {
		list = append(list, d.entry())
	}
	slices.SortFunc(list, func(a, b intent.ACLEntry) int {
		return cmp.Or(cmp.Compare(a.Sequence, b.Sequence), a.ID.Compare(b.ID))
	})
	return list
}

// Frame draws a frame that ends with these bytes. Now and then it is cut off somewhere, a fragment,
// or not what it says.
func (d Dice) Frame(tail ...byte) []byte {
	src, dst, etherType := d.mac(), d.mac(), d.etherType()
	if d.Whole && etherType == 0x8100 {
		etherType = 0x0806
	}
	f := append(append([]byte(nil), dst[:]...), src[:]...)
	f = binary.BigEndian.AppendUint16(f, etherType)
	protocol := d.protocol()
	transport := make([]byte, 20)
	for i := range transport {
		transport[i] = byte(d.IntN(3))
	}
	binary.BigEndian.PutUint16(transport, Pick(d, d.port(), binary.BigEndian.Uint16(transport)))
	binary.BigEndian.PutUint16(transport[2:], Pick(d, d.port(), binary.BigEndian.Uint16(transport[2:])))
	transport[13] = byte(d.Uint32())
	if d.Valid {
		transport[12] |= 0x50 // the length of a header of TCP
	}
	offset := 0
	if d.One(8) && !(d.Valid && etherType == intent.EtherTypeIPv6) {
		offset = d.IntN(3)
	}
	data := len(transport) + len(tail)
	switch etherType {
	case intent.EtherTypeIPv4:
		options := d.IntN(3) * d.IntN(2)
		header := make([]byte, 20+4*options)
		header[0] = 0x40 | byte(5+options)
		if d.Whole {
			binary.BigEndian.PutUint16(header[2:], uint16(len(header)+data))
		}
		binary.BigEndian.PutUint16(header[6:], uint16(offset)|Pick[uint16](d, 0, 0x2000, 0x4000))
		header[9] = protocol
		copy(header[12:], d.ip(etherType).AsSlice())
		copy(header[16:], d.ip(etherType).AsSlice())
		f = append(append(f, header...), transport...)
	case intent.EtherTypeIPv6:
		header := make([]byte, 40)
		header[0] = 0x60
		copy(header[8:], d.ip(etherType).AsSlice())
		copy(header[24:], d.ip(etherType).AsSlice())
		next := &header[6]
		most := Pick(d, 1, 1, 1, 5)
		if d.Valid {
			most = 1
		}
		for range d.IntN(4) * d.IntN(2) * most {
			*next = Pick[byte](d, 0, 43, 44, 51, 60)
			length := 8 * (1 + d.IntN(2))
			extension := make([]byte, length)
			extension[1] = byte(length/8 - 1)
			switch *next {
			case 44:
				extension = extension[:8]
				extension[1] = 0
				binary.BigEndian.PutUint16(extension[2:], uint16(offset<<3)|uint16(d.IntN(2)))
			case 51:
				extension[1] = byte(length/4 - 2)
			}
			header = append(header, extension...)
			next = &header[len(header)-len(extension)]
		}
		*next = protocol
		if d.Whole {
			binary.BigEndian.PutUint16(header[4:], uint16(len(header)-40+data))
		}
		f = append(append(f, header...), transport...)
	default:
		f = append(f, transport...)
	}
	f = append(f, tail...)
	if !d.Whole && d.One(6) {
		f = f[:14+d.IntN(len(f)-13)]
	}
	if d.One(20) && len(f) > 14 && !d.Valid {
		f[14] = byte(d.Uint32()) // the version, the length
	}
	return f
}
