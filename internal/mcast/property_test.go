package mcast

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/igmp"
	"github.com/vtep/vtep/internal/intent"
)

// world is hosts behind ports that do as the standards say, and somebody who does not: what the
// Table says must never keep a frame from a host that is in its group.
type world struct {
	*bench
	draw   *rapid.T
	groups []netip.Addr
	ports  []string
	in     map[string]map[netip.Addr]int // hosts that are in a group, by port
	due    []answer                      // in the order of time
}

type answer struct {
	at    time.Time
	port  string
	group netip.Addr
}

func (w *world) report(port string, group netip.Addr) {
	version := 2
	if group.Is4() {
		version = rapid.SampledFrom([]int{2, 3}).Draw(w.draw, "version")
	}
	w.hear(port, igmpReport(version, group))
}

// answerLater has every host of the group, or of all, answer within the time, and some on the way.
func (w *world) answerLater(port string, group netip.Addr, within time.Duration) {
	for g, n := range w.in[port] {
		if n == 0 || group.IsValid() && g != group {
			continue
		}
		delay := time.Duration(rapid.Int64Range(0, int64(within+900*time.Millisecond)).Draw(w.draw, "delay"))
		w.due = append(w.due, answer{w.now.Add(delay), port, g})
	}
	slices.SortStableFunc(w.due, func(a, b answer) int { return a.at.Compare(b.at) })
}

func (w *world) query(from string, frame []byte) {
	m, err := igmp.Parse(frame)
	if err != nil {
		w.Fatal(err)
	}
	w.hear(from, frame)
	for _, port := range w.ports {
		for g := range w.in[port] {
			if g.Is6() == m.IPv6 {
				w.answerLater(port, g, m.MaxResponse)
			}
		}
	}
}

// pass lets time pass; hosts answer what the Table and the router ask.
func (w *world) pass(d time.Duration) {
	end := w.now.Add(d)
	for {
		for _, q := range w.queries {
			if all := q.Group; all.IsUnspecified() {
				for g := range w.in[q.At.Port] {
					if g.Is4() == all.Is4() {
						w.answerLater(q.At.Port, g, q.MaxResponse)
					}
				}
			} else {
				w.answerLater(q.At.Port, all, q.MaxResponse)
			}
		}
		w.queries = nil
		next := end
		if at := w.table.Next(); !at.IsZero() && at.Before(next) {
			next = at
		}
		if len(w.due) > 0 && !w.due[0].at.After(next) {
			a := w.due[0]
			w.due = w.due[1:]
			w.now = a.at
			w.table.Expire(w.now)
			w.take()
			if w.in[a.port][a.group] > 0 {
				w.report(a.port, a.group)
			}
			w.check()
			continue
		}
		w.now = next
		w.table.Expire(w.now)
		w.take()
		w.check()
		if next.Equal(end) && len(w.queries) == 0 {
			return
		}
	}
}

func (w *world) check() {
	w.Helper()
	members := 0
	for _, port := range w.ports {
		for g, n := range w.in[port] {
			if n == 0 {
				continue
			}
			set, limited := w.state.MembersOf(intent.MACKey{Switch: red, MAC: igmp.MAC(g)}, false)
			if limited && !slices.Contains(set, at(port)) {
				w.Fatalf("after %v: the host at %s in %v gets nothing; the set is %v", w.now.Sub(epoch), port, g, set)
			}
		}
	}
	for _, ls := range w.table.switches {
		for i, f := range ls.families {
			for g, all := range f.groups {
				for at, m := range all {
					if members++; m.end.place == 0 || m.b.at != at || familyOf(g.Is6()) != i {
						w.Fatalf("membership %v of %v in %v", at, g, m)
					}
				}
			}
		}
	}
	if members != w.table.memberships || members > w.table.cfg.Total {
		w.Fatalf("%d memberships, %d counted", members, w.table.memberships)
	}
	if most := members + 4 + 8*len(w.ports); len(w.table.alarms) > most {
		w.Fatalf("%d alarms, for %d memberships", len(w.table.alarms), members)
	}
}

func (w *world) attack() {
	port := rapid.SampledFrom(w.ports).Draw(w.draw, "attacker")
	g := rapid.SampledFrom(w.groups).Draw(w.draw, "attacked")
	switch rapid.IntRange(0, 6).Draw(w.draw, "attack") {
	case 0:
		if g.Is4() {
			w.hear(port, igmpLeave(rapid.SampledFrom([]int{2, 3}).Draw(w.draw, "version"), g))
		} else {
			w.hear(port, mldLeave(rapid.SampledFrom([]int{1, 2}).Draw(w.draw, "version"), g))
		}
	case 1: // hasty
		w.query(port, build("0.0.0.1", "224.0.0.1", "1101 0000 00000000 0101 0000"))
	case 2: // takes its time
		w.query(port, build("0.0.0.2", "224.0.0.1", "11ff 0000 00000000 07ff 0000"))
	case 3:
		w.query(port, igmpQuery("0.0.0.0", rapid.IntRange(1, 3).Draw(w.draw, "version"), 1))
	case 4:
		w.query(port, mldQuery(2, 0))
	case 5:
		w.hear(port, rapid.SliceOfN(rapid.Byte(), 0, 80).Draw(w.draw, "noise"))
	case 6: // joins without end
		for i := range 12 {
			w.hear(port, igmpReport(3, netip.AddrFrom4([4]byte{239, 9, 9, byte(i)})))
		}
	}
}

func TestNobodyIsKeptFromAGroup(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{draw: t, in: map[string]map[netip.Addr]int{}, ports: []string{"p0", "p1", "p2"},
			groups: []netip.Addr{g1, g1twin, g2, h1, netip.MustParseAddr("ff05::2")}}
		w.bench = newBench(t, Config{PerBinding: 8, Total: 16, Asks: true}, w.ports...)
		for _, p := range w.ports {
			w.in[p] = map[netip.Addr]int{}
		}
		nextAsked := w.now
		router := rapid.SampledFrom([]int{0, 1, 2, 3}).Draw(t, "router") // 0: nobody asks
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			port := rapid.SampledFrom(w.ports).Draw(t, "port")
			g := rapid.SampledFrom(w.groups).Draw(t, "group")
			switch rapid.IntRange(0, 7).Draw(t, "step") {
			case 0, 1:
				w.in[port][g]++
				w.report(port, g)
			case 2:
				if w.in[port][g] > 0 {
					w.in[port][g]--
					if g.Is4() {
						w.hear(port, igmpLeave(2, g))
					} else {
						w.hear(port, mldLeave(2, g))
					}
				}
			case 3:
				w.attack()
			case 4:
				switch rapid.IntRange(0, 3).Draw(t, "event") {
				case 0:
					w.table.Lost()
				case 1:
					w.table.PortChanged(w.now, port, rapid.Bool().Draw(t, "up"))
				case 2: // the binding goes, and comes again
					b := w.state.Bindings[at(port)]
					delete(w.state.Bindings, at(port))
					w.table.Follow(w.now, w.state, nil)
					w.take()
					w.state.Bindings[at(port)] = b
					w.table.Follow(w.now, w.state, nil)
				case 3:
					w.table.Flush(red)
				}
				w.take()
			default:
				w.pass(rapid.SampledFrom([]time.Duration{300 * time.Millisecond, 2 * time.Second, 20 * time.Second, 125 * time.Second}).Draw(t, "time"))
			}
			if router > 0 && !w.now.Before(nextAsked) {
				nextAsked = w.now.Add(125 * time.Second)
				w.query("p2", igmpQuery("192.0.2.1", router, 10))
				w.query("p2", mldQuery(max(router-1, 1), 10))
			}
			w.check()
		}
		// When the switch does not snoop any more nothing is left.
		w.change(func(s *intent.State) { s.Switches[red] = intent.Switch{Name: "red"} })
		if len(w.state.Members)+len(w.table.alarms)+w.table.memberships+len(w.rows) > 0 {
			t.Fatalf("left are %v, %d alarms, %d memberships, %v", w.state.Members, len(w.table.alarms), w.table.memberships, w.rows)
		}
	})
}
