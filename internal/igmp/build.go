package igmp

import (
	"encoding/binary"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/packet"
)

// Asking is a query that a switch sends by itself, in the place of a router.
type Asking struct {
	Version     uint8      // of IGMP 2 or 3, of MLD 1 or 2
	Group       netip.Addr // of all groups: 0.0.0.0 or ::
	MaxResponse time.Duration
	Robustness  uint8         // up to 7; from IGMPv3 and MLDv2 on
	Interval    time.Duration // likewise; up to 127 seconds
	From        [6]byte       // source of the frame
	Querier     netip.Addr    // of MLD: in whose name it asks; the zero Addr: its own
}

// Frame returns the Ethernet frame. In IPv4 its source is 0.0.0.0, which takes no part in the
// election of a querier (RFC 4541, 2.1.1); MLD has no such, so that it is that of Querier, for whom
// nothing changes by it, or the link-local address made of From: this must not be sent to where there
// is a router.
func (a *Asking) Frame() []byte {
	if a.Group.Is4() {
		return a.igmp()
	}
	return a.mld()
}

func (a *Asking) igmp() []byte {
	dst := a.Group
	if dst.IsUnspecified() {
		dst = allHosts4
	}
	g := a.Group.As4()
	body := append([]byte{typeQuery, byte(min(a.MaxResponse/(time.Second/10), 127)), 0, 0}, g[:]...)
	if a.Version >= 3 {
		body = append(body, a.Robustness&7, a.seconds(), 0, 0)
	}
	binary.BigEndian.PutUint16(body[2:], checksum(0, body))

	d := dst.As4()
	ip := []byte{0x46, 0xc0, 0, byte(24 + len(body)), 0, 0, 0, 0, 1, protoIGMP, 0, 0, 0, 0, 0, 0}
	ip = append(append(ip, d[:]...), 148, 4, 0, 0)
	binary.BigEndian.PutUint16(ip[10:], checksum(0, ip))
	return append(append(packet.Ethernet(MAC(dst), a.From, packet.EtherIPv4), ip...), body...)
}

func (a *Asking) mld() []byte {
	dst := a.Group
	if dst.IsUnspecified() {
		dst = allHosts6
	}
	body := binary.BigEndian.AppendUint16([]byte{typeMLDQuery, 0, 0, 0}, uint16(min(a.MaxResponse/time.Millisecond, 0x7fff)))
	g := a.Group.As16()
	body = append(append(body, 0, 0), g[:]...)
	if a.Version >= 2 {
		body = append(body, a.Robustness&7, a.seconds(), 0, 0)
	}
	src := a.Querier
	if !src.IsValid() {
		src = packet.LinkLocal(a.From)
	}
	binary.BigEndian.PutUint16(body[2:], checksum(pseudoHeader(src, dst, packet.ProtoICMPv6, len(body)), body))

	s, d := src.As16(), dst.As16()
	ip := []byte{0x60, 0, 0, 0, 0, byte(8 + len(body)), protoHopByHop, 1}
	ip = append(append(ip, s[:]...), d[:]...)
	ip = append(ip, packet.ProtoICMPv6, 0, 5, 2, 0, 0, 1, 0)
	return append(append(packet.Ethernet(MAC(dst), a.From, packet.EtherIPv6), ip...), body...)
}

func (a *Asking) seconds() byte { return byte(min(a.Interval/time.Second, 127)) }
