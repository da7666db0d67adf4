package bfd

import "time"

// Traffic is what a dataplane knows of a peer beside the packets that were told by Receive: the
// sum of what has ever come from it, and when the last of each came. Zero: never.
type Traffic struct {
	Control   uint64 // valid control packets
	ControlAt time.Duration
	Data      uint64 // data frames
	DataAt    time.Duration
}

// traffic is how a session looks at that.
type traffic struct {
	now     Traffic
	decayed bool
	window  time.Duration // when data was last compared with control packets
	then    Traffic       // as of window
}

// leastWindow is how long a session waits for data at least.
const leastWindow = 2 * time.Second

func (t *traffic) restart(now time.Duration, decayed bool) {
	t.decayed, t.window, t.then = decayed, now, t.now
}

// WantsTraffic says whether Hear should be called before Run: at now something depends on what
// the dataplane has seen, or will before the next packet is due.
func (s *Session) WantsTraffic(now time.Duration) bool {
	at, armed := s.detectAt()
	return armed && now+s.txInterval() >= at || now >= s.trafficAt() || s.cfg.ForwardingIfRx && s.state != Up
}

// Hear takes what the dataplane knows. A control packet that it did not tell of was like the one
// before it.
func (s *Session) Hear(t Traffic) {
	if s.state == Up {
		s.heard = max(s.heard, t.ControlAt)
	}
	s.traffic.now = t
}

func (s *Session) decays() bool { return s.state == Up && s.cfg.DecayMinRx > 0 }

// decay makes the session ask for fewer packets while there is less data than control packets.
func (s *Session) decay(now time.Duration) {
	t := &s.traffic
	if !s.decays() || now < t.window+s.windowLength() {
		return
	}
	t.restart(now, t.now.Data-t.then.Data <= max(1, t.now.Control-t.then.Control))
	s.settle(now)
}

func (s *Session) windowLength() time.Duration { return max(s.cfg.DecayMinRx, leastWindow) }

// trafficAt is when the session looks at the traffic.
func (s *Session) trafficAt() time.Duration {
	at := never
	if s.decays() {
		at = s.traffic.window + s.windowLength()
	}
	if s.cfg.ForwardingIfRx && s.state != Up {
		if end := s.aliveUntil(); end > s.ran {
			at = min(at, end) // whether it begins again is looked at with every packet that is sent
		}
	}
	return at
}

// aliveUntil is how long data, and at least some control packets, count as signs of life.
func (s *Session) aliveUntil() time.Duration {
	t := s.traffic.now
	if !s.cfg.ForwardingIfRx || t.DataAt == 0 || !s.once {
		return 0
	}
	return min(t.DataAt+max(time.Duration(s.cfg.Mult)*s.rxInterval(), leastWindow), max(s.heard, t.ControlAt)+100*s.cfg.MinRx)
}

// Forwarding says whether the peer may be sent to.
func (s *Session) Forwarding(now time.Duration) bool {
	switch s.peer.Diag {
	case PathDown, ConcatenatedPathDown, ReverseConcatenatedPathDown:
		return false
	}
	return s.state == Up || now < s.aliveUntil()
}
