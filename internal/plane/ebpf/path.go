package ebpf

import (
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Some changes of the way to a peer come without an event: what a router says of the MTU of a
// path, or that the kernel has forgotten it; a route cached under a policy. So the ways of the
// peers that frames go to are looked up again once in a while. The programs note which
// these are, and send an event when there is a first one: where nothing goes, nothing is done.
// But what the kernel has learned it also forgets, in ten minutes, and the first large packet after
// that would be refused, which its sender would believe for as long: until then the way is looked
// up even if nothing goes there.

const (
	// pathFirst is how long after the first frame the way is looked up: a router may
	// have answered by then.
	pathFirst = 100 * time.Millisecond
	// pathEvery is the time between look-ups of a peer in use.
	pathEvery = time.Second
	// pathRest is the time until the next ones, if there were too many peers for one go.
	pathRest = 200 * time.Millisecond
	// pathAsks bounds the questions to the kernel in one go: about ten milliseconds.
	pathAsks = 512
)

// schedulePathLook begins to look after the peers in use.
func (p *Plane) schedulePathLook() {
	if p.lookAgain == nil && !p.closed {
		p.lookAfter(pathFirst)
	}
}

func (p *Plane) lookAfter(d time.Duration) {
	p.lookAgain = time.AfterFunc(d, func() {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.lookAgain = nil
		if p.closed {
			return
		}
		looked, left := p.lookAtPaths()
		switch {
		case left:
			p.lookAfter(pathRest)
		case looked || !p.restPaths():
			p.pathsRest = false
			p.lookAfter(pathEvery)
		case !p.pathsRest:
			// Once more: a program that had found a path watched may note only now that it is
			// used, and nobody would hear of it.
			p.pathsRest = true
			p.lookAfter(pathEvery)
		}
	})
}

// lookAtPaths looks up the ways of peers in use, and those that may be forgotten. It says whether there were any, and whether
// some are left for another time.
func (p *Plane) lookAtPaths() (looked, left bool) {
	if len(p.due) == 0 {
		var used []*layout.PeerUse
		for _, pr := range p.contents.Peers {
			is := atomic.CompareAndSwapUint32(&p.paths[pr.Number].State, layout.PathUsed, layout.PathWatched)
			if is {
				used = append(used, pr)
			}
			if is || pr.Learned {
				p.due = append(p.due, pr)
			}
		}
		ends := laneEnds(len(used))
		for _, pr := range used {
			p.layLane(pr, ends)
		}
	}
	if len(p.due) == 0 {
		return false, false
	}
	staged := p.tPeers.Staged()
	p.notifyReport(func() {
		for asked := 0; len(p.due) > 0 && asked < pathAsks; p.due = p.due[1:] {
			if pr := p.due[0]; p.contents.Peers[pr.IP] == pr {
				asked += p.resolve(pr)
				p.keepNeighbour(pr)
			}
		}
		if p.tPeers.Staged() != staged || p.rerouted {
			p.updateWays()
			p.repair()
		}
	})
	return true, len(p.due) > 0
}

// restPaths says that no frame went to any peer since the last look. The next one to any of
// them is an event then.
func (p *Plane) restPaths() bool {
	rest := true
	for _, pr := range p.contents.Peers {
		state := &p.paths[pr.Number].State
		if !atomic.CompareAndSwapUint32(state, layout.PathWatched, layout.PathIdle) && atomic.LoadUint32(state) == layout.PathUsed {
			rest = false
		}
	}
	return rest
}
