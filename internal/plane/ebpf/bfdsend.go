package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/netip"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
)

// sender collects packets, and sends them together, each from the tunnel IP of its peer's family. The
// zero sender has no tunnel IP.
type sender struct {
	sources [2]source            // of IPv4, of IPv6
	failed  map[netip.Addr]error // by peers, and by tunnel IPs from which nothing can be sent at all
	changed bool                 // failed was, since somebody looked
}

// source is one of the tunnel IPs.
type source struct {
	local  netip.Addr
	tos    uint8 // of the outer IP header
	via    host.Underlay
	fd     int // of the socket; 0: there is none
	tried  time.Time
	why    error // why there is none
	queued []outgoing
}

type outgoing struct {
	peer netip.Addr
	to   unix.RawSockaddrInet6 // or of IPv4
	size uint32                // of it
	b    [wireLen]byte
}

// from changes the tunnel IPs and the way. What is queued by then is of those before, and does not stay. Another TOS
// is for what comes.
func (s *sender) from(local intent.TunnelIPs, via host.Underlay, tos uint8) {
	s.sources[0].from(local.TunnelIP, via, tos)
	s.sources[1].from(local.TunnelIP6, via, tos)
}

func (s *source) from(local netip.Addr, via host.Underlay, tos uint8) {
	if s.tos != tos {
		s.tos = tos
		if s.fd != 0 {
			s.why = s.setTOS(s.fd)
		}
	}
	if s.local != local || s.via != via {
		s.close()
		s.via = via
		s.local, s.tried, s.why, s.queued = local, time.Time{}, nil, s.queued[:0]
	}
}

func (s *source) setTOS(fd int) error {
	if s.local.Is6() {
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, int(s.tos))
	}
	return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TOS, int(s.tos))
}

func (s *sender) close() {
	for i := range s.sources {
		s.sources[i].close()
	}
}

func (s *source) close() {
	if s.fd != 0 {
		unix.Close(s.fd)
		s.fd = 0
	}
}

// add queues a packet for a peer.
func (s *sender) add(peer netip.Addr, at *bfdPeer, p *bfd.Packet) {
	if peer.Is6() {
		s.sources[1].add(peer, at, p)
	} else {
		s.sources[0].add(peer, at, p)
	}
}

func (s *source) add(peer netip.Addr, at *bfdPeer, p *bfd.Packet) {
	if !s.local.IsValid() {
		return
	}
	s.queued = append(s.queued, outgoing{peer: peer})
	o := &s.queued[len(s.queued)-1]
	port := (*[2]byte)(unsafe.Pointer(&o.to.Port)) // where that of IPv4 is
	*port = [2]byte{byte(s.via.Port >> 8), byte(s.via.Port)}
	if peer.Is6() {
		o.to.Family, o.to.Addr, o.size = unix.AF_INET6, peer.As16(), unix.SizeofSockaddrInet6
	} else {
		to := (*unix.RawSockaddrInet4)(unsafe.Pointer(&o.to))
		to.Family, to.Addr, o.size = unix.AF_INET, peer.As4(), unix.SizeofSockaddrInet4
	}
	encode(o.b[:0], s.local, at, p)
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

// flush sends what is queued. None of it stays; failed says to whom the last could not be sent.
func (s *sender) flush(in *host.Namespace) {
	for i := range s.sources {
		s.sources[i].flush(in, s.note)
	}
}

// note takes what became of a packet to a peer.
func (s *sender) note(peer netip.Addr, err error) {
	was, had := s.failed[peer]
	switch {
	case err == nil && had:
		delete(s.failed, peer)
	case err != nil && (!had || was.Error() != err.Error()):
		if s.failed == nil {
			s.failed = map[netip.Addr]error{}
		}
		s.failed[peer] = err
	default:
		return
	}
	s.changed = true
}

// forget forgets what was of peers that are no more.
func (s *sender) forget(still func(netip.Addr) bool) {
	n := len(s.failed)
	maps.DeleteFunc(s.failed, func(peer netip.Addr, _ error) bool { return !still(peer) })
	s.changed = s.changed || len(s.failed) != n
}

func (s *source) flush(in *host.Namespace, note func(netip.Addr, error)) {
	if len(s.queued) == 0 {
		return
	}
	queued := s.queued
	s.queued = s.queued[:0]
	if s.fd == 0 && time.Since(s.tried) >= tryAgain {
		s.tried = time.Now()
		s.why = in.Run(s.open)
	}
	note(s.local, s.why)
	if s.why != nil {
		s.close() // another one may do
		return
	}
	var messages [together]mmsghdr
	var data [together]unix.Iovec
	for len(queued) > 0 {
		n := min(len(queued), together)
		for i := range queued[:n] {
			o := &queued[i]
			data[i].Base = &o.b[0]
			data[i].SetLen(len(o.b))
			m := &messages[i].msg
			m.Name, m.Namelen = (*byte)(unsafe.Pointer(&o.to)), o.size
			m.Iov = &data[i]
			m.SetIovlen(1)
		}
		sent, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(s.fd), uintptr(unsafe.Pointer(&messages[0])), uintptr(n), 0, 0, 0)
		switch {
		case errno == unix.EINTR:
			continue
		case errno != 0: // of the first one
			note(queued[0].peer, fmt.Errorf("send: %w", errno))
			queued = queued[1:]
			continue
		}
		done := max(1, int(sent))
		for i := range queued[:done] {
			note(queued[i].peer, nil)
		}
		queued = queued[done:]
	}
}

// open makes the socket. Like the vxlan device it sends from a high port, with the TTL and the
// DSCP that all tunnels have, and over IPv4 without a checksum; over IPv6 with one, as who receives need not
// take packets without (RFC 6935, 5). What comes to it is for nobody.
func (s *source) open() (err error) {
	family, six := unix.AF_INET, s.local.Is6()
	options := []struct{ level, option, value int }{
		{unix.SOL_SOCKET, unix.SO_NO_CHECK, 1},
		{unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO},
		{unix.IPPROTO_IP, unix.IP_TTL, 64},
	}
	if six {
		family = unix.AF_INET6
		options = []struct{ level, option, value int }{
			{unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1},
			{unix.IPPROTO_IPV6, unix.IPV6_MTU_DISCOVER, unix.IPV6_PMTUDISC_DO},
			{unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 64},
		}
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return fmt.Errorf("open a socket: %w", err)
	}
	defer func() {
		if err != nil {
			unix.Close(fd)
		}
	}()
	for _, o := range options {
		if err := unix.SetsockoptInt(fd, o.level, o.option, o.value); err != nil {
			return fmt.Errorf("set up a socket: %w", err)
		}
	}
	if err := s.setTOS(fd); err != nil {
		return fmt.Errorf("set up a socket: %w", err)
	}
	if err := s.via.Bind(fd); err != nil {
		return err
	}
	none := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &none}); err != nil {
		return fmt.Errorf("set up a socket: %w", err)
	}
	for range 16 {
		err = unix.Bind(fd, s.sockaddr(bfdPort(rand.Uint32())))
		if !errors.Is(err, unix.EADDRINUSE) {
			break
		}
	}
	if err != nil {
		return fmt.Errorf("use tunnel IP %v: %w", s.local, err)
	}
	s.fd = fd
	return nil
}

func (s *source) sockaddr(port int) unix.Sockaddr {
	if s.local.Is6() {
		return &unix.SockaddrInet6{Addr: s.local.As16(), Port: port}
	}
	return &unix.SockaddrInet4{Addr: s.local.As4(), Port: port}
}

// send sends what there is to send. One that fails is as one that got lost.
func (w *watchman) send() {
	w.out.flush(w.space)
	w.out.forget(func(ip netip.Addr) bool {
		return w.peers[ip] != nil || ip == w.out.sources[0].local || ip == w.out.sources[1].local
	})
	if w.out.changed {
		w.out.changed = false
		w.lack(func(l *bfdLacks) { l.unsent = maps.Clone(w.out.failed) })
	}
}
