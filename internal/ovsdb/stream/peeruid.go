package stream

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// PeerUID is the user that has made the other end of an accepted unix socket; false: it is no such socket.
func PeerUID(conn net.Conn) (uint32, bool) {
	sc, ok := conn.(syscall.Conn)
	if !ok || conn.LocalAddr().Network() != "unix" {
		return 0, false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return 0, false
	}
	var cred *unix.Ucred
	if cerr := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) }); cerr != nil || err != nil {
		return 0, false
	}
	return cred.Uid, true
}
