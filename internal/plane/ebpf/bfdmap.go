package ebpf

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

func micros(d time.Duration) uint32 { return uint32(min(d.Microseconds(), 1<<32-1)) }

func ofMicros(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }

// savedOf is the element of bfd_sessions for a session.
func savedOf(at *bfdPeer, s *bfd.Session) layout.BFDSession {
	v, c := s.Save(), &at.cfg
	var flags uint32
	for _, f := range [...]struct {
		set bool
		bit uint32
	}{{v.State == bfd.Up, layout.BFDIsUp}, {c.CheckKey, layout.BFDVNI0}, {c.ForwardingIfRx, layout.BFDForwardingIfRx}, {c.CPathDown, layout.BFDPathDown}, {c.AnswerVNI, layout.BFDAnswerVNI}} {
		if f.set {
			flags |= f.bit
		}
	}
	e := layout.BFDSession{
		My: v.My, Flags: flags, LocalIP: layout.IPv4Number(c.Local.IP), LocalMAC: c.Local.MAC, State: uint8(v.State), Diag: uint8(v.Diag),
		RemoteIP: layout.IPv4Number(c.Remote.IP), RemoteMAC: c.Remote.MAC, PeerMult: v.Peer.Mult,
		MinRx: c.MinRx, MinTx: c.MinTx, DecayMinRx: c.DecayMinRx,
		Peer: v.Peer.Discriminator, PeerState: uint8(v.Peer.State), PeerDiag: uint8(v.Peer.Diag),
		PeerMinTx: micros(v.Peer.MinTx), PeerMinRx: micros(v.Peer.MinRx), Tx: micros(v.Tx), Rx: micros(v.Rx), VNI: at.vni,
	}
	if v.Peer.Demand {
		e.PeerDemand = 1
	}
	return e
}

// sessionIn is the opposite of savedOf.
func sessionIn(e *layout.BFDSession) (intent.BFD, bfd.Saved) {
	return intent.BFD{
			MinRx: e.MinRx, MinTx: e.MinTx, DecayMinRx: e.DecayMinRx, ForwardingIfRx: e.Flags&layout.BFDForwardingIfRx != 0,
			CPathDown: e.Flags&layout.BFDPathDown != 0, CheckKey: e.Flags&layout.BFDVNI0 != 0, AnswerVNI: e.Flags&layout.BFDAnswerVNI != 0,
			Local: intent.BFDEnd{MAC: e.LocalMAC, IP: layout.IPv4Of(e.LocalIP)}, Remote: intent.BFDEnd{MAC: e.RemoteMAC, IP: layout.IPv4Of(e.RemoteIP)},
		}, bfd.Saved{
			My: e.My, State: bfd.State(e.State), Diag: bfd.Diag(e.Diag), Tx: ofMicros(e.Tx), Rx: ofMicros(e.Rx),
			Peer: bfd.Peer{
				Discriminator: e.Peer, State: bfd.State(e.PeerState), Diag: bfd.Diag(e.PeerDiag),
				MinTx: ofMicros(e.PeerMinTx), MinRx: ofMicros(e.PeerMinRx), Mult: e.PeerMult, Demand: e.PeerDemand != 0,
			},
		}
}

// restore takes over the sessions of an earlier process. What came meanwhile is in bfd_heard, and
// what was news still in the ring. A session whose number is no peer's any more ends.
func (w *watchman) restore(peers *ebpf.Map) error {
	now := monotonic()
	all := map[uint32]layout.BFDSession{}
	if err := kernel.Scan(w.sessions, func(n uint32, e layout.BFDSession) { all[n] = e }); err != nil {
		return fmt.Errorf("read map bfd_sessions: %w", err)
	}
	for n, e := range all {
		var p layout.Peer
		if err := peers.Lookup(n, &p); err != nil && !isMissing(err) {
			return fmt.Errorf("read map peers: %w", err)
		}
		peer := p.IP.Addr()
		if _, twice := w.peers[peer]; twice || !peer.IsValid() {
			w.erase(peer, n)
			continue
		}
		var h layout.BFDTraffic
		if err := w.heard.Lookup(n, &h); err != nil && !isMissing(err) {
			return fmt.Errorf("read map bfd_heard: %w", err)
		}
		cfg, saved := sessionIn(&e)
		s := bfd.Restore(now, configOf(cfg), saved, max(time.Duration(h.At), w.formerAt(peer)), w.rand)
		s.Hear(trafficOf(&h))
		w.mine[saved.My] = struct{}{}
		w.peers[peer], w.byNumber[n] = &bfdPeer{cfg: cfg, number: n, vni: e.VNI, saved: e}, peer
		w.set.Add(peer, s)
		w.done(now, peer)
	}
	w.tell()
	return nil
}

// hear tells a session what the programs know of its peer.
func (w *watchman) hear(peer netip.Addr, s *bfd.Session) {
	var h layout.BFDTraffic
	if err := w.heard.Lookup(w.peers[peer].number, &h); err != nil {
		return
	}
	t := trafficOf(&h)
	t.ControlAt = max(t.ControlAt, w.formerAt(peer))
	s.Hear(t)
}

// formerAt is when programs of an earlier layout, which may still be at work, have heard the peer last.
func (w *watchman) formerAt(peer netip.Addr) time.Duration {
	if w.former == nil || !peer.Is4() {
		return 0
	}
	var h layout.BFDTraffic
	if err := w.former.Lookup(layout.IPv4Number(peer), &h); err != nil {
		return 0
	}
	return time.Duration(h.At)
}

// hearFormer takes what those programs have heard last: now they are all replaced.
func (w *watchman) hearFormer() {
	if w.former == nil {
		return
	}
	w.set.All(func(peer netip.Addr, s *bfd.Session) { w.hear(peer, s) })
	w.letFormerGo()
}

func trafficOf(h *layout.BFDTraffic) bfd.Traffic {
	return bfd.Traffic{Control: h.Packets, ControlAt: time.Duration(h.At), Data: h.Data, DataAt: time.Duration(h.DataAt)}
}

// readEvent reads a struct bfd_event.
func readEvent(b []byte) (e layout.BFDEvent, p bfd.Packet, err error) {
	if _, err = binary.Decode(b, binary.NativeEndian, &e); err != nil {
		return e, p, err
	}
	// The program has kept the first 24 bytes, whatever was behind them.
	control := e.Packet
	control[3] = bfd.PacketLen
	p, err = bfd.Parse(control[:])
	return e, p, err
}

// audit says how the sessions in the map differ from those that there are to be.
func (w *watchman) audit() ([]plane.Drift, error) {
	have := map[uint32]layout.BFDSession{}
	w.work.Lock()
	defer w.work.Unlock()
	if err := kernel.Scan(w.sessions, func(n uint32, e layout.BFDSession) { have[n] = e }); err != nil {
		return nil, fmt.Errorf("read map bfd_sessions: %w", err)
	}
	var a []plane.Drift
	for peer, at := range w.peers {
		if e, ok := have[at.number]; !ok {
			a = append(a, plane.Drift{Kind: "bfd", Key: peer.String(), Want: text(at.saved)})
		} else if e != at.saved {
			a = append(a, plane.Drift{Kind: "bfd", Key: peer.String(), Want: text(at.saved), Have: text(e)})
		}
		delete(have, at.number)
	}
	for n, e := range have {
		a = append(a, plane.Drift{Kind: "bfd", Key: fmt.Sprintf("peer %d", n), Have: text(e)})
	}
	return a, nil
}
