package bfd

import "time"

// Status is what a session says of itself.
type Status struct {
	State      State
	Diag       Diag
	Peer       Peer
	Forwarding bool

	My                     uint32
	TxInterval, RxInterval time.Duration // as negotiated
	DetectionTime          time.Duration // 0: nothing is known of the peer
	MinTx, MinRx           time.Duration // as the peer is told
	Polling, Decayed       bool
	Heard                  time.Duration // when the last valid packet came; 0: none did
	Sent                   time.Duration // when the last packet was sent
	Flaps                  uint64        // how often the session went down
}

// Status returns what there is to say at now.
func (s *Session) Status(now time.Duration) Status {
	st := Status{
		State: s.state, Diag: s.packet().Diag, Peer: s.peer, Forwarding: s.Forwarding(now),
		My: s.my, TxInterval: s.txInterval(), RxInterval: s.rxInterval(), MinTx: s.tx.told, MinRx: s.rx.told,
		Polling: s.poll, Decayed: s.traffic.decayed, Heard: s.heard, Sent: s.lastTx, Flaps: s.flaps,
	}
	if at, armed := s.detectAt(); armed {
		st.DetectionTime = at - s.heard
	}
	return st
}
