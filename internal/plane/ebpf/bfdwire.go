package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
)

// A packet of BFD as the payload of a UDP packet to the peer's VXLAN port:
//
//	VXLAN 8 | Ethernet 14 | IPv4 20 | UDP 8 | control packet 24
const (
	vxlanLen  = 8
	headerLen = vxlanLen + 14 + 20 + 8
	wireLen   = headerLen + bfd.PacketLen
)

const (
	bfdTOS       = 0xc0  // inside the tunnel, as Open vSwitch has it
	firstBFDPort = 49152 // RFC 5881, 4; all up to 65535 are good
	bfdPorts     = 1 << 14
)

// sender collects packets, and sends them together from the tunnel IP. The zero sender has no
// tunnel IP.
type sender struct {
	local  netip.Addr
	tos    uint8 // of the outer IP header
	via    underlay
	fd     int // of the socket; 0: there is none
	tried  time.Time
	why    error // why there is none
	queued []outgoing
}

type outgoing struct {
	to unix.RawSockaddrInet4
	b  [wireLen]byte
}

// from changes the tunnel IP and the way. What is queued by then is of those before, and does not stay. Another TOS
// is for what comes.
func (s *sender) from(local netip.Addr, via underlay, tos uint8) {
	if s.tos != tos {
		s.tos = tos
		if s.fd != 0 {
			s.why = unix.SetsockoptInt(s.fd, unix.IPPROTO_IP, unix.IP_TOS, int(tos))
		}
	}
	if s.local != local || s.via != via {
		s.close()
		s.via = via
		s.local, s.tried, s.queued = local, time.Time{}, s.queued[:0]
	}
}

func (s *sender) close() {
	if s.fd != 0 {
		unix.Close(s.fd)
		s.fd = 0
	}
}

// add queues a packet for a peer.
func (s *sender) add(peer netip.Addr, at *bfdPeer, p *bfd.Packet) {
	if !s.local.IsValid() {
		return
	}
	s.queued = append(s.queued, outgoing{})
	o := &s.queued[len(s.queued)-1]
	o.to.Family, o.to.Addr = unix.AF_INET, peer.As4()
	*(*[2]byte)(unsafe.Pointer(&o.to.Port)) = [2]byte{byte(s.via.port >> 8), byte(s.via.port)} // network byte order
	encode(o.b[:0], s.local, at, p)
}

// encode appends the packet in its tunnel header to b. The checksum inside is right, as that of
// the tunnel's is left out.
func encode(b []byte, local netip.Addr, at *bfdPeer, p *bfd.Packet) []byte {
	be := binary.BigEndian
	from, to := at.cfg.Local.IP.As4(), at.cfg.Remote.IP.As4()
	start := len(b)
	b = append(b, 8, 0, 0, 0)
	b = be.AppendUint32(b, at.vni<<8)
	b = append(b, at.cfg.Remote.MAC[:]...)
	ip := local.As4()
	b = append(b, 2, 'v', ip[0], ip[1], ip[2], ip[3]) // an address of our own, the same after every start
	b = append(b, 8, 0)
	b = append(b, 0x45, bfdTOS, 0, 20+8+bfd.PacketLen, 0, 0, 0, 0, bfd.TTL, unix.IPPROTO_UDP, 0, 0)
	b = append(append(b, from[:]...), to[:]...)
	header := b[start+vxlanLen+14:]
	be.PutUint16(header[10:], internetSum(header, 0))
	b = be.AppendUint16(b, firstBFDPort+uint16(p.My%bfdPorts))
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

// together is how many packets are given to the kernel at once.
const together = 64

// tryAgain is the least time between attempts to make a socket.
const tryAgain = time.Second

// mmsghdr is struct mmsghdr.
type mmsghdr struct {
	msg unix.Msghdr
	len uint32
}

// flush sends what is queued, and returns why some of it could not be. None of it stays.
func (s *sender) flush(in *space) error {
	if len(s.queued) == 0 {
		return s.why
	}
	queued := s.queued
	s.queued = s.queued[:0]
	if s.fd == 0 {
		if time.Since(s.tried) < tryAgain {
			return s.why
		}
		s.tried = time.Now()
		if s.why = in.run(s.open); s.why != nil {
			return s.why
		}
	}
	s.why = nil
	var messages [together]mmsghdr
	var data [together]unix.Iovec
	for len(queued) > 0 {
		n := min(len(queued), together)
		for i := range queued[:n] {
			o := &queued[i]
			data[i].Base = &o.b[0]
			data[i].SetLen(len(o.b))
			m := &messages[i].msg
			m.Name, m.Namelen = (*byte)(unsafe.Pointer(&o.to)), unix.SizeofSockaddrInet4
			m.Iov = &data[i]
			m.SetIovlen(1)
		}
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(n), 0, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0: // of the first one
			s.why = fmt.Errorf("send to %v: %w", netip.AddrFrom4(queued[0].to.Addr), errno)
			sent = 1
		}
		queued = queued[max(1, int(sent)):]
	}
	return s.why
}

// open makes the socket. Like the vxlan device it sends from a high port, with the TTL and the
// DSCP that all tunnels have, and without a checksum. What comes to it is for nobody.
func (s *sender) open() (err error) {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for _, o := range []struct{ level, option, value int }{
		{unix.SOL_SOCKET, unix.SO_NO_CHECK, 1},
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO},
		{unix.IPPROTO_IP, unix.IP_TTL, 64},
		{unix.IPPROTO_IP, unix.IP_TOS, int(s.tos)},
	} {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("set up a socket: %w", err)
		}
	}
	if err := s.via.bind(fd); err != nil {
		return err
	}
	none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none}); err != nil {
		return fmt.Errorf("set up a socket: %w", err)
	}
	for range 16 {
		err = unix.Bind(fd, &unix.SockaddrInet4{Addr: s.local.As4(), Port: firstBFDPort + rand.IntN(bfdPorts)})
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("send from tunnel IP %v: %w", s.local, err)
	}
	s.fd = fd
	return nil
}
