package relay

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

func control(c syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := c.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// setPassword has a socket sign its segments to an address (TCP MD5, RFC 2385), and want those from there signed.
func setPassword(fd int, ip netip.Addr, password string) error {
	var sig unix.TCPMD5Sig
	if len(password) > len(sig.Key) {
		return fmt.Errorf("password: more than %d bytes", len(sig.Key))
	}
	sig.Keylen = uint16(copy(sig.Key[:], password))
	if ip.Is4() {
		sig.Addr.Family = unix.AF_INET
		a := ip.As4()
		copy(sig.Addr.Data[2:], a[:])
	} else {
		sig.Addr.Family = unix.AF_INET6
		a := ip.As16()
		copy(sig.Addr.Data[6:], a[:])
	}
	if err := unix.SetsockoptTCPMD5Sig(fd, unix.IPPROTO_TCP, unix.TCP_MD5SIG, &sig); err != nil {
		return fmt.Errorf("password: TCP MD5: %w", err)
	}
	return nil
}

// hops bounds how far packets of a connection get.
func (l *link) hops(conn net.Conn) error {
	if l.Hops == 0 {
		return nil
	}
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return err
	}
	return control(raw, func(fd int) error {
		if l.Address.Is4() {
			return unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_TTL, l.Hops)
		}
		return unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, l.Hops)
	})
}

// over says whether the other end of a connection has closed it, and has nothing more to say.
func over(conn net.Conn) (is bool) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	_ = control(raw, func(fd int) error {
		n, _, err := unix.Recvfrom(fd, make([]byte, 1), unix.MSG_PEEK|unix.MSG_DONTWAIT)
		is = n == 0 && err == nil
		return nil
	})
	return is
}

// own says whether the other end of a connection over loopback, of IPv4, is a socket of this process: whoever else
// spoke to a neighbour through the relay would do so in our name. The sockets are asked themselves: what /proc/net/tcp shows
// lacks some of them while others come and go.
func own(conn net.Conn) bool {
	here, there := conn.LocalAddr().(*net.TCPAddr).AddrPort(), conn.RemoteAddr().(*net.TCPAddr).AddrPort()
	if beside(conn, here, there) {
		return true
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return false
	}
	for _, entry := range fds {
		fd, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		if joins(fd, there, here) {
			return true
		}
	}
	return false
}

// near is how far off the numbers are that beside looks at.
const near = 256

// beside says whether the other end of a connection has a number that is near to its own, as is usual since both were given at
// nearly the same time: a process of many speakers has too many sockets to ask all of them each time.
func beside(conn net.Conn, here, there netip.AddrPort) (found bool) {
	raw, err := conn.(*net.TCPConn).SyscallConn()
	if err != nil {
		return false
	}
	_ = control(raw, func(fd int) error {
		for away := 1; away <= near && !found; away++ {
			found = joins(fd-away, there, here) || joins(fd+away, there, here)
		}
		return nil
	})
	return found
}

// joins says whether what has this number is a socket with these two ends.
func joins(fd int, from, to netip.AddrPort) bool {
	if at, err := unix.Getsockname(fd); err != nil || !is(at, from) {
		return false // such as no socket at all
	}
	at, err := unix.Getpeername(fd)
	return err == nil && is(at, to)
}

// is says whether an address of a socket is this one, of IPv4.
func is(a unix.Sockaddr, want netip.AddrPort) bool {
	at, ok := a.(*unix.SockaddrInet4)
	return ok && netip.AddrPortFrom(netip.AddrFrom4(at.Addr), uint16(at.Port)) == netip.AddrPortFrom(want.Addr().Unmap(), want.Port())
}
