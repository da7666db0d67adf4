package ebpf

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
)

// What layout 2 had otherwise: entries named peers by their IPv4 addresses.

type settings2 struct {
	TunnelIP, VxlanIfindex, Flags, NextBd uint32
	Netns, Alive                          uint64
	Home, Zero                            uint32
}

type (
	remote2 struct{ IP, Vni, Peer uint32 }
	tunnel2 struct{ IP, Vni uint32 }
	peer2   struct{ IP, Mtu, Ifindex, Gateway uint32 }
	target2 struct{ IP, Vni, ID uint32 }
	chunk2  struct{ Targets [chunkTargets]target2 }
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
	err = scan(old, func(n uint32, p peer2) {
		if p.IP == 0 {
			return
		}
		entry := vtepPeer{Ip: addressOf(ipOf(p.IP)), Ifindex: p.Ifindex, Mtu: p.Mtu}
		if p.Ifindex != 0 {
			entry.Hop = addressOf(gateway2(p.Gateway))
		}
		l.add(n, entry)
	})
	if err != nil {
		return err
	}
	err = errors.Join(
		convert(m, "remotes", func(k vtepMacKey, r remote2) (vtepMacKey, vtepRemote, bool) {
			n := l.number(ipOf(r.IP))
			return k, vtepRemote{Peer: n, Vni: r.Vni}, n != 0
		}),
		convert(m, "members", func(slot uint32, was member3) (uint32, vtepMember, bool) {
			return slot, was.fresh(), true
		}),
		convert(m, "decaps", func(k tunnel2, bd uint32) (vtepTunnelKey, vtepDecap, bool) {
			if k.IP == 0 { // any
				return vtepTunnelKey{Vni: k.Vni}, vtepDecap{Bd: bd}, true
			}
			n := l.number(ipOf(k.IP))
			return vtepTunnelKey{Peer: n, Vni: k.Vni}, vtepDecap{Bd: bd}, n != 0
		}),
		convert(m, "chunks", func(k vtepChunkKey, c chunk2) (vtepChunkKey, vtepChunk, bool) {
			var fresh vtepChunk
			for i, t := range c.Targets {
				if t.IP == 0 {
					fresh.Targets[i] = vtepTarget{Id: t.ID}
				} else if n := l.number(ipOf(t.IP)); n != 0 {
					fresh.Targets[i] = vtepTarget{Peer: n, Id: t.Vni}
				}
			}
			return k, fresh, true
		}),
		// The same, but no longer what the programs of layout 2 look at: their lists are others.
		convert(m, "floods", func(k vtepMacKey, f vtepFloodSet) (vtepMacKey, vtepFloodSet, bool) { return k, f, true }),
		convert(m, "tunnel_drops", func(at place2, n uint64) (vtepTunnelPlace, uint64, bool) {
			return vtepTunnelPlace{Reason: at.Reason, Vni: at.What, Ip: addressOf(ipOf(at.At))}, n, true
		}),
		convert(m, "config", func(k uint32, s settings2) (uint32, vtepSettings, bool) {
			return k, vtepSettings{TunnelIp: s.TunnelIP, VxlanIfindex: s.VxlanIfindex, Flags: s.Flags, NextBd: s.NextBd,
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
	return vtepAddress{Word: [4]uint32{2: addressOf(ipOf(0)).Word[2], 3: ip}}.ip()
}
