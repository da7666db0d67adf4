package ebpf

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// watchman runs the sessions of BFD, in a goroutine of its own:
//
//	bfd_events, bfd_heard (bpf/bfd.h) -> bfd.Session -> socket
//	                                           `-----> bfd_sessions, for the programs and the next process
//
// It begins with what an earlier process has left, before anything is known of the database, so
// that peers don't notice a restart. It waits for nobody, and only for a moment is anybody who
// waits for it: mu and work are never held while something is sent or waited for.
type watchman struct {
	log      *slog.Logger
	space    *space
	queue    *queue
	sessions *ebpf.Map
	heard    *ebpf.Map
	ring     *ringbuf.Reader

	mu     sync.Mutex // guards what follows
	want   map[netip.Addr]intent.BFD
	local  netip.Addr // tunnel IP
	tos    uint8      // of packets, outside
	via    underlay
	anew   bool // want, local, tos or via were changed
	over   ending
	told   map[netip.Addr]plane.PeerState // is replaced, never changed
	failed error                          // why nothing can be sent; nil: it can

	work  sync.Mutex // guards what follows
	set   bfd.Set[netip.Addr]
	peers map[netip.Addr]*bfdPeer
	mine  map[uint32]struct{} // the discriminators of the sessions

	// What follows belongs to run.
	rand *rand.Rand
	out  sender
	news []plane.PeerChanged // the agent is to be told
}

// ending says how a watchman is to end.
type ending uint8

const (
	goesOn ending = iota
	leaves        // the sessions are to live: another process goes on with them
	says          // that they end
)

// bfdPeer is a session beside its state machine.
type bfdPeer struct {
	cfg   intent.BFD
	vni   uint32         // in which we send
	saved vtepBfdSession // as the map has it
	state plane.PeerState
}

func newWatchman(p *Plane) (*watchman, error) {
	ring, err := ringbuf.NewReader(p.objs.BfdEvents)
	if err != nil {
		return nil, fmt.Errorf("open the ring buffer of BFD: %w", err)
	}
	w := &watchman{
		log: p.log, space: p.space, queue: p.queue, sessions: p.objs.BfdSessions, heard: p.objs.BfdHeard, ring: ring,
		via: p.underlay(), peers: map[netip.Addr]*bfdPeer{}, mine: map[uint32]struct{}{}, rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	if p.settings.TunnelIp != 0 {
		w.local = ipOf(p.settings.TunnelIp)
	}
	if err := w.restore(); err != nil {
		ring.Close()
		return nil, err
	}
	return w, nil
}

// configure says which sessions there are to be.
func (w *watchman) configure(want map[netip.Addr]intent.BFD, local netip.Addr, via underlay, tos uint8) {
	w.mu.Lock()
	same := maps.Equal(w.want, want) && w.want != nil && w.local == local && w.via == via && w.tos == tos
	if !same {
		w.want, w.local, w.via, w.tos, w.anew = maps.Clone(want), local, via, tos, true
		if w.want == nil {
			w.want = map[netip.Addr]intent.BFD{}
		}
	}
	w.mu.Unlock()
	if !same {
		_ = w.ring.Flush()
	}
}

// states gives what the sessions say. It is not to be changed.
func (w *watchman) states() map[netip.Addr]plane.PeerState {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.told
}

// end has run return.
func (w *watchman) end(how ending) error {
	w.mu.Lock()
	w.over = max(w.over, how)
	w.mu.Unlock()
	return w.ring.Flush()
}

// atOnce is how many packets are taken between two looks at what is due.
const atOnce = 256

func (w *watchman) run() {
	var rec ringbuf.Record
	for {
		w.mu.Lock()
		want, local, via, tos, anew, over := w.want, w.local, w.via, w.tos, w.anew, w.over
		w.anew = false
		w.mu.Unlock()

		w.work.Lock()
		if over != goesOn {
			if over == says {
				w.sayGoodbye()
			}
			w.work.Unlock()
			w.send()
			w.out.close()
			return
		}
		if anew {
			w.adopt(want)
			// That sessions end is told from the tunnel IP that the peers know.
			w.work.Unlock()
			w.send()
			w.work.Lock()
		}
		w.out.from(local, via, tos)
		w.runDue(monotonic())
		next, some := w.set.Next()
		w.work.Unlock()
		w.tell()
		w.send()

		w.ring.SetDeadline(time.Time{})
		if some {
			// Whole milliseconds are what the kernel waits; less would be a busy loop.
			w.ring.SetDeadline(time.Now().Add(max(next-monotonic(), 0) + time.Millisecond))
		}
		switch err := w.ring.ReadInto(&rec); {
		case err == nil:
			w.work.Lock()
			w.receive(&rec)
			for n := 1; n < atOnce && w.ring.AvailableBytes() > 0 && w.ring.ReadInto(&rec) == nil; n++ {
				w.receive(&rec)
			}
			w.work.Unlock()
		case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, ringbuf.ErrFlushed):
		default:
			w.log.Error("reading packets of BFD failed, sessions will go down", "err", err)
			return
		}
	}
}

// adopt makes the sessions those of want.
func (w *watchman) adopt(want map[netip.Addr]intent.BFD) {
	now := monotonic()
	for peer := range w.peers {
		if _, still := want[peer]; !still {
			w.drop(peer)
		}
	}
	for peer, cfg := range want {
		at := w.peers[peer]
		switch {
		case at == nil:
			at = &bfdPeer{cfg: cfg}
			w.peers[peer] = at
			w.set.Add(peer, bfd.New(now, configOf(cfg), w.discriminator(), w.rand))
			if err := w.heard.Put(ipNumber(peer), &vtepBfdTraffic{}); err != nil {
				w.log.Warn("BFD can't hear a peer", "peer", peer, "err", err)
			}
		case at.cfg == cfg:
			continue
		default:
			at.cfg = cfg
			w.set.Get(peer).Configure(now, configOf(cfg))
		}
		if !cfg.AnswerVNI || cfg.CheckKey {
			at.vni = 0
		}
		w.done(now, peer)
	}
}

// drop ends a session, and tells the peer.
func (w *watchman) drop(peer netip.Addr) {
	p := w.set.Get(peer).Farewell()
	w.out.add(peer, w.peers[peer], &p)
	w.set.Remove(peer)
	delete(w.mine, w.peers[peer].saved.My)
	delete(w.peers, peer)
	ip := ipNumber(peer)
	for _, m := range []*ebpf.Map{w.sessions, w.heard} {
		if err := m.Delete(&ip); err != nil && !isMissing(err) {
			w.log.Warn("a session of BFD can't be taken out", "peer", peer, "err", err)
		}
	}
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
	at, peer, vni, p, ok := readEvent(rec.RawSample)
	s := w.set.Get(peer)
	if !ok || s == nil || !s.Receive(at, p) {
		return
	}
	pr := w.peers[peer]
	if pr.cfg.AnswerVNI && !pr.cfg.CheckKey {
		pr.vni = vni
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
			var h vtepBfdTraffic
			if err := w.heard.Lookup(ipNumber(peer), &h); err == nil {
				s.Hear(trafficOf(&h))
			}
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
		if err := w.sessions.Put(ipNumber(peer), &saved); err != nil {
			w.log.Warn("a session of BFD can't be written", "peer", peer, "err", err)
		}
		at.saved = saved
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

// send sends what there is to send. One that fails is as one that got lost.
func (w *watchman) send() {
	err := w.out.flush(w.space)
	w.mu.Lock()
	news := (err == nil) != (w.failed == nil)
	w.failed = err
	w.mu.Unlock()
	if news && err != nil {
		w.log.Warn("packets of BFD can't be sent", "err", err)
	}
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
