package ebpf

import "sync/atomic"

// chore is what the learner finds to be done that needs Plane.mu, for which it does not wait.
type chore uint32

const (
	lookAtLocals chore = 1 << iota // there are more learned MACs
	lookForLost                    // some events may have had no room
	lookForPaths                   // frames go to a peer again
	lookAtWatch                    // a MAC is not watched any more
)

// chores are done by a goroutine that is there only while there are some.
type chores struct {
	due atomic.Uint32 // bits of chore; the goroutine is there while choresRun is among them
}

const choresRun = 1 << 31

// leave has something done soon. It does not block.
func (p *Plane) leave(c chore) {
	if p.chores.due.Or(uint32(c)|choresRun)&choresRun == 0 {
		p.wg.Go(p.doChores)
	}
}

func (p *Plane) doChores() {
	for {
		due := p.chores.due.Swap(choresRun)
		if due == choresRun && p.chores.due.CompareAndSwap(choresRun, 0) {
			return
		}
		p.mu.Lock()
		if p.closed {
			p.mu.Unlock()
			return
		}
		p.doChore(chore(due))
		p.mu.Unlock()
	}
}

func (p *Plane) doChore(c chore) {
	if c&lookForPaths != 0 {
		p.schedulePathLook()
	}
	if c&lookAtWatch != 0 {
		p.watchedLess()
	}
	if c&lookAtLocals != 0 {
		p.watchLocals()
	}
	if c&lookForLost != 0 {
		p.tellLost()
	}
}
