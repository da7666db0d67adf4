package server

import (
	"slices"
	"sync"
)

// lockTable holds the named locks of RFC 7047, section 4.1.8, which the sessions of a server
// share. A lock belongs to the first of its waiters.
type lockTable struct {
	mu      sync.Mutex // guards what follows
	waiters map[string][]*lockWaiter
}

// lockWaiter is a session's claim of a lock, from its "lock" or "steal" to its "unlock".
type lockWaiter struct {
	sess  *session
	steal bool
	lost  bool // stolen from us, and we had stolen it: no longer among the waiters
}

func newLockTable() *lockTable { return &lockTable{waiters: map[string][]*lockWaiter{}} }

// holds says whether sess owns the lock.
func (t *lockTable) holds(sess *session, name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := t.waiters[name]
	return len(w) > 0 && w[0].sess == sess
}

// claim makes sess wait for the lock, or with steal own it at once. victim is the session
// that lost it. claimed is false if sess has a claim already.
func (t *lockTable) claim(sess *session, name string, steal bool) (owner bool, victim *session, claimed bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if sess.claims[name] != nil {
		return false, nil, false
	}
	w := &lockWaiter{sess: sess, steal: steal}
	sess.claims[name] = w
	queue := t.waiters[name]
	if !steal {
		t.waiters[name] = append(queue, w)
		return len(queue) == 0, nil, true
	}
	if len(queue) > 0 {
		victim = queue[0].sess
		// Who came by theft does not get back in line; who waited in line stays in it.
		if queue[0].steal {
			queue[0].lost = true
			queue = queue[1:]
		}
	}
	t.waiters[name] = slices.Insert(slices.Clone(queue), 0, w)
	return true, victim, true
}

// release gives up the claim of sess. next is the session that owns the lock because of it,
// nil if none does. had is false if there was no claim.
func (t *lockTable) release(sess *session, name string) (next *session, had bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.releaseLocked(sess, name)
}

func (t *lockTable) releaseLocked(sess *session, name string) (next *session, had bool) {
	w := sess.claims[name]
	if w == nil {
		return nil, false
	}
	delete(sess.claims, name)
	if w.lost {
		return nil, true
	}
	queue := t.waiters[name]
	i := slices.Index(queue, w)
	queue = slices.Delete(slices.Clone(queue), i, i+1)
	if len(queue) == 0 {
		delete(t.waiters, name)
		return nil, true
	}
	t.waiters[name] = queue
	if i == 0 {
		next = queue[0].sess
	}
	return next, true
}

// releaseAll gives up every claim of sess, and calls locked for each new owner.
func (t *lockTable) releaseAll(sess *session, locked func(name string, next *session)) {
	t.mu.Lock()
	next := map[string]*session{}
	for name := range sess.claims {
		if n, _ := t.releaseLocked(sess, name); n != nil {
			next[name] = n
		}
	}
	t.mu.Unlock()
	for name, n := range next {
		locked(name, n)
	}
}

// count is how many claims sess has.
func (t *lockTable) count(sess *session) int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(sess.claims)
}

// states lists the locks that sess has a claim of, sorted by name.
func (t *lockTable) states(sess *session) (held, waiting, lost []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for name, w := range sess.claims {
		switch {
		case w.lost:
			lost = append(lost, name)
		case t.waiters[name][0] == w:
			held = append(held, name)
		case w.steal:
			lost = append(lost, name)
		default:
			waiting = append(waiting, name)
		}
	}
	slices.Sort(held)
	slices.Sort(waiting)
	slices.Sort(lost)
	return held, waiting, lost
}
