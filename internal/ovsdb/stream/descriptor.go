package stream

import (
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// listenFD serves a socket that the process was started with and that listens already. The
// descriptor itself stays, so that the target can be opened again.
func listenFD(name string, fd int) (net.Listener, error) {
	if err := CheckFD(fd); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	unix.CloseOnExec(fd) // programs that the server starts have nothing to do with it
	f := os.NewFile(uintptr(own), name)
	defer f.Close()
	l, err := net.FileListener(f)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if ul, ok := l.(*net.UnixListener); ok {
		ul.SetUnlinkOnClose(false) // whoever made the socket removes it
		return inheritedListener{ul}, nil
	}
	return l, nil
}

// inheritedListener is a unix socket that somebody else has made.
type inheritedListener struct{ *net.UnixListener }

func (l inheritedListener) Accept() (net.Conn, error) { return accept(l.UnixListener) }

// CheckFD says why a descriptor cannot be served.
func CheckFD(fd int) error {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	listens := 0
	if err == nil {
		listens, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN)
	}
	if err == nil && (kind != unix.SOCK_STREAM || listens == 0) {
		err = errNotListening
	}
	return err
}

var errNotListening = errors.New("the descriptor is not a stream socket that listens")
