package ebpf

import (
	"maps"
	"net/netip"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// adopt makes the sessions those of want.
func (w *watchman) adopt(want map[netip.Addr]wantedBFD) {
	now := monotonic()
	w.hearFormer()
	for peer, at := range w.peers {
		if wanted, still := want[peer]; !still || wanted.number != at.number {
			w.drop(peer)
		}
	}
	clear(w.refused)
	w.retry = 0
	for peer, wanted := range want {
		at := w.peers[peer]
		switch {
		case at == nil:
			if err := w.begin(now, peer, wanted); err != nil {
				w.refused[peer] = err
				w.retry = now + bfdRetry
				continue
			}
			at = w.peers[peer]
		case at.cfg == wanted.BFD:
			continue
		default:
			at.cfg = wanted.BFD
			w.set.Get(peer).Configure(now, configOf(at.cfg))
		}
		if !at.cfg.AnswerVNI || at.cfg.CheckKey {
			at.vni = 0
		}
		w.done(now, peer)
	}
	w.lack(func(l *bfdLacks) { l.sessions = maps.Clone(w.refused) })
}

// bfdRetry is how long sessions that there is no room for wait for some.
const bfdRetry = time.Minute

// begin begins a session, or says why there can be none.
func (w *watchman) begin(now time.Duration, peer netip.Addr, wanted wantedBFD) error {
	at := &bfdPeer{cfg: wanted.BFD, number: wanted.number, since: now}
	s := bfd.New(now, configOf(at.cfg), w.discriminator(), w.rand)
	saved := savedOf(at, s)
	err := w.heard.Put(at.number, &layout.BFDTraffic{})
	if err == nil {
		err = w.sessions.Put(at.number, &saved)
	}
	if err != nil {
		delete(w.mine, saved.My)
		w.erase(peer, at.number)
		return w.noSession(err)
	}
	at.saved = saved
	w.peers[peer], w.byNumber[at.number] = at, peer
	w.set.Add(peer, s)
	return nil
}

// erase takes a session out of the maps.
func (w *watchman) erase(peer netip.Addr, number uint32) {
	for _, m := range []*ebpf.Map{w.sessions, w.heard} {
		if err := m.Delete(&number); err != nil && !isMissing(err) {
			w.log.Warn("a session of BFD can't be taken out", "peer", peer, "err", err)
		}
	}
}

// drop ends a session, and tells the peer.
func (w *watchman) drop(peer netip.Addr) {
	p := w.set.Get(peer).Farewell()
	at := w.peers[peer]
	w.out.add(peer, at, &p)
	w.set.Remove(peer)
	delete(w.mine, p.My)
	delete(w.peers, peer)
	delete(w.byNumber, at.number)
	w.erase(peer, at.number)
	w.news = append(w.news, plane.PeerChanged{Peer: peer})
}

// sayGoodbye tells all peers that the sessions end on purpose.
func (w *watchman) sayGoodbye() {
	w.set.All(func(peer netip.Addr, s *bfd.Session) {
		p := s.Farewell()
		w.out.add(peer, w.peers[peer], &p)
	})
}

// discriminator gives one that no session has.
func (w *watchman) discriminator() uint32 {
	for {
		n := w.rand.Uint32()
		if _, taken := w.mine[n]; n != 0 && !taken {
			w.mine[n] = struct{}{}
			return n
		}
	}
}

// receive takes a packet that says something new.
func (w *watchman) receive(rec *ringbuf.Record) {
	e, p, err := readEvent(rec.RawSample)
	if err != nil {
		return
	}
	at, peer := time.Duration(e.At), w.byNumber[e.Peer]
	pr, s := w.peers[peer], w.set.Get(peer)
	if s == nil || at < pr.since || !s.Receive(at, p) {
		return
	}
	if pr.cfg.AnswerVNI && !pr.cfg.CheckKey {
		pr.vni = e.VNI
	}
	w.done(at, peer)
}

// runDue does what is due.
func (w *watchman) runDue(now time.Duration) {
	for {
		peer, s, ok := w.set.Due(now)
		if !ok {
			return
		}
		if s.WantsTraffic(now) {
			w.hear(peer, s)
		}
		s.Run(now)
		// What it says has to be in the map before the peer can answer to it.
		w.done(now, peer)
		for p, more := s.Transmit(now); more; p, more = s.Transmit(now) {
			w.out.add(peer, w.peers[peer], &p)
		}
		w.set.Fix(peer)
	}
}

// done notes what a session says after something happened to it.
func (w *watchman) done(now time.Duration, peer netip.Addr) {
	at, s := w.peers[peer], w.set.Get(peer)
	saved := savedOf(at, s)
	if saved != at.saved {
		if err := w.sessions.Put(at.number, &saved); err != nil {
			w.log.Warn("a session of BFD can't be written", "peer", peer, "err", err)
		} else {
			at.saved = saved
		}
	}
	if state := stateOf(s.Status(now)); state != at.state {
		at.state = state
		w.news = append(w.news, plane.PeerChanged{Peer: peer, State: state})
	}
	w.set.Fix(peer)
}

// mostLines is how many lines of the log there are for what happens at once.
const mostLines = 20

// tell tells the agent what is news. Nobody else changes told, so that only its place is guarded.
func (w *watchman) tell() {
	if len(w.news) == 0 {
		return
	}
	told := maps.Clone(w.told)
	if told == nil {
		told = map[netip.Addr]plane.PeerState{}
	}
	lines := 0
	for _, n := range w.news {
		if was := told[n.Peer]; was.Forwarding != n.State.Forwarding || was.Diagnostic != n.State.Diagnostic {
			if lines++; lines <= mostLines {
				w.log.Info("BFD", "peer", n.Peer, "state", n.State.State, "forwarding", n.State.Forwarding, "diagnostic", n.State.Diagnostic)
			}
		}
		if delete(told, n.Peer); n.State != (plane.PeerState{}) {
			told[n.Peer] = n.State
		}
	}
	if lines > mostLines {
		w.log.Info("BFD: more changes are not logged", "count", lines-mostLines)
	}
	w.mu.Lock()
	w.told = told
	w.mu.Unlock()
	for _, n := range w.news {
		w.queue.add(n)
	}
	w.news = w.news[:0]
}

func stateOf(st bfd.Status) plane.PeerState {
	return plane.PeerState{
		Forwarding: st.Forwarding, State: st.State.String(), Diagnostic: st.Diag.String(),
		RemoteState: st.Peer.State.String(), RemoteDiagnostic: st.Peer.Diag.String(),
	}
}

// wantData says whether a session wants to know whether data comes.
func wantData(sessions map[netip.Addr]intent.BFD) bool {
	for _, b := range sessions {
		if b.ForwardingIfRx || b.DecayMinRx != 0 {
			return true
		}
	}
	return false
}

func configOf(b intent.BFD) bfd.Config {
	millis := func(n uint32) time.Duration { return time.Duration(n) * time.Millisecond }
	return bfd.Config{
		MinTx: millis(b.MinTx), MinRx: millis(b.MinRx), DecayMinRx: millis(b.DecayMinRx),
		ForwardingIfRx: b.ForwardingIfRx, PathDown: b.CPathDown, Mult: detectMult,
	}
}

// detectMult is the multiplier that peers are told. The schema has no key for it.
const detectMult = 3
