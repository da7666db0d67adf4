package ebpf

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/bfd"
)

// A session sends from the port that it had in each earlier build, which RFC 5881 wants to be the same always, but
// for one that tcpdump takes for another protocol.
func TestBFDPort(t *testing.T) {
	for _, c := range []struct {
		my   uint32
		port uint16
	}{{1, 49153}, {5, 49157}, {1<<14 - 1, 65535}, {1 << 14, 49153}, {1<<14 + 1, 49153}, {1<<32 - 1, 65535}} {
		at := &bfdPeer{}
		at.cfg.Local.IP, at.cfg.Remote.IP = netip.MustParseAddr("169.254.1.0"), netip.MustParseAddr("169.254.1.1")
		b := encode(nil, netip.MustParseAddr("192.0.2.1"), at, &bfd.Packet{My: c.my})
		if got := binary.BigEndian.Uint16(b[headerLen-8:]); got != c.port {
			t.Errorf("the session with the discriminator %d sends from port %d, not %d", c.my, got, c.port)
		}
	}
}
