// Package reconnect decides when to connect, probe and give up: the state machine that
// keeps one stream to an OVSDB peer alive, as in every program of the Open vSwitch family.
//
//	Void ──Enable──> Backoff ──Run: Connect──> Connecting ──Connected──> Active
//	                    ^                          │                      │  ^
//	                    │      failed, timed out   │         idle: Probe  │  │ Activity
//	                    ├──────────────────────────┘                      v  │
//	                    └────────────────Disconnected──────────────────  Idle
//
// A passive FSM listens instead of connecting: Backoff ──Listening──> Listening
// ──Connected──> Active.
//
// It does no I/O and reads no clock: the caller tells what happens and when, asks Run what
// to do, and waits no longer than Deadline before it asks again. An FSM belongs to one
// goroutine.
package reconnect

import (
	"errors"
	"io"
	"log/slog"
	"math"
	"time"
)

// Defaults of every FSM.
const (
	DefaultMinBackoff    = time.Second
	DefaultMaxBackoff    = 8 * time.Second
	DefaultProbeInterval = 5 * time.Second
)

// Unlimited is the number of tries that never runs out.
const Unlimited = math.MaxInt

// State is where an FSM stands.
type State uint8

// The states. Their names are what status columns show.
const (
	Void       State = iota // disabled
	Backoff                 // waiting before the next attempt
	Connecting              // an attempt is under way
	Active                  // connected, the peer shows life
	Idle                    // connected, a probe was sent and not answered yet
	Listening               // passive, waiting for a peer
)

func (s State) String() string {
	return [...]string{"VOID", "BACKOFF", "CONNECTING", "ACTIVE", "IDLE", "LISTENING"}[s]
}

func (s State) connected() bool { return s == Active || s == Idle }

// Action is what Run asks for.
type Action uint8

// The actions.
const (
	None       Action = iota
	Connect           // start an attempt, then call Connecting, Connected or ConnectFailed
	Disconnect        // drop the connection or attempt, then call Disconnected
	Probe             // send something that the peer answers
)

// FSM is the state machine of one stream.
type FSM struct {
	log *slog.Logger // constant after New

	// Configuration.
	name          string
	minBackoff    time.Duration
	maxBackoff    time.Duration
	probeInterval time.Duration // 0: never probe
	passive       bool
	quiet         bool
	maxTries      int // attempts left, or Unlimited

	state    State
	entered  time.Time // when state was entered
	backoff  time.Duration
	activity time.Time // last sign of life
	attempt  time.Time // last attempt to receive; zero: not tracked

	// For Stats.
	connectedAt    time.Time // zero: never
	disconnectedAt time.Time // zero: never
	attempted      int
	succeeded      int
	totalConnected time.Duration
	seqno          int
}

// New returns a disabled FSM with the defaults. log may be nil.
func New(name string, now time.Time, log *slog.Logger) *FSM {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &FSM{
		log:           log,
		name:          name,
		minBackoff:    DefaultMinBackoff,
		maxBackoff:    DefaultMaxBackoff,
		probeInterval: DefaultProbeInterval,
		maxTries:      Unlimited,
		entered:       now,
		activity:      now,
	}
}

// SetQuiet moves informational messages to debug level, for connections that are expected
// to be short.
func (f *FSM) SetQuiet(quiet bool) { f.quiet = quiet }

// SetMaxTries limits the attempts; when they are used up the FSM disables itself.
func (f *FSM) SetMaxTries(n int) { f.maxTries = n }

// SetBackoff sets the shortest and the longest wait between attempts, at least a second
// each; 0 means the default. An attempt may take as long as the wait before it.
func (f *FSM) SetBackoff(minimum, maximum time.Duration) {
	f.minBackoff = max(minimum, time.Second)
	f.maxBackoff = DefaultMaxBackoff
	if maximum != 0 {
		f.maxBackoff = max(maximum, time.Second)
	}
	f.maxBackoff = max(f.maxBackoff, f.minBackoff)
	if f.state == Backoff {
		f.backoff = min(f.backoff, f.maxBackoff)
	}
}

// SetProbeInterval sets after how long without a sign of life the peer is probed, and after
// how long without an answer it is given up; at least a second, 0: never.
func (f *FSM) SetProbeInterval(d time.Duration) {
	if d != 0 {
		d = max(d, time.Second)
	}
	f.probeInterval = d
}

// SetPassive makes the FSM listen (true) or connect (false).
func (f *FSM) SetPassive(passive bool, now time.Time) {
	if f.passive == passive {
		return
	}
	f.passive = passive
	if passive && f.state == Connecting ||
		!passive && f.state == Listening && f.mayRetry() {
		f.enter(Backoff, now)
		f.backoff = 0
	}
}

// Enable lets a disabled FSM make its first attempt.
func (f *FSM) Enable(now time.Time) {
	if f.state == Void && f.mayRetry() {
		f.enter(Backoff, now)
		f.backoff = 0
	}
}

// Disable stops everything until Enable.
func (f *FSM) Disable(now time.Time) {
	if f.state != Void {
		f.enter(Void, now)
	}
}

// Connecting tells that an attempt has begun.
func (f *FSM) Connecting(now time.Time) {
	if f.state == Connecting {
		return
	}
	if f.passive {
		f.info("listening...")
	} else if f.backoff < f.maxBackoff {
		f.info("connecting...")
	}
	f.enter(Connecting, now)
}

// Listening tells that a passive FSM waits for its peer.
func (f *FSM) Listening(now time.Time) {
	if f.state != Listening {
		f.info("listening...")
		f.enter(Listening, now)
	}
}

// Connected tells that there is a connection.
func (f *FSM) Connected(now time.Time) {
	if f.state.connected() {
		return
	}
	f.Connecting(now)
	f.info("connected")
	f.enter(Active, now)
	f.connectedAt = now
}

// ConnectFailed tells that an attempt failed.
func (f *FSM) ConnectFailed(now time.Time, err error) {
	f.Connecting(now)
	f.Disconnected(now, err)
}

// Activity tells that the peer showed life.
func (f *FSM) Activity(now time.Time) {
	if f.state == Idle {
		f.enter(Active, now)
	}
	f.activity = now
}

// ReceiveAttempted tells that the caller tried to receive. Once it was called, a probe
// timer only runs out if an attempt was made after its time: a caller that was held up
// elsewhere does not blame its peer. Callers that receive all the time need not call it.
func (f *FSM) ReceiveAttempted(now time.Time) { f.attempt = now }

// Disconnected tells that the connection or the attempt has ended, and backs off. err is
// the reason: nil if there is none, io.EOF if the peer closed it.
func (f *FSM) Disconnected(now time.Time, err error) {
	if f.state == Backoff || f.state == Void {
		return
	}
	f.report(err)
	if f.state.connected() {
		f.disconnectedAt = now
	}
	if !f.mayRetry() {
		f.enter(Void, now)
		return
	}
	f.increaseBackoff()
	f.enter(Backoff, now)
}

func (f *FSM) report(err error) {
	cause := err
	if errors.Is(err, io.EOF) {
		cause = nil
	}
	switch {
	case f.state.connected() && cause != nil:
		f.log.Warn(f.name + ": connection dropped (" + cause.Error() + ")")
	case f.state.connected() && err != nil:
		f.info("connection closed by peer")
	case f.state.connected():
		f.info("connection dropped")
	case f.state == Listening && cause != nil:
		f.log.Warn(f.name + ": error listening for connections (" + cause.Error() + ")")
	case f.state == Listening:
		f.info("error listening for connections")
	case f.backoff >= f.maxBackoff:
		// The same line every few seconds for ever tells nothing new.
	case cause != nil:
		f.log.Info(f.name + ": " + f.attemptName() + " attempt failed (" + cause.Error() + ")")
	default:
		f.info(f.attemptName() + " attempt timed out")
	}
}

func (f *FSM) attemptName() string {
	if f.passive {
		return "listen"
	}
	return "connection"
}

func (f *FSM) increaseBackoff() {
	lasted := f.activity.Sub(f.connectedAt)
	switch {
	case f.state.connected() && f.passive:
		f.backoff = 0
	case f.state.connected() && lasted >= f.backoff:
		f.backoff = f.minBackoff
	case f.backoff < f.minBackoff:
		f.backoff = f.minBackoff
	case f.backoff < f.maxBackoff/2:
		f.backoff *= 2
		if f.passive {
			f.info("waiting " + f.backoff.String() + " before trying to listen again")
		} else {
			f.info("waiting " + f.backoff.String() + " before reconnect")
		}
	default:
		if f.backoff < f.maxBackoff {
			what := "reconnect"
			if f.passive {
				what = "try to listen"
			}
			f.log.Info(f.name + ": continuing to " + what + " in the background but suppressing further logging")
		}
		f.backoff = f.maxBackoff
	}
}

// Run says what the caller should do at the time now.
func (f *FSM) Run(now time.Time) Action {
	at, ok := f.Deadline(now)
	if !ok || now.Before(at) {
		return None
	}
	switch f.state {
	case Backoff:
		return Connect
	case Active:
		f.enter(Idle, now)
		return Probe
	case Idle:
		f.log.Error(f.name + ": no response to inactivity probe after " +
			now.Sub(f.entered).String() + ", disconnecting")
		return Disconnect
	case Connecting:
		return Disconnect
	}
	return None
}

// Deadline is when Run has something to say next if nothing happens before; false: never.
func (f *FSM) Deadline(now time.Time) (time.Time, bool) {
	switch f.state {
	case Backoff:
		return f.entered.Add(f.backoff), true
	case Connecting:
		return f.entered.Add(max(time.Second, f.backoff)), true
	case Active:
		base := f.entered
		if f.activity.After(base) {
			base = f.activity
		}
		return f.probeDeadline(base, now)
	case Idle:
		return f.probeDeadline(f.entered, now)
	}
	return time.Time{}, false
}

func (f *FSM) probeDeadline(base, now time.Time) (time.Time, bool) {
	if f.probeInterval == 0 {
		return time.Time{}, false
	}
	at := base.Add(f.probeInterval)
	if now.Before(at) || f.attempt.IsZero() || !f.attempt.Before(at) {
		return at, true
	}
	return now.Add(time.Millisecond), true // past, but the caller has not looked yet
}

// State is where the FSM stands.
func (f *FSM) State() State { return f.state }

// Stats is what a status column wants to know.
type Stats struct {
	State             State
	Connected         bool
	ConnectedAt       time.Time // of the last connection; zero: never
	DisconnectedAt    time.Time // of the last one; zero: never
	Backoff           time.Duration
	Attempted         int
	Succeeded         int
	ConnectedDuration time.Duration // in all
	Seqno             int           // changes with every connect and disconnect
}

// Stats returns the statistics at the time now.
func (f *FSM) Stats(now time.Time) Stats {
	total := f.totalConnected
	if f.state.connected() {
		total += now.Sub(f.connectedAt)
	}
	return Stats{
		State:             f.state,
		Connected:         f.state.connected(),
		ConnectedAt:       f.connectedAt,
		DisconnectedAt:    f.disconnectedAt,
		Backoff:           f.backoff,
		Attempted:         f.attempted,
		Succeeded:         f.succeeded,
		ConnectedDuration: total,
		Seqno:             f.seqno,
	}
}

func (f *FSM) enter(s State, now time.Time) {
	if f.state == Connecting {
		f.attempted++
		if s == Active {
			f.succeeded++
		}
	}
	if f.state.connected() != s.connected() {
		if f.state.connected() {
			f.totalConnected += now.Sub(f.connectedAt)
		}
		f.seqno++
	}
	f.log.Debug(f.name + ": entering " + s.String())
	f.state = s
	f.entered = now
}

// mayRetry takes one of the tries left.
func (f *FSM) mayRetry() bool {
	if f.maxTries <= 0 {
		return false
	}
	if f.maxTries != Unlimited {
		f.maxTries--
	}
	return true
}

func (f *FSM) info(text string) {
	if f.quiet {
		f.log.Debug(f.name + ": " + text)
		return
	}
	f.log.Info(f.name + ": " + text)
}
