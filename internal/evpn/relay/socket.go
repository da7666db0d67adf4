package relay

import (
	"bufio"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net"
	"net/netip"
	"os"
	"strings"
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

// own says whether the other end of a connection over loopback, of IPv4, is a socket of this process: whoever else
// spoke to a neighbour through the relay would do so in our name.
func own(conn net.Conn) bool {
	inode := inodeOf(conn.RemoteAddr().(*net.TCPAddr).AddrPort(), conn.LocalAddr().(*net.TCPAddr).AddrPort())
	if inode == "" {
		return false
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if to, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}

// inodeOf finds the socket with these addresses, "" if there is none.
func inodeOf(local, remote netip.AddrPort) string {
	f, err := os.Open("/proc/thread-self/net/tcp")
	if err != nil {
		return ""
	}
	defer f.Close()
	a, b := procAddr(local), procAddr(remote)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if words := strings.Fields(lines.Text()); len(words) > 9 && words[1] == a && words[2] == b {
			return words[9]
		}
	}
	return ""
}

// procAddr is an address of IPv4 as /proc/net/tcp has it.
func procAddr(a netip.AddrPort) string {
	ip := a.Addr().Unmap().As4()
	var host [4]byte
	binary.NativeEndian.PutUint32(host[:], binary.BigEndian.Uint32(ip[:]))
	return strings.ToUpper(hex.EncodeToString(host[:])) + fmt.Sprintf(":%04X", a.Port())
}
