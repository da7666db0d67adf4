package bench

import (
	"net"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/lab"
)

// host sends frames from h1 of a lab, as whatever host.
type host struct {
	b  *testing.B
	fd int
}

func newHost(b *testing.B, l *lab.Lab) *host {
	b.Helper()
	h := &host{b: b}
	err := l.Namespace(lab.H1).Do(func() error {
		ifi, err := net.InterfaceByName("eth0")
		if err != nil {
			return err
		}
		if h.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0); err != nil {
			return err
		}
		return unix.Bind(h.fd, &unix.SockaddrLinklayer{Ifindex: ifi.Index})
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { unix.Close(h.fd) })
	return h
}

// send sends a frame from MAC i to one that nobody has.
func (h *host) send(i int) {
	frame := []byte{0x02, 0xff, 0xff, 0xff, 0xff, 0xff}
	src, err := net.ParseMAC(mac(i))
	if err != nil {
		h.b.Fatal(err)
	}
	frame = append(append(frame, src...), 0x88, 0xb5) // an EtherType for experiments
	if _, err := unix.Write(h.fd, append(frame, make([]byte, 46)...)); err != nil {
		h.b.Fatal(err)
	}
}
