package server

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/reconnect"
)

// RemoteState is how one of the targets that the server listens on, or connects to, does.
type RemoteState struct {
	Target   string `json:"target"`
	Managed  bool   `json:"managed"`   // rows of a database list it
	Listens  bool   `json:"listens"`   // peers connect to us
	Address  string `json:"address"`   // that it is bound to; "": it is not
	Local    bool   `json:"local"`     // only processes of this machine reach it
	Loopback bool   `json:"loopback"`  // likewise, by TCP
	TLS      bool   `json:"tls"`       // peers need a certificate
	ReadOnly bool   `json:"read_only"` // its sessions can change nothing

	Sessions int     `json:"sessions"`
	State    string  `json:"state"`         // "listening", "failed"; of one that is connected to: "connected", "connecting" or "waiting"
	Seconds  float64 `json:"state_seconds"` // since it was connected, or lost its connection; 0: not known
	Why      string  `json:"why"`           // it is not connected, or not served
}

// Connection is the connection with somebody over the network, which is in another state than before.
type Connection struct {
	Name          string // the target that is connected to, or the address of one who has connected
	Accepted      bool   // he has connected
	Before, After string // "absent", "disconnected", "connected"
	Why           string // it is not connected; "": it was ended in good order, or nothing is known
}

func (s *Server) tell(c Connection) {
	if s.opts.Connections != nil {
		s.opts.Connections(c)
	}
}

// RemoteStates tells how all remotes do, in the order of their targets.
func (s *Server) RemoteStates() []RemoteState {
	r := s.remotes
	all := []RemoteState{}
	wanted := r.wanted()
	for target, opts := range wanted {
		if opts.refused != "" {
			all = append(all, RemoteState{Target: target, Managed: opts.managed, State: "failed", Why: opts.refused})
			continue
		}
		rem := r.find(target)
		if rem == nil {
			r.mu.Lock()
			why := r.failures[target]
			r.mu.Unlock()
			all = append(all, RemoteState{Target: target, Managed: opts.managed, State: "failed", Why: why})
			continue
		}
		all = append(all, rem.state())
	}
	slices.SortFunc(all, func(a, b RemoteState) int { return cmp.Compare(a.Target, b.Target) })
	return all
}

func (r *remote) state() RemoteState {
	r.mu.Lock()
	st := RemoteState{Target: r.target, Managed: r.opts.managed, ReadOnly: r.opts.readOnly || r.srv.opts.ReadOnly, Why: r.last,
		TLS: strings.HasPrefix(r.target, "ssl:") || strings.HasPrefix(r.target, "pssl:")}
	links := make([]*link, 0, len(r.links))
	for l := range r.links {
		links = append(links, l)
	}
	r.mu.Unlock()
	if r.listener != nil {
		st.Listens, st.State, st.Sessions = true, "listening", len(links)
		st.Address, st.Local, st.Loopback = r.listener.Addr().String(), r.isLocal(), r.onLoopback()
		return st
	}
	for _, l := range links { // exactly one
		now := time.Now()
		l.mu.Lock()
		stats := l.fsm.Stats(now)
		l.mu.Unlock()
		since := stats.DisconnectedAt
		switch {
		case stats.Connected:
			st.State, st.Sessions, st.Why, since = "connected", 1, "", stats.ConnectedAt
		case stats.State == reconnect.Connecting:
			st.State = "connecting"
		default:
			st.State = "waiting"
		}
		if !since.IsZero() {
			st.Seconds = now.Sub(since).Seconds()
		}
	}
	return st
}
