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
)

// Flags of a session, as enum bfd_flags; from bfdForwardingIfRx on they are the agent's own.
const (
	bfdIsUp           = 1 << 0
	bfdVNI0           = 1 << 1
	bfdForwardingIfRx = 1 << 8
	bfdPathDown       = 1 << 9
	bfdAnswerVNI      = 1 << 10
)

func micros(d time.Duration) uint32 { return uint32(min(d.Microseconds(), 1<<32-1)) }

func ofMicros(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }

// savedOf is the element of bfd_sessions for a session.
func savedOf(at *bfdPeer, s *bfd.Session) vtepBfdSession {
	v, c := s.Save(), &at.cfg
	var flags uint32
	for _, f := range [...]struct {
		set bool
		bit uint32
	}{{v.State == bfd.Up, bfdIsUp}, {c.CheckKey, bfdVNI0}, {c.ForwardingIfRx, bfdForwardingIfRx}, {c.CPathDown, bfdPathDown}, {c.AnswerVNI, bfdAnswerVNI}} {
		if f.set {
			flags |= f.bit
		}
	}
	e := vtepBfdSession{
		My: v.My, Flags: flags, LocalIp: ipNumber(c.Local.IP), LocalMac: c.Local.MAC, State: uint8(v.State), Diag: uint8(v.Diag),
		RemoteIp: ipNumber(c.Remote.IP), RemoteMac: c.Remote.MAC, PeerMult: v.Peer.Mult,
		MinRx: c.MinRx, MinTx: c.MinTx, DecayMinRx: c.DecayMinRx,
		Peer: v.Peer.Discriminator, PeerState: uint8(v.Peer.State), PeerDiag: uint8(v.Peer.Diag),
		PeerMinTx: micros(v.Peer.MinTx), PeerMinRx: micros(v.Peer.MinRx), Tx: micros(v.Tx), Rx: micros(v.Rx), Vni: at.vni,
	}
	if v.Peer.Demand {
		e.PeerDemand = 1
	}
	return e
}

// sessionIn is the opposite of savedOf.
func sessionIn(e *vtepBfdSession) (intent.BFD, bfd.Saved) {
	return intent.BFD{
			MinRx: e.MinRx, MinTx: e.MinTx, DecayMinRx: e.DecayMinRx, ForwardingIfRx: e.Flags&bfdForwardingIfRx != 0,
			CPathDown: e.Flags&bfdPathDown != 0, CheckKey: e.Flags&bfdVNI0 != 0, AnswerVNI: e.Flags&bfdAnswerVNI != 0,
			Local: intent.BFDEnd{MAC: e.LocalMac, IP: ipOf(e.LocalIp)}, Remote: intent.BFDEnd{MAC: e.RemoteMac, IP: ipOf(e.RemoteIp)},
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
	all := map[uint32]vtepBfdSession{}
	if err := scan(w.sessions, func(n uint32, e vtepBfdSession) { all[n] = e }); err != nil {
		return fmt.Errorf("read map bfd_sessions: %w", err)
	}
	for n, e := range all {
		var p vtepPeer
		if err := peers.Lookup(n, &p); err != nil && !isMissing(err) {
			return fmt.Errorf("read map peers: %w", err)
		}
		peer := p.Ip.ip()
		if _, twice := w.peers[peer]; twice || !peer.IsValid() {
			w.erase(peer, n)
			continue
		}
		var h vtepBfdTraffic
		if err := w.heard.Lookup(n, &h); err != nil && !isMissing(err) {
			return fmt.Errorf("read map bfd_heard: %w", err)
		}
		cfg, saved := sessionIn(&e)
		s := bfd.Restore(now, configOf(cfg), saved, max(time.Duration(h.At), w.formerAt(peer)), w.rand)
		s.Hear(trafficOf(&h))
		w.mine[saved.My] = struct{}{}
		w.peers[peer], w.byNumber[n] = &bfdPeer{cfg: cfg, number: n, vni: e.Vni, saved: e}, peer
		w.set.Add(peer, s)
		w.done(now, peer)
	}
	w.tell()
	return nil
}

// hear tells a session what the programs know of its peer.
func (w *watchman) hear(peer netip.Addr, s *bfd.Session) {
	var h vtepBfdTraffic
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
	var h vtepBfdTraffic
	if err := w.former.Lookup(ipNumber(peer), &h); err != nil {
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

func trafficOf(h *vtepBfdTraffic) bfd.Traffic {
	return bfd.Traffic{Control: h.Packets, ControlAt: time.Duration(h.At), Data: h.Data, DataAt: time.Duration(h.DataAt)}
}

// readEvent reads a struct bfd_event.
func readEvent(b []byte) (at time.Duration, peer, vni uint32, p bfd.Packet, ok bool) {
	if len(b) < 16+bfd.PacketLen {
		return 0, 0, 0, bfd.Packet{}, false
	}
	word := binary.NativeEndian.Uint32
	// The program has kept the first 24 bytes, whatever was behind them.
	control := [bfd.PacketLen]byte(b[16:])
	control[3] = bfd.PacketLen
	p, err := bfd.Parse(control[:])
	return time.Duration(binary.NativeEndian.Uint64(b)), word(b[8:]), word(b[12:]), p, err == nil
}

// audit says how the sessions in the map differ from those that there are to be.
func (w *watchman) audit() ([]plane.Drift, error) {
	have := map[uint32]vtepBfdSession{}
	w.work.Lock()
	defer w.work.Unlock()
	if err := scan(w.sessions, func(n uint32, e vtepBfdSession) { have[n] = e }); err != nil {
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
