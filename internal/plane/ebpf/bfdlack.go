package ebpf

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
	"github.com/vtep/vtep/internal/problem"
)

// bfdLacks is what sessions of BFD lack. Its maps are replaced, never changed.
type bfdLacks struct {
	sessions map[netip.Addr]error // peers that there is no session with, and why
	unsent   map[netip.Addr]error // peers that packets can't be sent to, or tunnel IPs that they can't be sent from, and why
}

func (l *bfdLacks) equal(o *bfdLacks) bool {
	same := func(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
	return maps.EqualFunc(l.sessions, o.sessions, same) && maps.EqualFunc(l.unsent, o.unsent, same)
}

// lack changes what is lacking, and has the plane report it.
func (w *watchman) lack(change func(*bfdLacks)) {
	w.mu.Lock()
	was := w.lacks
	change(&w.lacks)
	news := !w.lacks.equal(&was)
	w.mu.Unlock()
	if news {
		w.queue.add(plane.ReportChanged{})
	}
}

// noSession says why a session can't be in the maps.
func (w *watchman) noSession(err error) error {
	if errors.Is(err, unix.E2BIG) {
		return problem.Errorf(problem.NoBFD, "turn BFD off with peers where it is not needed (bfd_params:enable)",
			"no room for more than %d sessions of BFD: there is none with it", w.sessions.MaxEntries())
	}
	return problem.Errorf(problem.NoBFD, "it is tried again every minute; if memory is short give the machine more",
		"no session of BFD with it: %w", err)
}

// sessionErrors says of which peers there is no session of BFD, or none that can send, and why.
func (p *Plane) sessionErrors() map[netip.Addr]error {
	w := p.watchman
	w.mu.Lock()
	lacks := w.lacks
	w.mu.Unlock()
	all := map[netip.Addr]error{}
	for peer, err := range lacks.unsent {
		if p.contents.Peers[peer] == nil || p.unreachable[peer] != nil { // or that says it
			continue
		}
		all[peer] = problem.Errorf(problem.NoBFD, "see to the route to it, and to the tunnel IP", "packets of BFD can't be sent: %w", err)
	}
	maps.Copy(all, lacks.sessions)
	for key := range p.contents.Nameless {
		if key, ok := key.(layout.SessionWith); ok {
			all[netip.Addr(key)] = problem.Errorf(problem.NoBFD, "take away what is not needed, or spread it over several VTEPs",
				"no room for more than %d peers: there is no session of BFD with it", p.contents.PeerSlots.Max-1)
		}
	}
	return all
}

// bfdProblems says what all sessions lack.
func (p *Plane) bfdProblems() (list []problem.Problem) {
	p.watchman.mu.Lock()
	lacks := p.watchman.lacks
	p.watchman.mu.Unlock()
	if p.tunnelError() != nil {
		return list // which says why
	}
	for ip, err := range lacks.unsent {
		if p.overlay.TunnelIP == ip || p.overlay.TunnelIP6 == ip {
			list = append(list, problem.Problem{Kind: problem.NoBFD, Object: problem.PhysicalSwitch(p.opts.Name),
				Text: "packets of BFD can't be sent: " + err.Error(), Remedy: "it is tried again every second"})
		}
	}
	return list
}
