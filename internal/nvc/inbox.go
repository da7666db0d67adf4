package nvc

import "sync"

// inbox is what the databases have for Run. A change of the mesh has something come from each of them at once: Run takes all
// of it at a time, and nobody waits until it does.
type inbox struct {
	filled chan struct{} // cap 1: there is something in it

	mu      sync.Mutex // guards what follows
	settled []func()   // of transactions, one of each target at most
	woken   []*target  // whose replicas have news; their inboxed is set
}

func newInbox() inbox { return inbox{filled: make(chan struct{}, 1)} }

// settle has Run call f, unless it ends before.
func (b *inbox) settle(f func()) {
	b.mu.Lock()
	b.settled = append(b.settled, f)
	b.mu.Unlock()
	b.tell()
}

// wake has Run look at the replica of a target.
func (b *inbox) wake(t *target) {
	b.mu.Lock()
	if !t.inboxed {
		t.inboxed = true
		b.woken = append(b.woken, t)
	}
	b.mu.Unlock()
	b.tell()
}

func (b *inbox) tell() {
	select {
	case b.filled <- struct{}{}:
	default:
	}
}

// take empties it.
func (b *inbox) take() (settled []func(), woken []*target) {
	b.mu.Lock()
	defer b.mu.Unlock()
	settled, woken = b.settled, b.woken
	b.settled, b.woken = nil, nil
	for _, t := range woken {
		t.inboxed = false
	}
	return settled, woken
}
