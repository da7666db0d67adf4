package bench

import (
	"net"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testnet"
)

// host sends frames from h1 of a lab, as whatever host.
type host struct {
	b   *testing.B
	tap *testnet.Tap
}

func newHost(b *testing.B, l *lab.Lab) *host {
	b.Helper()
	return &host{b, testnet.Open(b, l.Namespace(lab.H1), "eth0")}
}

// send sends a frame from MAC i to one that nobody has.
func (h *host) send(i int) {
	frame := []byte{0x02, 0xff, 0xff, 0xff, 0xff, 0xff}
	src, err := net.ParseMAC(mac(i))
	if err != nil {
		h.b.Fatal(err)
	}
	frame = append(append(frame, src...), 0x88, 0xb5) // an EtherType for experiments
	h.tap.Send(append(frame, make([]byte, 46)...))
}
