package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// What layout 2 had otherwise: entries named peers by their IPv4 addresses.

// Settings2 is what the map config had.
type Settings2 struct {
	TunnelIP, VXLANIfindex, Flags, NextBD uint32
	Netns, Alive                          uint64
	Home, Zero                            uint32
}

type (
	Remote2 struct{ IP, VNI, Peer uint32 }
	Tunnel2 struct{ IP, VNI uint32 }
	Peer2   struct{ IP, MTU, Ifindex, Gateway uint32 }
	Target2 struct{ IP, VNI, ID uint32 }
	Chunk2  struct{ Targets [layout.ChunkTargets]Target2 }
	place2  struct{ Reason, At, What uint32 }
)

func fromLayout2(m *migration) error {
	l := newNumbering()
	old, err := m.old("peers")
	if errors.Is(err, fs.ErrNotExist) {
		return nil // it was never at work
	}
	if err != nil {
		return fmt.Errorf("map peers: %w", err)
	}
	err = Scan(old, func(n uint32, p Peer2) {
		if p.IP == 0 {
			return
		}
		entry := layout.Peer{IP: layout.AddressOf(layout.IPv4Of(p.IP)), Ifindex: p.Ifindex, MTU: p.MTU}
		if p.Ifindex != 0 {
			entry.Hop = layout.AddressOf(gateway2(p.Gateway))
		}
		l.add(n, entry)
	})
	if err != nil {
		return err
	}
	err = errors.Join(
		convert(m, "remotes", func(k layout.MACKey, r Remote2) (layout.MACKey, layout.Remote, bool) {
			n := l.number(layout.IPv4Of(r.IP))
			return k, layout.Remote{Peer: n, VNI: r.VNI}, n != 0
		}),
		convert(m, "members", func(slot uint32, was Member3) (uint32, layout.Member, bool) {
			return slot, was.fresh(), true
		}),
		convertDecaps(m, func(k Tunnel2, bd uint32) (layout.TunnelKey, Decap5, bool) {
			if k.IP == 0 { // any
				return layout.TunnelKey{VNI: k.VNI}, Decap5{BD: bd}, true
			}
			n := l.number(layout.IPv4Of(k.IP))
			return layout.TunnelKey{Peer: n, VNI: k.VNI}, Decap5{BD: bd}, n != 0
		}),
		convert(m, "chunks", func(k layout.ChunkKey, c Chunk2) (layout.ChunkKey, layout.Chunk, bool) {
			var fresh layout.Chunk
			for i, t := range c.Targets {
				if t.IP == 0 {
					fresh.Targets[i] = layout.Target{ID: t.ID}
				} else if n := l.number(layout.IPv4Of(t.IP)); n != 0 {
					fresh.Targets[i] = layout.Target{Peer: n, ID: t.VNI}
				}
			}
			return k, fresh, true
		}),
		// The same, but no longer what the programs of layout 2 look at: their lists are others.
		convert(m, "floods", func(k layout.MACKey, f layout.FloodSet) (layout.MACKey, layout.FloodSet, bool) { return k, f, true }),
		convert(m, "tunnel_drops", func(at place2, n uint64) (layout.TunnelPlace, uint64, bool) {
			return layout.TunnelPlace{Reason: at.Reason, VNI: at.What, IP: layout.AddressOf(layout.IPv4Of(at.At))}, n, true
		}),
		convert(m, "config", func(k uint32, s Settings2) (uint32, layout.Settings, bool) {
			return k, layout.Settings{TunnelIP: s.TunnelIP, VXLANIfindex: s.VXLANIfindex, Flags: s.Flags, NextBD: s.NextBD,
				Netns: s.Netns, Alive: s.Alive, Home: s.Home}, true
		}),
	)
	if err != nil {
		return err
	}
	return l.write(m)
}

// gateway2 is a next hop as an IPv4 header has it.
func gateway2(ip uint32) netip.Addr {
	return layout.Address{Word: [4]uint32{2: layout.AddressOf(layout.IPv4Of(0)).Word[2], 3: ip}}.Addr()
}
