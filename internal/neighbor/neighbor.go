// Package neighbor finds out which stations have the IP addresses that routers hand packets to,
// where no row of the database says it: by asking, as RFC 4861 (7.3, Neighbor Unreachability
// Detection) has it for IPv6 and hosts do it with ARP, too.
//
//	           Ask                      Heard
//	(nothing) ----> Incomplete ----------------------> Reachable <--------+
//	                    | nobody answers                   | ReachableTime | Heard
//	                    v                                  v               |
//	                 Failed --FailedTime--> (nothing)    Stale --used--> Probe --nobody answers--> (nothing)
//	                                                       | StaleTime
//	                                                       v
//	                                                   (nothing)
//
// A packet that has to wait for the answer does so here. Nobody can make the Table take more memory
// than its limits say: those who ask for addresses that nobody has get no place of those who have
// answered, and nobody, who asks or answers, gets more of it than is left for all others (see share).
//
// The package does no I/O, starts no goroutine and reads no clock: callers pass now, and do what
// Take says. A Table belongs to one goroutine, the agent loop.
package neighbor

import (
	"container/heap"
	"iter"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// The times and numbers of RFC 4861, 10, but for those of which it leaves the choice.
const (
	RetransTimer  = time.Second
	ReachableTime = 30 * time.Second
	FailedTime    = 3 * time.Second // how long nobody is asked again
	StaleTime     = 10 * time.Minute
	MaxSolicit    = 3 // questions to all, and to the one who answered last
	QueuePackets  = 3 // that wait for one answer
)

// The bounds of all, of which one Place may have half.
const (
	MaxIncomplete  = 8192
	MaxNeighbors   = 1 << 18
	MaxWaiting     = 8192    // packets, for all answers
	MaxWaitingSize = 8 << 20 // bytes of them
)

// State is what is known of a neighbor.
type State uint8

const (
	Incomplete State = iota // it is asked for
	Reachable               // it has answered a short while ago
	Stale                   // it has answered
	Probe                   // it is asked whether it is still there
	Failed                  // nobody has answered
)

// String returns the word of RFC 4861 for the state, in lower case.
func (s State) String() string {
	return [...]string{"incomplete", "reachable", "stale", "probe", "failed"}[s]
}

// Packet is one that waits for an answer, as it came to the router.
type Packet struct {
	Frame  []byte
	Switch intent.SwitchID // where it came in
	At     intent.BindingKey
}

func (p Packet) place() Place { return Place{p.Switch, p.At} }

// Actions are what has to be done, in this order.
type Actions struct {
	Ask         []Question
	Changed     map[intent.IPKey]intent.MAC // who is known to have an address now; the zero MAC: nobody
	Deliver     []Delivery
	Unreachable []Packet // nobody has answered for them
	Dropped     []Packet // there was no room for them, or they wait for nobody any more

	FullChanged bool   // Full is to be told
	Full        []Full // who gets no more than it has
}

// Question is to be asked in the switch: of To, or with the zero MAC of all.
type Question struct {
	Key intent.IPKey
	To  intent.MAC
}

// Delivery is of packets that have waited for an answer.
type Delivery struct {
	Key     intent.IPKey
	MAC     intent.MAC
	Packets []Packet
}

// Table is what is known of all neighbors. The zero Table is not ready; use New.
type Table struct {
	entries map[intent.IPKey]*entry
	times   times // of all entries

	incomplete, waiting, waitingSize share // of those who ask
	known                            share // of those who answer

	full    map[Full]time.Time // until when
	relax   time.Time          // when some may be full no more; zero: none is
	actions Actions
}

type entry struct {
	key   intent.IPKey
	mac   intent.MAC
	state State
	asked int
	due   time.Time // when something is to be done
	since time.Time // when the state began; Reachable: when it answered last
	at    int       // in times; -1: not there
	queue []Packet

	asker  Place // Incomplete: who has it asked for
	held   bool  // holder has one of Table.known for it
	holder Place // who has answered
}

// New returns a Table that knows nobody.
func New() *Table {
	return &Table{entries: map[intent.IPKey]*entry{}, full: map[Full]time.Time{}, known: newShare(MaxNeighbors),
		incomplete: newShare(MaxIncomplete), waiting: newShare(MaxWaiting), waitingSize: newShare(MaxWaitingSize)}
}

// Get says what is known of a neighbor.
func (t *Table) Get(key intent.IPKey) (intent.MAC, State, bool) {
	e := t.entries[key]
	if e == nil {
		return intent.MAC{}, 0, false
	}
	return e.mac, e.state, true
}

// Ask takes a packet for a neighbor of whom the dataplane knows nothing.
func (t *Table) Ask(now time.Time, key intent.IPKey, p Packet) {
	e := t.entries[key]
	switch {
	case e == nil:
		if !t.incomplete.take(p.place(), 1) {
			t.refuse(now, Full{Place: p.place()})
			t.actions.Dropped = append(t.actions.Dropped, p)
			return
		}
		e = &entry{key: key, state: Incomplete, since: now, at: -1, asker: p.place()}
		t.entries[key] = e
		t.ask(now, e)
	case e.state == Failed:
		t.actions.Unreachable = append(t.actions.Unreachable, p)
		return
	case e.state != Incomplete: // the answer has overtaken it
		t.Pass(key, e.mac, p)
		return
	}
	if len(e.queue) == QueuePackets { // the oldest gives way (RFC 4861, 7.2.2)
		t.unqueue(e.queue[:1])
		t.actions.Dropped = append(t.actions.Dropped, e.queue[0])
		e.queue = append(e.queue[:0], e.queue[1:]...)
	}
	if !t.enqueue(e, p) {
		t.refuse(now, Full{Place: p.place()})
		t.actions.Dropped = append(t.actions.Dropped, p)
	}
}

// enqueue has a packet wait, if there is room for it.
func (t *Table) enqueue(e *entry, p Packet) bool {
	if !t.waiting.take(p.place(), 1) {
		return false
	}
	if !t.waitingSize.take(p.place(), len(p.Frame)) {
		t.waiting.give(p.place(), 1)
		return false
	}
	e.queue = append(e.queue, p)
	return true
}

// Pass has a packet delivered to a station that is known now, be it by a row.
func (t *Table) Pass(key intent.IPKey, mac intent.MAC, p Packet) {
	t.actions.Deliver = append(t.actions.Deliver, Delivery{key, mac, []Packet{p}})
}

func (t *Table) unqueue(packets []Packet) {
	for _, p := range packets {
		t.waiting.give(p.place(), 1)
		t.waitingSize.give(p.place(), len(p.Frame))
	}
}

// ask sends one more question for e.
func (t *Table) ask(now time.Time, e *entry) {
	e.asked++
	t.actions.Ask = append(t.actions.Ask, Question{e.key, e.mac})
	t.schedule(e, now.Add(RetransTimer))
}

// Heard takes note that a station has said that it has an address, as an answer to the router, which came by a
// binding or, with the zero key, by a tunnel. What nobody has asked for is taken as little as RFC 4861, 7.2.5
// does; nor what comes from where as many addresses are as may be.
func (t *Table) Heard(now time.Time, key intent.IPKey, mac intent.MAC, at intent.BindingKey) {
	e := t.entries[key]
	if e == nil || e.state == Failed || mac.IsZero() || mac.IsGroup() {
		return
	}
	if from := (Place{key.Switch, at}); !t.hold(e, from) {
		t.refuse(now, Full{from, true})
		return
	}
	if e.state == Incomplete {
		t.incomplete.give(e.asker, 1)
	}
	if e.mac != mac {
		e.mac = mac
		t.change(key, mac)
	}
	e.state, e.since, e.asked = Reachable, now, 0
	t.schedule(e, now.Add(ReachableTime))
	if len(e.queue) > 0 {
		t.actions.Deliver = append(t.actions.Deliver, Delivery{key, mac, e.queue})
		t.unqueue(e.queue)
		e.queue = nil
	}
}

// hold has an answer counted where it came from; one that has been counted stays where it was if it must.
func (t *Table) hold(e *entry, from Place) bool {
	if e.held && e.holder == from {
		return true
	}
	if !t.known.take(from, 1) {
		return e.held
	}
	if e.held {
		t.known.give(e.holder, 1)
	}
	e.held, e.holder = true, from
	return true
}

// Adopt takes a neighbor that an earlier process has found; whether it is still there is to be seen.
func (t *Table) Adopt(now time.Time, key intent.IPKey, mac intent.MAC) {
	e := &entry{key: key, mac: mac, state: Stale, since: now, at: -1}
	if t.entries[key] != nil || !t.hold(e, Place{Switch: key.Switch}) {
		return
	}
	t.entries[key] = e
	t.schedule(e, now.Add(ReachableTime))
}

// Forget drops a neighbor: a row says now who has the address, or its switch has no router.
func (t *Table) Forget(key intent.IPKey) {
	if e := t.entries[key]; e != nil {
		t.drop(e)
	}
}

func (t *Table) drop(e *entry) {
	if e.state == Incomplete {
		t.incomplete.give(e.asker, 1)
	}
	if e.held {
		t.known.give(e.holder, 1)
	}
	t.unqueue(e.queue)
	t.actions.Dropped = append(t.actions.Dropped, e.queue...)
	heap.Remove(&t.times, e.at)
	delete(t.entries, e.key)
	if !e.mac.IsZero() {
		t.change(e.key, intent.MAC{})
	}
}

func (t *Table) change(key intent.IPKey, mac intent.MAC) {
	if t.actions.Changed == nil {
		t.actions.Changed = map[intent.IPKey]intent.MAC{}
	}
	t.actions.Changed[key] = mac
}

// Advance does what is due. used says of a neighbor that has become stale whether packets went to it
// since then.
func (t *Table) Advance(now time.Time, used func([]intent.IPKey) []bool) {
	t.relaxed(now)
	var stale []*entry
	for len(t.times) > 0 && !t.times[0].due.After(now) {
		e := t.times[0]
		switch e.state {
		case Incomplete, Probe:
			if e.asked < MaxSolicit {
				t.ask(now, e)
			} else {
				t.fail(now, e)
			}
		case Reachable:
			e.state, e.since = Stale, now
			t.schedule(e, now.Add(ReachableTime))
		case Stale:
			stale = append(stale, e)
			t.schedule(e, now.Add(ReachableTime))
		case Failed:
			t.drop(e)
		}
	}
	if len(stale) == 0 {
		return
	}
	keys := make([]intent.IPKey, len(stale))
	for i, e := range stale {
		keys[i] = e.key
	}
	for i, in := range used(keys) {
		switch e := stale[i]; {
		case in:
			e.state, e.since, e.asked = Probe, now, 0
			t.ask(now, e)
		case now.Sub(e.since) >= StaleTime:
			t.drop(e)
		}
	}
}

// fail notes that nobody has answered.
func (t *Table) fail(now time.Time, e *entry) {
	if e.state == Probe { // with the next packet all are asked
		t.drop(e)
		return
	}
	t.incomplete.give(e.asker, 1)
	t.actions.Unreachable = append(t.actions.Unreachable, e.queue...)
	t.unqueue(e.queue)
	e.state, e.since, e.queue = Failed, now, nil
	t.schedule(e, now.Add(FailedTime))
}

// Next returns when something is due; zero: never.
func (t *Table) Next() time.Time {
	if len(t.times) > 0 && (t.relax.IsZero() || t.times[0].due.Before(t.relax)) {
		return t.times[0].due
	}
	return t.relax
}

func (t *Table) schedule(e *entry, due time.Time) {
	e.due = due
	if e.at < 0 {
		heap.Push(&t.times, e)
	} else {
		heap.Fix(&t.times, e.at)
	}
}

// times is a heap of entries: that which is due first is first.
type times []*entry

func (t times) Len() int           { return len(t) }
func (t times) Less(i, j int) bool { return t[i].due.Before(t[j].due) }
func (t times) Swap(i, j int) {
	t[i], t[j] = t[j], t[i]
	t[i].at, t[j].at = i, j
}

// Push implements heap.Interface.
func (t *times) Push(e any) {
	e.(*entry).at = len(*t)
	*t = append(*t, e.(*entry))
}

// Pop implements heap.Interface.
func (t *times) Pop() any {
	n := len(*t) - 1
	e := (*t)[n]
	(*t)[n], *t = nil, (*t)[:n]
	e.at = -1
	return e
}

// Take returns what is to be done since it was last called.
func (t *Table) Take() Actions {
	a := t.actions
	if a.FullChanged {
		a.Full = t.listFull()
	}
	t.actions = Actions{}
	return a
}

// Neighbor is what is known of one.
type Neighbor struct {
	Key   intent.IPKey
	MAC   intent.MAC // zero: not known
	State State
	Since time.Time // when the state began; Reachable: when it answered last
}

// All yields every neighbor, in no order. Those that it has yielded may be forgotten meanwhile.
func (t *Table) All() iter.Seq[Neighbor] {
	return func(yield func(Neighbor) bool) {
		for key, e := range t.entries {
			if !yield(Neighbor{key, e.mac, e.state, e.since}) {
				return
			}
		}
	}
}
