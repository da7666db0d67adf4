package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// What layout 4 had otherwise: sessions of BFD were by the IPv4 address of the peer, not by its number,
// and so were those of their packets that say something new.

// numbering gives peers their numbers. Up to layout 4 those that there was only a session with had
// none, and in layout 2, which had no sessions, those that sent only.
type numbering struct {
	numbers map[netip.Addr]uint32
	peers   map[uint32]layout.Peer
	next    uint32
}

func newNumbering() *numbering {
	return &numbering{numbers: map[netip.Addr]uint32{}, peers: map[uint32]layout.Peer{}, next: 1}
}

// readNumbering takes the numbers that there are.
func readNumbering(m *migration) (*numbering, error) {
	l := newNumbering()
	old, err := m.old("peers")
	if errors.Is(err, fs.ErrNotExist) {
		return l, nil
	}
	if err == nil {
		err = Scan(old, func(n uint32, p layout.Peer) {
			if p.IP.Addr().IsValid() {
				l.add(n, p)
			}
		})
	}
	if err != nil {
		return nil, fmt.Errorf("map peers: %w", err)
	}
	return l, nil
}

// number is 0 where there is no room for one more.
func (l *numbering) number(ip netip.Addr) uint32 {
	n, ok := l.numbers[ip]
	if !ok && l.next < layout.Most["peers"] {
		n = l.next
		l.add(n, layout.Peer{IP: layout.AddressOf(ip)})
	}
	return n
}

func (l *numbering) add(n uint32, p layout.Peer) {
	l.numbers[p.IP.Addr()], l.peers[n] = n, p
	l.next = max(l.next, n+1)
}

// sessions makes the maps of BFD. What is in the ring stays there: the programs before go on with it, and
// peers say once more what nobody has answered.
func (l *numbering) sessions(m *migration) error {
	_, err := m.fresh("bfd_events", 0)
	return errors.Join(err,
		convert(m, "bfd_sessions", func(ip uint32, s layout.BFDSession) (uint32, layout.BFDSession, bool) {
			n := l.number(layout.IPv4Of(ip))
			return n, s, n != 0
		}),
		convert(m, "bfd_heard", func(ip uint32, h layout.BFDTraffic) (uint32, layout.BFDTraffic, bool) {
			n := l.number(layout.IPv4Of(ip))
			return n, h, n != 0
		}),
	)
}

// write makes the maps of the peers.
func (l *numbering) write(m *migration) error {
	size := RoundUp(int(l.next))
	peers, err := m.fresh("peers", size)
	if err != nil {
		return err
	}
	addresses, err := m.fresh("addresses", size)
	if err != nil {
		return err
	}
	for n, p := range l.peers {
		if err := errors.Join(peers.Put(&n, &p), addresses.Update(&p.IP, &n, ebpf.UpdateAny)); err != nil {
			return err
		}
	}
	return nil
}

func fromLayout4(m *migration) error {
	l, err := readNumbering(m)
	if err != nil {
		return err
	}
	return errors.Join(l.sessions(m), l.write(m), decaps5(m))
}
