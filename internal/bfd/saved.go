package bfd

import (
	"math/rand/v2"
	"time"
)

// Saved is what a session has to know after a restart so that the peer does not notice it.
type Saved struct {
	My     uint32
	State  State
	Diag   Diag
	Peer   Peer
	Tx, Rx time.Duration // the intervals that count
}

// Save returns the session as Restore takes it. It changes only together with what the session
// says or has heard.
func (s *Session) Save() Saved {
	return Saved{s.my, s.state, s.diag, s.peer, s.tx.force, s.rx.force}
}

// Restore returns a session as it was when it was saved, of whose peer a valid packet came last at
// heard. Its next packet is due at once. If there was a poll sequence under way there is another.
func Restore(now time.Duration, cfg Config, saved Saved, heard time.Duration, r *rand.Rand) *Session {
	s := &Session{
		cfg: cfg, rand: r, my: saved.My, state: saved.State, diag: saved.Diag, peer: saved.Peer,
		tx: interval{saved.Tx, saved.Tx}, rx: interval{saved.Rx, saved.Rx},
		lastTx: now, nextTx: now, heard: heard, once: saved.Peer.Discriminator != 0,
	}
	s.traffic.restart(now, false)
	s.Configure(now, cfg)
	return s
}
