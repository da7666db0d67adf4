package mcast

import (
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/igmp"
	"github.com/vtep/vtep/internal/intent"
)

// The timers of RFC 3376, 8 and RFC 3810, 9, where no querier says others. What a querier says
// makes them longer, never shorter: whoever can send a query could otherwise have members
// forgotten sooner than the others ask for them.
const (
	queryInterval    = 125 * time.Second
	responseInterval = 10 * time.Second
	robustness       = 2
	lastMemberTime   = time.Second // a query of a group is answered in, when a member leaves
	lastMemberCount  = 2

	// slack is for answers on their way.
	slack = time.Second
	// maxInterval bounds what queriers say.
	maxInterval = time.Hour

	// Lifetime is how long a member is there after its last message, at least.
	Lifetime = robustness*queryInterval + responseInterval
)

// querier is who asks the hosts of a switch.
type querier struct {
	addr     netip.Addr // of the one that is elected: the lowest; the zero Addr: nobody asks
	at       intent.BindingKey
	version  uint8
	interval time.Duration // between queries
	response time.Duration
	robust   int
	gone     alarm
}

func (q *querier) here() bool { return q.addr.IsValid() }

// lifetime is how long a member, a router or a querier is there after its last message.
func (q *querier) lifetime() time.Duration {
	return max(Lifetime, min(time.Duration(q.robust)*q.interval+q.response, maxInterval))
}

// Hear takes a frame that came by a binding, without its tag, or, where at is zero, by a tunnel.
func (t *Table) Hear(now time.Time, id intent.SwitchID, at intent.BindingKey, frame []byte) {
	ls, b := t.switches[id], t.bindings[at]
	if ls == nil || at != (intent.BindingKey{}) && (b == nil || b.ls != ls) {
		return // it is older than a change of the bindings
	}
	m, err := igmp.Parse(frame)
	if err != nil {
		t.counts.Ignored[err.(igmp.Reason)]++
		return
	}
	f := ls.families[familyOf(m.IPv6)]
	switch m.Kind {
	case igmp.Query:
		t.counts.Queries++
		t.asked(now, f, b, &m)
	case igmp.Report:
		t.counts.Reports++
		if b == nil {
			return
		}
		for _, r := range m.Records {
			if intent.MAC(igmp.MAC(r.Group)).ForAll() {
				continue
			}
			if r.Leave {
				t.leave(now, f, b, r.Group, m.Version)
			} else {
				t.join(now, f, b, r.Group, !m.IPv6 && m.Version == 1)
			}
		}
	case igmp.Router:
		t.counts.Hellos++
		t.note(now, f, f.routers, b, m.Hold)
	}
}

// HearPart takes that a frame came by a binding of which the end is not known: it may tell of groups that
// nobody reads of.
func (t *Table) HearPart(now time.Time, id intent.SwitchID, at intent.BindingKey) {
	if b := t.bindings[at]; b != nil && b.ls.id == id {
		for _, f := range b.ls.families {
			t.refuse(now, f, b)
		}
	}
}

// asked takes a query. All hosts of the switch have it before them now.
func (t *Table) asked(now time.Time, f *family, b *binding, m *igmp.Message) {
	if m.Group.IsValid() {
		return // those who are in the group will tell
	}
	q := &f.querier
	if !q.here() || !q.addr.Less(m.Source) && !m.Source.IsUnspecified() || q.addr.IsUnspecified() {
		if !q.here() {
			t.touch(f)
		}
		q.addr, q.version, q.at = m.Source, m.Version, intent.BindingKey{}
		if b != nil {
			q.at = b.at
		}
		q.robust, q.interval = int(m.Robustness), m.Interval
		if q.robust == 0 {
			q.robust = robustness
		}
		if q.interval == 0 {
			q.interval = queryInterval
		}
		q.response = m.MaxResponse
	}
	t.alarms.set(&q.gone, now.Add(q.lifetime()))
	q.gone.due = func(time.Time) { t.unasked(f) }
	if m.Source.IsUnspecified() { // it stands for a router (RFC 4541, 2.1.1)
		t.note(now, f, f.askers, b, q.lifetime())
	} else {
		t.note(now, f, f.routers, b, q.lifetime())
	}
	until := now.Add(min(m.MaxResponse, maxInterval) + slack)
	if f.answers.Before(until) {
		f.answers = until
	}
	for _, a := range f.opened {
		if a.place == 0 || until.Before(a.at) {
			t.alarms.set(a, until)
		}
	}
}

// unasked takes that nobody asks any more.
func (t *Table) unasked(f *family) {
	f.querier.addr = netip.Addr{}
	for _, b := range f.ls.bindings {
		t.open(f, b)
	}
	t.touch(f)
}

// note takes that somebody is behind a binding for some time; 0: goes.
func (t *Table) note(now time.Time, f *family, all map[intent.BindingKey]*alarm, b *binding, hold time.Duration) {
	if b == nil {
		return // what goes into tunnels is not ours to say
	}
	a := all[b.at]
	switch {
	case hold == 0 && a == nil:
		return
	case hold == 0:
		t.alarms.stop(a)
		delete(all, b.at)
		t.touch(f)
		return
	case a == nil:
		a = &alarm{due: func(time.Time) {
			delete(all, b.at)
			t.touch(f)
		}}
		all[b.at] = a
		t.touch(f)
	}
	if until := now.Add(hold); a.place == 0 || until.After(a.at) {
		t.alarms.set(a, until)
	}
}

// open has a binding get every frame, until its hosts have been asked, and answered.
func (t *Table) open(f *family, b *binding) {
	a := f.opened[b.at]
	if a == nil {
		a = &alarm{due: func(time.Time) {
			delete(f.opened, b.at)
			t.touch(f)
		}}
		f.opened[b.at] = a
		t.touch(f)
	}
	t.alarms.stop(a)
}

// ask has the hosts of an open binding asked, where others are asked already, too.
func (t *Table) ask(now time.Time, f *family, b *binding) {
	q := &f.querier
	if !t.cfg.Asks || !q.here() || !f.ipv6 && q.version < 2 || q.at == b.at {
		return
	}
	if f.ipv6 {
		// MLD has no sender that takes no part in the election of a querier: it is asked in the name of
		// the one that is elected.
		if !q.addr.IsLinkLocalUnicast() {
			return
		}
		t.send(f, b, netip.IPv6Unspecified(), q.version, responseInterval)
		t.queries[len(t.queries)-1].Querier = q.addr
	} else {
		t.send(f, b, netip.IPv4Unspecified(), q.version, responseInterval)
	}
	t.alarms.set(f.opened[b.at], now.Add(responseInterval+slack))
}

func (t *Table) send(f *family, b *binding, group netip.Addr, version uint8, within time.Duration) {
	t.queries = append(t.queries, Query{f.ls.id, b.at, igmp.Asking{
		Version: version, Group: group, MaxResponse: within, Robustness: robustness, Interval: queryInterval}})
}

// join takes that a host is in a group.
func (t *Table) join(now time.Time, f *family, b *binding, group netip.Addr, old bool) {
	until := now.Add(f.querier.lifetime())
	m := f.groups[group][b.at]
	if m == nil {
		if b.memberships >= t.cfg.PerBinding || t.memberships >= t.cfg.Total {
			t.refuse(now, f, b)
			return
		}
		m = &membership{b: b}
		t.add(f, group, m)
	}
	m.asked = 0
	if old {
		m.old = until
	}
	m.end.due = func(now time.Time) { t.unheard(now, f, group, m) }
	t.alarms.set(&m.end, until)
}

// refuse takes that a binding has a member that is not remembered.
func (t *Table) refuse(now time.Time, f *family, b *binding) {
	t.counts.Refused++
	a := f.full[b.at]
	if a == nil {
		a = &alarm{}
		a.due = func(now time.Time) {
			if now.Before(f.answers) {
				t.alarms.set(a, f.answers)
				return
			}
			delete(f.full, b.at)
			t.touch(f)
		}
		f.full[b.at] = a
		t.touch(f)
	}
	t.alarms.set(a, now.Add(f.querier.lifetime()))
}

// leave takes that a host has left a group. Those who stay are asked to tell.
func (t *Table) leave(now time.Time, f *family, b *binding, group netip.Addr, version uint8) {
	m := f.groups[group][b.at]
	switch q := &f.querier; {
	case m == nil || m.asked > 0 || now.Before(m.old):
		return
	case f.routers[b.at] != nil: // the router asks, and gets every frame anyway
		return
	case !t.cfg.Asks && (!q.here() || q.version < 2 && !f.ipv6): // nobody would ask
		return
	case q.here() && (f.ipv6 || q.version > 1):
		version = q.version
	}
	t.askLast(now, f, group, m, version)
	m.end.due = func(now time.Time) {
		if m.asked < lastMemberCount {
			t.askLast(now, f, group, m, version)
		} else {
			t.drop(f, group, m)
		}
	}
}

func (t *Table) askLast(now time.Time, f *family, group netip.Addr, m *membership, version uint8) {
	if m.asked++; t.cfg.Asks {
		t.send(f, m.b, group, version, lastMemberTime)
	}
	wait := lastMemberTime
	if m.asked == lastMemberCount {
		wait += slack
	}
	t.alarms.set(&m.end, now.Add(wait))
}

// unheard takes that nobody has told of a membership for its lifetime, unless somebody may be about
// to: hosts take as long as a query lets them.
func (t *Table) unheard(now time.Time, f *family, group netip.Addr, m *membership) {
	if now.Before(f.answers) {
		t.alarms.set(&m.end, f.answers)
		return
	}
	t.drop(f, group, m)
}

// add and drop keep the indexes.
func (t *Table) add(f *family, group netip.Addr, m *membership) {
	if f.groups[group] == nil {
		f.groups[group] = map[intent.BindingKey]*membership{}
	}
	f.groups[group][m.b.at] = m
	mac := intent.MAC(igmp.MAC(group))
	if f.byMAC[mac] == nil {
		f.byMAC[mac] = map[intent.BindingKey]int{}
		t.rows[f.key(mac)] = struct{}{}
	}
	f.byMAC[mac][m.b.at]++
	t.memberships++
	m.b.memberships++
	f.dirty[mac] = struct{}{}
	t.dirty[f] = struct{}{}
}

func (t *Table) drop(f *family, group netip.Addr, m *membership) {
	t.alarms.stop(&m.end)
	if delete(f.groups[group], m.b.at); len(f.groups[group]) == 0 {
		delete(f.groups, group)
	}
	mac := intent.MAC(igmp.MAC(group))
	members := f.byMAC[mac]
	if members[m.b.at]--; members[m.b.at] == 0 {
		if delete(members, m.b.at); len(members) == 0 {
			delete(f.byMAC, mac)
			t.rows[f.key(mac)] = struct{}{}
		}
	}
	t.memberships--
	m.b.memberships--
	f.dirty[mac] = struct{}{}
	t.dirty[f] = struct{}{}
}
