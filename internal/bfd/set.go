package bfd

import "time"

// Set holds sessions by their keys, and knows which one has something to do first. The zero Set is
// empty.
type Set[K comparable] struct {
	items map[K]*item[K]
	heap  []*item[K] // by next, the least first
}

type item[K comparable] struct {
	key     K
	session *Session
	next    time.Duration // of Session.Next, as of the last Fix
	ready   time.Duration // likewise
	at      int           // index in the heap
}

// Len returns the number of sessions.
func (t *Set[K]) Len() int { return len(t.heap) }

// Get returns the session of the key, or nil.
func (t *Set[K]) Get(key K) *Session {
	if i := t.items[key]; i != nil {
		return i.session
	}
	return nil
}

// Add puts a session in, in place of one that has the key.
func (t *Set[K]) Add(key K, s *Session) {
	if t.items == nil {
		t.items = map[K]*item[K]{}
	}
	i := t.items[key]
	if i == nil {
		i = &item[K]{key: key, at: len(t.heap)}
		t.items[key] = i
		t.heap = append(t.heap, i)
	}
	i.session = s
	t.fix(i)
}

// Remove takes a session out, if it is there.
func (t *Set[K]) Remove(key K) {
	i := t.items[key]
	if i == nil {
		return
	}
	delete(t.items, key)
	last := t.heap[len(t.heap)-1]
	t.heap[len(t.heap)-1] = nil
	t.heap = t.heap[:len(t.heap)-1]
	if last != i {
		last.at = i.at
		t.heap[i.at] = last
		t.fix(last)
	}
}

// All calls f for each session.
func (t *Set[K]) All(f func(K, *Session)) {
	for _, i := range t.heap {
		f(i.key, i.session)
	}
}

// Fix is to be called after a session was used.
func (t *Set[K]) Fix(key K) {
	if i := t.items[key]; i != nil {
		t.fix(i)
	}
}

// Next returns when the first session has something to do; false: there is none.
func (t *Set[K]) Next() (time.Duration, bool) {
	if len(t.heap) == 0 {
		return 0, false
	}
	return t.heap[0].next, t.heap[0].next != never
}

// Due returns a session that has, or may do, something now.
func (t *Set[K]) Due(now time.Duration) (key K, s *Session, ok bool) {
	if len(t.heap) == 0 || t.heap[0].ready > now {
		return key, nil, false
	}
	return t.heap[0].key, t.heap[0].session, true
}

func (t *Set[K]) fix(i *item[K]) {
	i.next, i.ready = i.session.Next()
	for i.at > 0 && i.next < t.heap[(i.at-1)/2].next {
		t.swap(i.at, (i.at-1)/2)
	}
	for {
		least := i.at
		for child := 2*i.at + 1; child <= 2*i.at+2 && child < len(t.heap); child++ {
			if t.heap[child].next < t.heap[least].next {
				least = child
			}
		}
		if least == i.at {
			return
		}
		t.swap(i.at, least)
	}
}

func (t *Set[K]) swap(i, j int) {
	t.heap[i], t.heap[j] = t.heap[j], t.heap[i]
	t.heap[i].at, t.heap[j].at = i, j
}
