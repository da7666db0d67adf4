package ebpf

import (
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/netip"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/bfd"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
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
	space    *host.Namespace
	queue    *queue
	sessions *ebpf.Map
	heard    *ebpf.Map
	ring     *ring
	former   *ebpf.Map // bfd_heard of an earlier layout, for its programs are still at work; nil: there is none

	mu    sync.Mutex // guards what follows
	want  map[netip.Addr]wantedBFD
	local intent.TunnelIPs
	tos   uint8 // of packets, outside
	via   host.Underlay
	anew  bool // want, local, tos or via were changed
	over  ending
	told  map[netip.Addr]plane.PeerState // is replaced, never changed
	lacks bfdLacks                       // likewise

	work     sync.Mutex // guards what follows; only run changes it
	set      bfd.Set[netip.Addr]
	peers    map[netip.Addr]*bfdPeer
	byNumber map[uint32]netip.Addr
	mine     map[uint32]struct{} // the discriminators of the sessions

	woken chan struct{} // beside the ring, for when it can't be read

	// What follows belongs to run.
	rand    *rand.Rand
	out     sender
	news    []plane.PeerChanged // the agent is to be told
	refused map[netip.Addr]error
	retry   time.Duration // when those are tried again; 0: there are none

	record   ringbuf.Record
	reopened time.Duration // when the ring last was
}

// wantedBFD is a session that there is to be.
type wantedBFD struct {
	intent.BFD
	number uint32 // of the peer
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
	cfg    intent.BFD
	number uint32
	since  time.Duration     // what came before is of somebody else who had the number
	vni    uint32            // in which we send
	saved  layout.BFDSession // as the map has it
	state  plane.PeerState
}

func newWatchman(p *Plane) (*watchman, error) {
	w := &watchman{
		log: p.log, space: p.space, queue: p.queue, sessions: p.objs.BfdSessions, heard: p.objs.BfdHeard, former: p.pins.FormerHeard,
		via: p.underlay(), local: p.hadTunnelIPs(), peers: map[netip.Addr]*bfdPeer{}, byNumber: map[uint32]netip.Addr{}, mine: map[uint32]struct{}{},
		refused: map[netip.Addr]error{}, woken: make(chan struct{}, 1), rand: rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())),
	}
	p.pins.FormerHeard = nil
	var err error
	if w.ring, err = openRing("BFD", func() (*ringbuf.Reader, error) { return ringbuf.NewReader(p.objs.BfdEvents) }); err != nil {
		w.close()
		return nil, err
	}
	if err := w.restore(p.objs.Peers); err != nil {
		w.close()
		return nil, err
	}
	return w, nil
}

// close closes what is open, after run or without it.
func (w *watchman) close() {
	if w.ring != nil {
		w.ring.close()
	}
	w.letFormerGo()
}

func (w *watchman) letFormerGo() {
	if w.former != nil {
		w.former.Close()
		w.former = nil
	}
}

// configure says which sessions there are to be, of peers that have numbers.
func (w *watchman) configure(want map[netip.Addr]wantedBFD, local intent.TunnelIPs, via host.Underlay, tos uint8) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if maps.Equal(w.want, want) && w.want != nil && w.local == local && w.via == via && w.tos == tos {
		return
	}
	w.want, w.local, w.via, w.tos, w.anew = want, local, via, tos, true
	_ = w.wake()
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
	defer w.mu.Unlock()
	w.over = max(w.over, how)
	return w.wake()
}

// wake has run look at what was said to it; mu is held.
func (w *watchman) wake() error {
	select {
	case w.woken <- struct{}{}:
	default:
	}
	return w.ring.flush()
}

// atOnce is how many packets are taken between two looks at what is due.
const atOnce = 256

func (w *watchman) run() {
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
		if anew || w.retry != 0 && w.retry <= monotonic() {
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
		if w.retry != 0 && (!some || w.retry < next) {
			next, some = w.retry, true
		}
		w.listen(next, some)
	}
}
