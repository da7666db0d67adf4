package vtep

import (
	"iter"

	"github.com/vtep/vtep/internal/compact"
	"github.com/vtep/vtep/internal/intent"
)

// turns are MACs whose rows are to be looked at. The ports where they are learned (or were, before they were forgotten; "": nobody
// knows) have one in turn, each those that came first: so a port with a crowd of new hosts keeps the rows of others waiting for
// no longer than one of its own. The zero turns are empty.
type turns struct {
	of    compact.Map[intent.MACKey, *line] // where each stands
	ports map[string]*line
	round []*line // those that are not empty
	next  int     // of round
}

// line is those of a port. MACs that have left for another one still stand here, and are passed by.
type line struct {
	port string
	keys []intent.MACKey
	left int // at least so many have
}

func (t *turns) len() int { return t.of.Len() }

// add notes one. Where it stood before that counts if port is "".
func (t *turns) add(port string, key intent.MACKey) {
	was, had := t.of.Get(key)
	if had && (port == "" || was.port == port) {
		return
	}
	if had {
		t.leave(was)
	}
	l := t.ports[port]
	if l == nil {
		l = &line{port: port}
		if t.ports == nil {
			t.ports = map[string]*line{}
		}
		t.ports[port] = l
		t.round = append(t.round, l)
	}
	l.keys = append(l.keys, key)
	t.of.Set(key, l)
}

// remove takes one out.
func (t *turns) remove(key intent.MACKey) {
	if l, ok := t.of.Get(key); ok {
		t.of.Delete(key)
		t.leave(l)
	}
}

// leave takes note of one that stands in l no longer. It forgets them before they are many.
func (t *turns) leave(l *line) {
	if l.left++; l.left < 64 || l.left < len(l.keys)/2 {
		return
	}
	var stay []intent.MACKey
	for _, key := range l.keys {
		if at, _ := t.of.Get(key); at == l {
			stay = append(stay, key)
			t.of.Set(key, nil) // one that has come back stands here twice
		}
	}
	for _, key := range stay {
		t.of.Set(key, l)
	}
	l.keys, l.left = stay, 0
}

// take gives the next one, which then is not there any more.
func (t *turns) take() (port string, key intent.MACKey, ok bool) {
	for len(t.round) > 0 {
		if t.next >= len(t.round) {
			t.next = 0
		}
		l := t.round[t.next]
		if len(l.keys) == 0 {
			last := len(t.round) - 1
			t.round[t.next], t.round[last] = t.round[last], nil
			t.round = t.round[:last]
			delete(t.ports, l.port)
			continue
		}
		key, l.keys = l.keys[0], l.keys[1:]
		if at, _ := t.of.Get(key); at != l {
			l.left--
			continue
		}
		t.of.Delete(key)
		t.next++
		return l.port, key, true
	}
	*t = turns{}
	return "", intent.MACKey{}, false
}

// all yields them with their ports, in any order.
func (t *turns) all() iter.Seq2[intent.MACKey, string] {
	return func(yield func(intent.MACKey, string) bool) {
		for key, l := range t.of.All() {
			if !yield(key, l.port) {
				return
			}
		}
	}
}
