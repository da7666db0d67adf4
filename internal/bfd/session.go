// Package bfd is Bidirectional Forwarding Detection in asynchronous mode (RFC 5880): the codec of
// its control packets, the state machine of a session, and a set of sessions by when they have
// something to do.
//
// Four things make a session more than three states:
//   - slow start: while it is not Up it sends once a second at most, whatever is configured.
//   - poll:       an interval that gets worse for the peer counts only when the peer has answered
//     a poll; one that gets better counts at once.
//   - detection:  the peer is gone when for its multiplier times the negotiated interval no valid
//     packet came. What it had said is forgotten then.
//   - decay, and liveness by data: as Open vSwitch has them, beyond the RFC (traffic.go).
//
// The package does no I/O, starts no goroutine and reads no clock: callers pass now. Points in
// time are durations since some moment, the same for all calls. Nothing here may be used by two
// goroutines at once.
package bfd

import (
	"math/rand/v2"
	"time"
)

// Config is what a session obeys.
type Config struct {
	MinTx, MinRx   time.Duration // least time between packets sent, and received; at least 1 µs
	DecayMinRx     time.Duration // instead of MinRx while hardly any data comes; 0: never
	ForwardingIfRx bool          // data that comes counts as a sign of life
	PathDown       bool          // what is behind this end is down
	AdminDown      bool
	Mult           uint8 // by which the peer multiplies; at least 1
}

// slowest is the least interval of packets of a session that is not Up (RFC 5880, 6.8.3).
const slowest = time.Second

// Session is one end of a session. It is made by New or Restore.
type Session struct {
	cfg  Config
	rand *rand.Rand

	state State
	diag  Diag
	my    uint32 // discriminator
	peer  Peer   // as it said last

	tx, rx interval
	poll   bool // a poll sequence is under way
	repoll bool // the values have changed since it began: there must be another one
	final  bool // the peer has polled

	sent   Packet // the last one, without the poll and final bits
	lastTx time.Duration
	nextTx time.Duration
	heard  time.Duration // when the last valid packet came
	once   bool          // one has come at some time
	ran    time.Duration // when Run was called last

	traffic traffic
	flaps   uint64 // how often the session went down
}

// Peer is what the other end has said of itself.
type Peer struct {
	Discriminator uint32 // 0: nothing is known
	State         State
	Diag          Diag
	MinTx, MinRx  time.Duration
	Mult          uint8
	Demand        bool
}

// nobody is a peer from which nothing was heard.
var nobody = Peer{State: Down, MinRx: time.Microsecond}

// interval is one of the two that are negotiated.
type interval struct {
	told  time.Duration // the peer is told of
	force time.Duration // counts
}

// New returns a session that is Down. my is its discriminator, which no other session of this
// system has, and not zero.
func New(now time.Duration, cfg Config, my uint32, r *rand.Rand) *Session {
	s := &Session{rand: r, state: Down, my: my, peer: nobody, lastTx: now, nextTx: now}
	s.Configure(now, cfg)
	return s
}

// Configure changes what the session obeys.
func (s *Session) Configure(now time.Duration, cfg Config) {
	if cfg.MinRx != s.cfg.MinRx || cfg.DecayMinRx != s.cfg.DecayMinRx {
		s.traffic.restart(now, false)
	}
	s.cfg = cfg
	switch {
	case cfg.AdminDown && s.state != AdminDown:
		s.become(now, AdminDown, AdministrativelyDown)
	case !cfg.AdminDown && s.state == AdminDown:
		s.become(now, Down, NoDiag)
	default:
		s.settle(now)
	}
}

// become changes the state.
func (s *Session) become(now time.Duration, state State, diag Diag) {
	if s.state == Up {
		s.flaps++
	}
	s.state, s.diag = state, diag
	s.traffic.restart(now, false)
	s.settle(now)
}

// settle makes the intervals follow the state and the configuration (RFC 5880, 6.8.3). Only while
// the session is Up there are polls: otherwise every packet brings the values, and they count at
// once.
func (s *Session) settle(now time.Duration) {
	tx, rx := s.cfg.MinTx, s.cfg.MinRx
	if s.traffic.decayed {
		rx = s.cfg.DecayMinRx
	}
	if s.state != Up {
		tx = max(tx, slowest)
	}
	before := s.txInterval()
	switch {
	case s.state != Up:
		s.tx, s.rx = interval{tx, tx}, interval{rx, rx}
		s.poll, s.repoll = false, false
	case tx != s.tx.told || rx != s.rx.told:
		s.tx = interval{tx, min(s.tx.force, tx)}
		s.rx = interval{rx, max(s.rx.force, rx)}
		s.poll, s.repoll = true, s.poll
	}
	s.reschedule(before)
}

// polled ends a poll sequence.
func (s *Session) polled() {
	if s.repoll {
		s.repoll = false
		return
	}
	before := s.txInterval()
	s.poll, s.tx.force, s.rx.force = false, s.tx.told, s.rx.told
	s.reschedule(before)
}

// txInterval is the negotiated interval of our packets, before jitter (RFC 5880, 6.8.2).
func (s *Session) txInterval() time.Duration { return max(s.tx.force, s.peer.MinRx) }

// rxInterval is that of the peer's.
func (s *Session) rxInterval() time.Duration { return max(s.rx.force, s.peer.MinTx) }

// detectAt is when the peer is gone unless it is heard (RFC 5880, 6.8.4); never, if nothing is
// known of it.
func (s *Session) detectAt() (at time.Duration, armed bool) {
	if s.peer.Discriminator == 0 || s.state == AdminDown {
		return 0, false
	}
	return s.heard + time.Duration(s.peer.Mult)*s.rxInterval(), true
}

// Receive takes a packet that came at the time at and that Parse has let through. It returns false
// for one that is not of this session. Packets are given in the order in which they came.
func (s *Session) Receive(at time.Duration, p Packet) bool {
	if p.Your != 0 && p.Your != s.my || s.state == AdminDown {
		return false
	}
	before := s.txInterval()
	s.peer = Peer{p.My, p.State, p.Diag, p.MinTx, p.MinRx, p.Mult, p.Demand}
	s.heard, s.once = max(s.heard, at), true
	s.reschedule(before)
	if p.Final && s.poll {
		s.polled()
	}
	switch {
	case s.state == Up && p.State <= Down, s.state == Init && p.State == AdminDown:
		s.become(at, Down, NeighborDown)
	case s.state == Down && p.State == Down:
		s.become(at, Init, s.diag)
	case s.state == Down && p.State == Init, s.state == Init && p.State >= Init:
		s.become(at, Up, NoDiag)
	}
	if p.Poll {
		s.final = true
	}
	return true
}

// Run does what is due at now: it declares the peer gone, and looks whether data comes. Whoever has
// not told of packets that came before now must do so first.
func (s *Session) Run(now time.Duration) {
	if at, armed := s.detectAt(); armed && now >= at {
		before := s.txInterval()
		s.peer = nobody
		s.reschedule(before)
		if s.state != Down {
			s.become(now, Down, TimeExpired)
		}
	}
	s.decay(now)
	s.ran = now
}

// Transmit returns the packet that is to be sent now, if there is one. It is to be asked again
// until there is none.
func (s *Session) Transmit(now time.Duration) (Packet, bool) {
	p := s.packet()
	differs := p != s.sent
	switch {
	case s.final:
		p.Final = true
	case differs, now >= s.nextTx-s.slack() && s.periodic():
		p.Poll = s.poll
	default:
		return Packet{}, false
	}
	if !p.Final || differs {
		s.lastTx = now
		s.nextTx = now + s.jitter(s.txInterval())
	}
	s.final = false
	s.sent = p
	s.sent.Poll, s.sent.Final = false, false
	return p, true
}

// Farewell returns a packet that says that the session is administratively down, for one that ends
// on purpose.
func (s *Session) Farewell() Packet {
	p := s.packet()
	p.State, p.Diag = AdminDown, AdministrativelyDown
	return p
}

func (s *Session) packet() Packet {
	p := Packet{Diag: s.diag, State: s.state, Mult: s.cfg.Mult, My: s.my, Your: s.peer.Discriminator, MinTx: s.tx.told, MinRx: s.rx.told}
	if p.Diag == NoDiag && s.cfg.PathDown {
		p.Diag = ConcatenatedPathDown
	}
	return p
}

// periodic says whether there are packets without an occasion (RFC 5880, 6.8.7).
func (s *Session) periodic() bool {
	return s.peer.MinRx > 0 && (s.poll || !s.peer.Demand || s.state != Up || s.peer.State != Up)
}

// reschedule moves the next packet if the interval is another one than it was before.
func (s *Session) reschedule(before time.Duration) {
	if i := s.txInterval(); i != before {
		s.nextTx = s.lastTx + s.jitter(i)
	}
}

// jitter makes an interval shorter by up to a quarter, and with a multiplier of one by a tenth at
// least (RFC 5880, 6.8.7). It leaves the slack out, by which a packet may be early.
func (s *Session) jitter(i time.Duration) time.Duration {
	least, most := i-i/4+slackOf(i), i
	if s.cfg.Mult == 1 {
		most = i - i/10
	}
	return least + time.Duration(s.rand.Int64N(int64(max(most-least, 0))+1))
}

// slack is how much before its time a packet may be sent, so that many sessions share an
// awakening.
func (s *Session) slack() time.Duration { return slackOf(s.txInterval()) }

func slackOf(i time.Duration) time.Duration { return min(i/64, 5*time.Millisecond) }

// Next returns when there is something to do if nothing comes: to ask for Traffic, Run and
// Transmit. From ready on it may be done.
func (s *Session) Next() (at, ready time.Duration) {
	if s.final || s.packet() != s.sent {
		return 0, 0
	}
	at = s.trafficAt()
	if end, armed := s.detectAt(); armed {
		at = min(at, end)
	}
	ready = at
	if s.periodic() && s.nextTx <= at {
		at, ready = s.nextTx, s.nextTx-s.slack()
	}
	return at, ready
}

// never is later than any point in time.
const never = time.Duration(1<<63 - 1)
