package agent

import (
	"cmp"
	"context"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/mcast"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// groups is what hosts and routers say of IP multicast, in the switches that want that. The plane
// shows their messages, the table says what follows for forwarding and for the rows.
//
//	plane.Punted ──> mcast.Table ──> vtep.Compiler, vtep.Reporter, plane.Sender
//
// A new process knows of no member, and has every frame go to all until hosts were asked and have
// answered. The rows of an earlier one stay meanwhile.
type groups struct {
	table   *mcast.Table
	adopted time.Time // rows of an earlier process were adopted then; zero: they weren't, or are settled
}

// groupsPause is how long rows of groups of an earlier process may stand without a member: hosts
// have been asked by then, if anybody asks.
const groupsPause = mcast.Lifetime

func newGroups(p plane.Plane) groups {
	_, sends := p.(plane.Sender)
	return groups{table: mcast.New(mcast.Config{Asks: sends})}
}

// hearGroups takes a frame that says something of groups.
func (a *Agent) hearGroups(now time.Time, e plane.Punted) {
	switch {
	case e.Reason != plane.PuntMembership:
	case e.Length > len(e.Frame):
		a.groups.table.HearPart(now, e.Switch, e.At)
	default:
		a.groups.table.Hear(now, e.Switch, e.At, e.Frame)
	}
}

// followGroups has the table follow the State, of which d has changed; nil: anything may have.
func (a *Agent) followGroups(d *intent.Delta) {
	a.groups.table.Follow(time.Now(), a.compiler.State(), d)
}

// flushGroups does what follows from what the table has heard. Forwarding follows with the next
// Refresh (see moves.refresh).
func (a *Agent) flushGroups(ctx context.Context) {
	if !a.ready || a.frozen {
		return
	}
	queries := a.takeGroups()
	if sender, ok := a.opts.Plane.(plane.Sender); ok && a.owner {
		for _, q := range queries {
			q.From = a.querierMAC()
			if err := sender.Send(ctx, q.Frame(), plane.Destination{Switch: q.Switch, At: q.At}); err != nil {
				a.log.Debug("hosts not asked for their groups", "at", q.At, "err", err)
			}
		}
	}
}

// takeGroups hands on what the table says of members and rows, and returns the queries that it wants sent.
func (a *Agent) takeGroups() []mcast.Query {
	sets, changed, queries := a.groups.table.Take(time.Now())
	for _, c := range sets {
		a.compiler.SetMembers(c.Key, c.Set)
		a.moves.refresh = true
	}
	for _, key := range changed {
		a.reporter.MarkGroup(key)
	}
	return queries
}

// openGroups has frames to groups go to all, where forwarding is frozen that is installed: who joins from
// now on would get none. (What an earlier process has left is open as long as nobody reads what it is
// shown, which a plane does only after its first Apply.)
func (a *Agent) openGroups(ctx context.Context, installed *intent.State) {
	if len(installed.Members) == 0 {
		return
	}
	next := installed.Clone()
	clear(next.Members)
	for at, b := range next.Bindings { // where they would not be flooded
		if sw := next.Switches[b.Switch]; !sw.SnoopGroups || sw.Flooding == intent.FloodAll {
			continue
		}
		for _, mac := range []intent.MAC{intent.OtherGroups4, intent.Reports4, intent.OtherGroups6, intent.Reports6} {
			key := intent.MACKey{Switch: b.Switch, MAC: mac}
			next.Members[key] = append(next.Members[key], at)
		}
	}
	for _, set := range next.Members {
		slices.SortFunc(set, intent.BindingKey.Compare)
	}
	next.Position = 0 // as hold has it
	if _, err := a.opts.Plane.Apply(ctx, next, intent.Diff(installed, next)); err != nil {
		a.log.Warn("frames to groups go only to members of before", "err", err)
	}
}

// querierMAC is the source of the queries of this VTEP: made of its row's UUID, and of no host.
func (a *Agent) querierMAC() [6]byte {
	id := a.compiler.State().Physical
	h := fnv.New64a()
	h.Write(id[:])
	sum := h.Sum(nil)
	return [6]byte{0x02, sum[3], sum[4], sum[5], sum[6], sum[7]}
}

// expireGroups does what is due.
func (a *Agent) expireGroups(now time.Time) {
	a.groups.table.Expire(now)
	if at := a.groups.adopted; !at.IsZero() && !now.Before(at.Add(groupsPause)) {
		a.groups.adopted = time.Time{}
		a.reporter.UnadoptGroups()
	}
}

// nextGroups returns when expireGroups is due; zero: never.
func (a *Agent) nextGroups() time.Time {
	next := a.groups.table.Next()
	if at := a.groups.adopted; !at.IsZero() && (next.IsZero() || at.Add(groupsPause).Before(next)) {
		next = at.Add(groupsPause)
	}
	return next
}

// GroupList is a listing of what is known of groups; as text a line each.
type GroupList []GroupLine

// GroupLine is a member of a group, somebody who asks for them, or a binding with a router.
type GroupLine struct {
	Switch  string `json:"logical_switch"`
	Role    string `json:"role"`    // see mcast.Role; or lost: messages were, and all ports get all frames
	Family  string `json:"family"`  // igmp or mld
	Address string `json:"address"` // of the group, or the querier; else ""
	Port    string `json:"port"`    // "": a tunnel, or of lost all ports
	VLAN    uint16 `json:"vlan"`
	Expires int    `json:"expires"` // in seconds; -1: not by itself
}

func (all GroupList) String() string {
	var b strings.Builder
	for i, m := range all {
		if i == macLines {
			fmt.Fprintf(&b, "and %d more\n", len(all)-i)
			break
		}
		fmt.Fprintf(&b, "%s %s %s", problem.Name(m.Switch), m.Family, m.Role)
		if m.Address != "" {
			b.WriteString(" " + m.Address)
		}
		if m.Role == lostGroups {
			b.WriteString(" all ports")
		} else if m.Port == "" {
			b.WriteString(" tunnel")
		} else {
			fmt.Fprintf(&b, " port %s vlan %d", problem.Name(m.Port), m.VLAN)
		}
		if m.Expires >= 0 {
			fmt.Fprintf(&b, " expires %d", m.Expires)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// lostGroups is the role of a line for a switch of which messages were lost.
const lostGroups = "lost"

func (a *Agent) lostGroups(ctx context.Context) (map[intent.SwitchID]time.Duration, error) {
	if p, ok := a.opts.Plane.(plane.GroupLoser); ok {
		return p.LostGroups(ctx)
	}
	return nil, nil
}

// Groups lists what is known of groups in the logical switch called name; "": in all.
func (a *Agent) Groups(ctx context.Context, name string) (GroupList, error) {
	return ask(ctx, a, func(ctx context.Context) (GroupList, error) {
		if err := a.checkName(name); err != nil {
			return nil, err
		}
		list := GroupList{}
		for e := range a.groups.table.Entries(time.Now()) {
			ls := a.compiler.State().Switches[e.Switch].Name
			if name != "" && ls != name {
				continue
			}
			line := GroupLine{Switch: ls, Role: e.Role.String(), Family: "igmp", Port: e.At.Port, VLAN: e.At.VLAN, Expires: -1}
			if e.IPv6 {
				line.Family = "mld"
			}
			if e.Address.IsValid() {
				line.Address = e.Address.String()
			}
			if e.Left >= 0 {
				line.Expires = int(e.Left.Seconds())
			}
			list = append(list, line)
		}
		lost, err := a.lostGroups(ctx)
		if err != nil {
			return nil, err
		}
		for id, left := range lost {
			ls := a.compiler.State().Switches[id].Name
			for _, family := range []string{"igmp", "mld"} {
				if name == "" || ls == name {
					list = append(list, GroupLine{Switch: ls, Role: lostGroups, Family: family, Expires: int(left.Seconds())})
				}
			}
		}
		slices.SortFunc(list, func(x, y GroupLine) int {
			return cmp.Or(cmp.Compare(x.Switch, y.Switch), cmp.Compare(x.Family, y.Family), cmp.Compare(x.Role, y.Role),
				cmp.Compare(x.Address, y.Address), cmp.Compare(x.Port, y.Port), cmp.Compare(x.VLAN, y.VLAN))
		})
		return list, nil
	})
}

// FlushGroups forgets what is known of groups in the logical switch called name, or in all if that
// is "". Every frame then goes to all, until hosts were asked again.
func (a *Agent) FlushGroups(ctx context.Context, name string) (string, error) {
	return ask(ctx, a, func(context.Context) (string, error) {
		if err := a.checkName(name); err != nil {
			return "", err
		}
		for id, ls := range a.compiler.State().Switches {
			if name == "" || ls.Name == name {
				a.groups.table.Flush(id)
			}
		}
		return "table successfully flushed\n", nil // as Open vSwitch says it
	})
}

// GroupStats is how many messages of IGMP, MLD and PIM were taken, and how many were not, by the
// reason.
type GroupStats struct {
	Memberships int `json:"memberships"` // of a binding in a group

	Queries uint64            `json:"queries"`
	Reports uint64            `json:"reports"`
	Hellos  uint64            `json:"hellos"`
	Ignored map[string]uint64 `json:"ignored"`
	Refused uint64            `json:"refused"` // joins for which there was no room
	Lost    uint64            `json:"lost"`    // times that messages were lost
}

func (s GroupStats) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "memberships: %d\n", s.Memberships)
	fmt.Fprintf(&b, "queries: %d\nreports: %d\nhellos: %d\nrefused: %d\nlost: %d\n", s.Queries, s.Reports, s.Hellos, s.Refused, s.Lost)
	for _, why := range slices.Sorted(maps.Keys(s.Ignored)) {
		fmt.Fprintf(&b, "ignored %s: %d\n", why, s.Ignored[why])
	}
	return b.String()
}

// GroupStats counts messages.
func (a *Agent) GroupStats(ctx context.Context) (GroupStats, error) {
	return ask(ctx, a, func(context.Context) (GroupStats, error) { return a.groupStats(), nil })
}

func (a *Agent) groupStats() GroupStats {
	c := a.groups.table.Counts()
	s := GroupStats{a.groups.table.Len(), c.Queries, c.Reports, c.Hellos, map[string]uint64{}, c.Refused, c.Lost}
	for why, n := range c.Ignored {
		s.Ignored[string(why)] = n
	}
	return s
}
