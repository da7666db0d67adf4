package agent

import (
	"cmp"
	"fmt"
	"iter"
	"log/slog"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/trim"
)

// seen is the states of ports and tunnels as they were told last. Of those that there are, only
// the ones that are not up are kept, so that a Report costs no more than what is wrong in it.
//
// A port or tunnel is "absent" (no row asks for it), "up", "down", or, a port, "refused".
type seen struct {
	log     *slog.Logger
	ports   map[string]condition     // that are not up
	tunnels map[netip.Addr]condition // likewise
	all     error                    // why no tunnel works; nil: they do
	links   map[string]bool          // devices whose link is down, as events have told

	sessions map[netip.Addr]session // of BFD, that there are
}

// session is how a session of BFD has done.
type session struct {
	forwarding bool
	flaps      uint64 // how often it stopped forwarding
}

// condition is the state of something that is not up, and why.
type condition struct{ state, why string }

const (
	stateAbsent  = "absent"
	stateUp      = "up"
	stateDown    = "down"
	stateRefused = "refused"
)

// stateLines bounds what one change may log of one kind of things.
const stateLines = 1000

func newSeen(log *slog.Logger) seen {
	return seen{log: log.With("module", "state"), ports: map[string]condition{}, tunnels: map[netip.Addr]condition{},
		links: map[string]bool{}, sessions: map[netip.Addr]session{}}
}

func (s *seen) port(name string) (state, why string) {
	if c, ok := s.ports[name]; ok {
		return c.state, c.why
	}
	return stateUp, ""
}

func (s *seen) tunnel(peer netip.Addr) (state, why string) {
	switch c, ok := s.tunnels[peer]; {
	case s.all != nil:
		return stateDown, s.all.Error()
	case ok:
		return c.state, c.why
	}
	return stateUp, ""
}

// observe takes a Report, and what there is now, and tells what is in another state than before.
func (s *seen) observe(r *plane.Report, now *tally) {
	ports, tunnels := s.conditions(r, now)
	tell(s.log, "port", view[string]{s.ports, nil}, view[string]{ports, nil}, thereOf[string]{func(name string) bool { _, has := now.ports[name]; return has }, maps.Keys(now.ports)}, now.movedPorts, cmp.Compare[string])
	tell(s.log, "tunnel", view[netip.Addr]{s.tunnels, s.all}, view[netip.Addr]{tunnels, r.Tunnels}, thereOf[netip.Addr]{now.peers.Has, now.peers.Keys()}, now.movedPeers, netip.Addr.Compare)
	trim.Empty(&now.movedPorts)
	trim.Empty(&now.movedPeers)
	s.ports, s.tunnels, s.all = ports, tunnels, r.Tunnels
	for peer := range s.sessions {
		if _, still := r.BFD[peer]; !still {
			delete(s.sessions, peer)
		}
	}
	for peer, b := range r.BFD {
		of := s.sessions[peer]
		if of.forwarding && !b.Forwarding {
			of.flaps++
		}
		of.forwarding = b.Forwarding
		s.sessions[peer] = of
	}
}

// conditions says what is not up by a Report.
func (s *seen) conditions(r *plane.Report, now *tally) (map[string]condition, map[netip.Addr]condition) {
	ports, tunnels := map[string]condition{}, map[netip.Addr]condition{}
	for name, down := range s.links {
		if _, there := now.ports[name]; there && down {
			ports[name] = condition{stateDown, "its network device has no link"}
		}
	}
	var names map[string]string // of ports, by what problems call them; made when it is needed
	for _, p := range r.Problems {
		if p.Kind != problem.PortDown {
			continue
		}
		if names == nil {
			names = make(map[string]string, len(now.ports))
			for name := range now.ports {
				names[problem.Port(name)] = name
			}
		}
		if name, ok := names[p.Object]; ok {
			ports[name] = condition{stateDown, p.Text}
		}
	}
	for name, err := range r.Ports {
		ports[name] = condition{stateRefused, err.Error()}
	}
	for peer, b := range r.BFD {
		if !b.Forwarding {
			why := "BFD is " + b.State
			if b.Diagnostic != "" {
				why += ": " + b.Diagnostic
			}
			tunnels[peer] = condition{stateDown, why}
		}
	}
	for peer, err := range r.Peers {
		tunnels[peer] = condition{stateDown, err.Error()}
	}
	return ports, tunnels
}

// view is what is not up of one kind of things, and why none of them is, if they are down together.
type view[K comparable] struct {
	conditions map[K]condition
	all        error
}

func (v view[K]) of(k K, there bool) condition {
	c, has := v.conditions[k]
	switch {
	case !there:
		return condition{state: stateAbsent}
	case v.all != nil:
		return condition{stateDown, v.all.Error()}
	case has:
		return c
	}
	return condition{state: stateUp}
}

// thereOf is what there is of ports or tunnels.
type thereOf[K comparable] struct {
	has func(K) bool
	all iter.Seq[K]
}

// tell logs a line for each thing that is in another state than before. moved are those that came
// or went, and whether they were there before.
func tell[K comparable](log *slog.Logger, kind string, was, is view[K], there thereOf[K], moved map[K]bool, order func(a, b K) int) {
	before := func(k K) condition {
		had, ok := moved[k]
		if !ok {
			had = there.has(k)
		}
		return was.of(k, had)
	}
	after := func(k K) condition {
		return is.of(k, there.has(k))
	}
	changed := map[K]struct{}{}
	look := func(k K) {
		if before(k).state != after(k).state {
			changed[k] = struct{}{}
		}
	}
	for k := range was.conditions {
		look(k)
	}
	for k := range is.conditions {
		look(k)
	}
	for k := range moved {
		look(k)
	}
	if (was.all != nil) != (is.all != nil) {
		for k := range there.all {
			look(k)
		}
	}
	if len(changed) == 0 {
		return
	}
	for i, k := range slices.SortedFunc(maps.Keys(changed), order) {
		if i == stateLines {
			log.Info(fmt.Sprintf("and %d more: %s changed", len(changed)-i, kind))
			return
		}
		b, a := before(k), after(k)
		attrs := []any{"name", fmt.Sprint(k), "before", b.state, "after", a.state}
		if a.why != "" {
			attrs = append(attrs, "why", a.why)
		}
		log.Info(kind+" changed", attrs...)
	}
}
