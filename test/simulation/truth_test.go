package simulation

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// truth is what is known of a database: the commits of the operator, as a tree, and each state that anybody may
// have seen. The mutex of the machine guards it.
type truth struct {
	commits map[string]*commit
	current *commit          // the newest that the database was seen with
	states  map[uint64][]int // by their hashes: at which places of the history they are
	length  int              // of the history
	written ovsdb.Position   // how far the file was when anybody saw the newest of these
	seen    int              // where in the history the agent is
	fresh   bool             // the next thing that is seen is what a server has found on its disk
	trusted bool             // and it must have all that was seen before
	epoch   int              // how often a disk has lied
}

func newTruth() truth {
	root := &commit{state: content{map[string]bool{}, map[string]string{}, map[string]string{}}}
	return truth{commits: map[string]*commit{"": root}, current: root, states: map[uint64][]int{}, trusted: true}
}

// distrust notes that the disk has lost what it said it had.
func (t *truth) distrust() {
	t.trusted = false
	t.epoch++
}

// committed checks a state of the database, before anybody outside of the server has seen it.
func (m *machine) committed(o *observer) {
	m.mu.Lock()
	defer m.mu.Unlock()
	o.mu.Lock()
	defer o.mu.Unlock()
	t := &m.truth
	if o.err != nil {
		m.w.violated("%s: the observer can't read an update: %v", m.name, o.err)
	}
	v := o.view()
	global, _ := v.TheGlobal()
	c := t.commits[global.OtherConfig[commitKey]]
	if c == nil {
		m.w.violated("%s: the database is at commit %q, which nobody made", m.name, global.OtherConfig[commitKey])
		return
	}
	if c.refused {
		m.w.violated("%s: the database is at commit %s, which was refused", m.name, c.id)
	}
	if found := contentOf(v, m.name).String(); found != c.content {
		m.w.violated("%s: at commit %q the database has\n%s\nshould have\n%s", m.name, c.id, found, c.content)
	}
	if t.trusted {
		if !c.has(t.current) {
			m.w.violated("%s: the database is at commit %q; it was at %q, which is lost", m.name, c.id, t.current.id)
		}
		if t.fresh && m.opened < t.written {
			m.w.violated("%s: the database came back as it was written until %v; some have seen what was written until %v", m.name, m.opened, t.written)
		}
	} else {
		t.seen = 0
	}
	t.fresh, t.trusted = false, true
	t.written = m.position()
	t.current = c
	t.states[o.sum] = append(t.states[o.sum], t.length)
	t.length++
}

// checkTakes wants what the agent has taken to be states that the database had, none older than the one before.
func (m *machine) checkTakes() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range m.takes {
		m.checkTake(s)
	}
	m.takes = nil
}

func (m *machine) checkTake(s *idl.Snapshot) {
	t := &m.truth
	at := t.states[m.hashes.sum(s)]
	i, _ := slices.BinarySearch(at, t.seen)
	switch {
	case len(at) == 0:
		m.w.violated("%s: the agent has taken a state that the database never had", m.name)
	case i == len(at):
		m.w.violated("%s: the agent has taken a state that is %d commits older than the one before", m.name, t.seen-at[i-1])
	default:
		t.seen = at[i]
	}
}
