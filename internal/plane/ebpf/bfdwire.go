package ebpf

import (
	"encoding/binary"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
)

// A packet of BFD as the payload of a UDP packet to the peer's VXLAN port, whatever the family of
// the peer's address is:
//
//	VXLAN 8 | Ethernet 14 | IPv4 20 | UDP 8 | control packet 24
const (
	vxlanLen  = 8
	headerLen = vxlanLen + 14 + 20 + 8
	wireLen   = headerLen + bfd.PacketLen
)

const (
	bfdTOS       = 0xc0  // inside the tunnel, as Open vSwitch has it
	firstBFDPort = 49152 // RFC 5881, 4; all up to 65535 are good, but for this one: tcpdump takes it for another protocol
	bfdPorts     = 1 << 14
)

// bfdPort gives the port that packets of a session are sent from, always the same, by any number that it has.
func bfdPort(n uint32) int { return firstBFDPort + int(max(n%bfdPorts, 1)) }

// encode appends the packet in its tunnel header to b. The checksum inside is right, as that of
// the tunnel's is left out.
func encode(b []byte, local netip.Addr, at *bfdPeer, p *bfd.Packet) []byte {
	be := binary.BigEndian
	from, to := at.cfg.Local.IP.As4(), at.cfg.Remote.IP.As4()
	start := len(b)
	b = append(b, 8, 0, 0, 0)
	b = be.AppendUint32(b, at.vni<<8)
	b = append(b, at.cfg.Remote.MAC[:]...)
	ip := local.As16()
	b = append(append(b, 2, 'v'), ip[12:]...) // an address of our own, the same after every start
	b = append(b, 8, 0)
	b = append(b, 0x45, bfdTOS, 0, 20+8+bfd.PacketLen, 0, 0, 0, 0, bfd.TTL, unix.IPPROTO_UDP, 0, 0)
	b = append(append(b, from[:]...), to[:]...)
	header := b[start+vxlanLen+14:]
	be.PutUint16(header[10:], internetSum(header, 0))
	b = be.AppendUint16(b, uint16(bfdPort(p.My)))
	b = be.AppendUint16(b, bfd.Port)
	b = append(b, 0, 8+bfd.PacketLen, 0, 0)
	b = p.Append(b)
	udp := b[start+headerLen-8:]
	pseudo := uint32(unix.IPPROTO_UDP + len(udp))
	for i := 0; i < 4; i += 2 {
		pseudo += uint32(be.Uint16(from[i:])) + uint32(be.Uint16(to[i:]))
	}
	sum := internetSum(udp, pseudo)
	if sum == 0 {
		sum = 0xffff
	}
	be.PutUint16(udp[6:], sum)
	return b
}

// internetSum is the Internet checksum of b, of even length, and what was summed up before.
func internetSum(b []byte, sum uint32) uint16 {
	for ; len(b) >= 2; b = b[2:] {
		sum += uint32(binary.BigEndian.Uint16(b))
	}
	for sum > 0xffff {
		sum = sum>>16 + sum&0xffff
	}
	return ^uint16(sum)
}
