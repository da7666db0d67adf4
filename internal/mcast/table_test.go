package mcast

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/igmp"
	"github.com/vtep/vtep/internal/intent"
)

var (
	red   = intent.SwitchID{1}
	blue  = intent.SwitchID{2}
	epoch = time.Unix(1_000_000, 0)
)

func at(port string) intent.BindingKey { return intent.BindingKey{Port: port} }

// site is a State with the ports of red, each with a binding, and p9 of blue, which does not snoop.
func site(ports ...string) *intent.State {
	s := intent.NewState()
	s.Switches[red] = intent.Switch{Name: "red", SwitchOptions: intent.SwitchOptions{SnoopGroups: true}}
	s.Switches[blue] = intent.Switch{Name: "blue"}
	for _, p := range append(ports, "p9") {
		s.Ports[p] = intent.Port{}
		s.Bindings[at(p)] = intent.Binding{Switch: red}
	}
	s.Bindings[at("p9")] = intent.Binding{Switch: blue}
	return s
}

// failer is what a bench needs of a test, or of one run of a property.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// bench is a Table under test, and what it has said.
type bench struct {
	failer
	table   *Table
	state   *intent.State
	now     time.Time
	rows    map[intent.MACKey]bool
	queries []Query
}

func newBench(t failer, cfg Config, ports ...string) *bench {
	b := &bench{failer: t, table: New(cfg), state: site(ports...), now: epoch, rows: map[intent.MACKey]bool{}}
	b.table.Follow(b.now, b.state, nil)
	b.take()
	return b
}

// take puts what the Table says into the State, which must pass Check.
func (b *bench) take() {
	sets, groups, queries := b.table.Take(b.now)
	for _, c := range sets {
		if c.Set == nil {
			delete(b.state.Members, c.Key)
		} else {
			b.state.Members[c.Key] = c.Set
		}
	}
	for _, key := range groups {
		if b.rows[key] = b.table.Has(key); !b.rows[key] {
			delete(b.rows, key)
		}
	}
	b.queries = append(b.queries, queries...)
	if err := b.state.Check(); err != nil {
		b.Fatalf("%v: %v", b.now.Sub(epoch), err)
	}
}

// change edits the State and has the Table follow.
func (b *bench) change(edit func(*intent.State)) {
	next := b.state.Clone()
	edit(next)
	b.table.Follow(b.now, next, intent.Diff(b.state, next))
	b.state = next
	b.take()
}

// until lets time pass to that many seconds after the beginning.
func (b *bench) until(seconds float64) {
	end := epoch.Add(time.Duration(seconds * float64(time.Second)))
	for {
		next := b.table.Next()
		if next.IsZero() || next.After(end) {
			break
		}
		b.now = next
		b.table.Expire(b.now)
		b.take()
	}
	b.now = end
	b.table.Expire(b.now)
	b.take()
}

func (b *bench) hear(from string, frame []byte) {
	place := intent.BindingKey{}
	if from != "tunnel" {
		place = at(from)
	}
	b.table.Hear(b.now, red, place, frame)
	b.take()
}

// expect compares the sets, as "GROUP PORT..." each; GROUP is "others", "reports", or the last byte
// of the MAC in hexadecimal, after a 6 for IPv6.
func (b *bench) expect(want ...string) {
	b.Helper()
	got := []string{}
	for key, set := range b.state.Members {
		line := fmt.Sprintf("%x", key.MAC[5])
		switch key.MAC {
		case intent.OtherGroups4, intent.OtherGroups6:
			line = "others"
		case intent.Reports4, intent.Reports6:
			line = "reports"
		}
		if key.MAC.IsIPv6Group() {
			line = "6 " + line
		}
		for _, at := range set {
			line += " " + at.Port
		}
		got = append(got, line)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		b.Fatalf("after %v: sets are\n\t%s\nwant\n\t%s", b.now.Sub(epoch), strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// expectQueries compares the queries since the last call, as "PORT GROUP VERSION".
func (b *bench) expectQueries(want ...string) {
	b.Helper()
	got := []string{}
	for _, q := range b.queries {
		got = append(got, fmt.Sprintf("%s %v v%d", q.At.Port, q.Group, q.Version))
	}
	b.queries = nil
	slices.SortStableFunc(got, cmp.Compare[string])
	if !slices.Equal(got, want) {
		b.Fatalf("after %v: queries are %q, want %q", b.now.Sub(epoch), got, want)
	}
}

var (
	g1, g2 = netip.MustParseAddr("239.1.1.1"), netip.MustParseAddr("239.1.1.2")
	g1twin = netip.MustParseAddr("238.129.1.1") // has the MAC of g1
	h1     = netip.MustParseAddr("ff05::1:11")
)

func TestMembers(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1", "p2", "p3")
	b.hear("p0", igmpReport(2, g1))
	b.expect() // nobody asks: all is flooded
	b.hear("p3", igmpQuery("192.0.2.1", 2, 10))
	b.expect()
	b.until(5)
	b.hear("p0", igmpReport(2, g1))
	b.hear("p1", igmpReport(2, g2))
	b.until(10)
	b.expect() // they have the time to answer, and some to be heard
	b.until(11)
	b.expect("others p3", "reports p3", "1 p0 p3", "2 p1 p3")
	b.hear("p1", igmpReport(2, g1))
	b.expect("others p3", "reports p3", "1 p0 p1 p3", "2 p1 p3")
	b.expectQueries()

	// One that leaves is asked for twice, in one second each.
	b.hear("p1", igmpLeave(2, g1))
	b.expectQueries("p1 239.1.1.1 v2")
	b.hear("p1", igmpLeave(2, g1)) // whoever says so again changes nothing
	b.expectQueries()
	b.until(12)
	b.expectQueries("p1 239.1.1.1 v2")
	b.until(13.9)
	b.expect("others p3", "reports p3", "1 p0 p1 p3", "2 p1 p3")
	b.until(14)
	b.expect("others p3", "reports p3", "1 p0 p3", "2 p1 p3")
	// Or somebody answers.
	b.hear("p0", igmpLeave(2, g1))
	b.until(14.5)
	b.hear("p0", igmpReport(2, g1))
	b.until(20)
	b.expectQueries("p0 239.1.1.1 v2")
	b.expect("others p3", "reports p3", "1 p0 p3", "2 p1 p3")

	// Who is not heard of any more ages out, after 260 s; the querier is heard of.
	b.until(125)
	b.hear("p3", igmpQuery("192.0.2.1", 2, 10))
	b.hear("p0", igmpReport(2, g1))
	b.until(250)
	b.hear("p3", igmpQuery("192.0.2.1", 2, 10))
	b.until(264.9)
	b.expect("others p3", "reports p3", "1 p0 p3", "2 p1 p3")
	b.until(265)
	b.expect("others p3", "reports p3", "1 p0 p3")
	if b.rows[intent.MACKey{Switch: red, MAC: igmp.MAC(g2)}] || !b.rows[intent.MACKey{Switch: red, MAC: igmp.MAC(g1)}] {
		t.Errorf("groups with members are %v", b.rows)
	}
	// And when nobody asks, all is flooded again.
	b.until(600)
	b.expect()
	if len(b.rows) > 0 || len(b.table.alarms) > 0 {
		t.Errorf("left are %v, and %d alarms", b.rows, len(b.table.alarms))
	}
}

func TestVersionsOfQueries(t *testing.T) {
	for _, c := range []struct {
		query []byte // nil: nobody asks
		leave []byte
		want  []string
	}{
		{nil, igmpLeave(2, g1), []string{"p0 239.1.1.1 v2"}},
		{nil, igmpLeave(3, g1), []string{"p0 239.1.1.1 v3"}},
		{igmpQuery("192.0.2.1", 3, 10), igmpLeave(2, g1), []string{"p0 239.1.1.1 v3"}},
		{igmpQuery("192.0.2.1", 2, 10), igmpLeave(3, g1), []string{"p0 239.1.1.1 v2"}},
		{igmpQuery("192.0.2.1", 1, 10), igmpLeave(2, g1), []string{"p0 239.1.1.1 v2"}},
		{igmpQuery("192.0.2.1", 2, 10), igmpReport(1, g1), nil},
	} {
		b := newBench(t, Config{Asks: true}, "p0", "p1")
		if c.query != nil {
			b.hear("p1", c.query)
		}
		b.hear("p0", igmpReport(2, g1))
		b.hear("p0", c.leave)
		b.expectQueries(c.want...)
	}
}

// A host of IGMPv1 says nothing when it leaves, and does not answer when another leaves.
func TestOldHost(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.1", 2, 10))
	b.hear("p0", igmpReport(1, g1))
	b.hear("p0", igmpReport(2, g1))
	b.until(30)
	b.hear("p0", igmpLeave(2, g1))
	b.expectQueries()
	b.until(100)
	b.expect("others p2", "reports p2", "1 p0 p2")
	b.hear("p0", igmpReport(2, g1))
	b.until(259)
	b.hear("p2", igmpQuery("192.0.2.1", 2, 10))
	b.until(260)
	b.hear("p0", igmpLeave(2, g1)) // it would have told of itself since
	b.until(264)
	b.expect("others p2", "reports p2")
}

// A MAC is of 32 groups: only when the last of them is left nobody is in it.
func TestGroupsOfOneMAC(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.1", 3, 10))
	b.hear("p0", igmpReport(3, g1, g1twin))
	b.until(11)
	b.hear("p0", igmpLeave(3, g1))
	b.until(20)
	b.expect("others p2", "reports p2", "1 p0 p2")
	b.hear("p0", igmpLeave(3, g1twin))
	b.until(30)
	b.expect("others p2", "reports p2")
}

// A query of nobody's address is of a switch: reports go there, and data does not (RFC 4541, 2.1.1).
func TestQuerierWithoutAddress(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("0.0.0.0", 2, 10))
	b.hear("p0", igmpReport(2, g1))
	b.until(11)
	b.expect("others", "reports p2", "1 p0")
	b.hear("p1", igmpQuery("192.0.2.9", 2, 10)) // a router that is elected
	b.expect("others p1", "reports p1 p2", "1 p0 p1")
	b.hear("p2", igmpQuery("0.0.0.0", 2, 10)) // is not beaten by it
	if q := b.table.switches[red].families[0].querier.addr; q != netip.MustParseAddr("192.0.2.9") {
		t.Errorf("the querier is %v", q)
	}
	b.until(270)
	b.expect("others p1", "reports p1 p2")
}

func TestRouters(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1", "p2")
	b.hear("tunnel", igmpQuery("192.0.2.1", 2, 10)) // its hosts are asked like all; it is no binding
	b.until(11)
	b.expect("others", "reports")
	b.hear("p1", pimHello(40))
	b.expect("others p1", "reports p1")
	b.until(50)
	b.hear("p1", pimHello(40))
	b.hear("p1", pimHello(10)) // does not make it shorter
	b.until(89)
	b.expect("others p1", "reports p1")
	b.until(90)
	b.expect("others", "reports")
	b.hear("p1", pimHello(40))
	b.hear("p1", pimHello(0)) // goodbye
	b.expect("others", "reports")
	b.hear("tunnel", pimHello(40))
	b.hear("tunnel", igmpReport(2, g1))
	b.expect("others", "reports")
}

func TestFamiliesApart(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1", "p2")
	b.hear("p2", mldQuery(2, 10))
	b.hear("p0", mldReport(2, h1))
	b.hear("p1", igmpReport(2, g1))
	b.until(11)
	b.expect("6 others p2", "6 reports p2", "6 11 p0 p2")
	b.hear("p0", mldLeave(1, h1))
	b.until(20)
	b.expectQueries("p0 ff05::1:11 v2", "p0 ff05::1:11 v2")
	b.expect("6 others p2", "6 reports p2")
}

// What all hosts get is nothing to remember.
func TestGroupsForAll(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1")
	b.hear("p0", igmpReport(2, netip.MustParseAddr("224.0.0.251")))
	b.hear("p0", mldReport(2, netip.MustParseAddr("ff02::1:ff00:1")))
	b.hear("p0", mldReport(2, netip.MustParseAddr("ff02::fb")))
	if b.table.memberships != 1 || len(b.rows) != 1 {
		t.Errorf("%d memberships, groups %v", b.table.memberships, b.rows)
	}
}

// A binding whose hosts were not asked gets everything, however it came about.
func TestOpenBindings(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.1", 3, 10))
	b.hear("p0", igmpReport(3, g1))
	b.until(11)
	b.expect("others p2", "reports p2", "1 p0 p2")
	b.change(func(s *intent.State) {
		s.Ports["p4"] = intent.Port{}
		s.Bindings[at("p4")] = intent.Binding{Switch: red}
	})
	b.expectQueries("p4 0.0.0.0 v3")
	b.expect("others p2 p4", "reports p2 p4", "1 p0 p2 p4")
	b.until(22)
	b.expect("others p2", "reports p2", "1 p0 p2")
	// The link of a port goes, and comes again: its hosts may be others.
	b.table.PortChanged(b.now, "p0", false)
	b.take()
	b.expect("others p0 p2", "reports p0 p2")
	b.table.PortChanged(b.now, "p0", true)
	b.take()
	b.expectQueries("p0 0.0.0.0 v3")
	b.until(32)
	b.hear("p0", igmpReport(3, g1))
	b.until(33)
	b.expect("others p2", "reports p2", "1 p0 p2")
	// The port of the router goes: it may be anywhere.
	b.table.PortChanged(b.now, "p2", false)
	b.take()
	b.expect("others p2", "reports p2", "1 p0 p2")
	// What was lost nobody knows.
	b.table.Lost()
	b.take()
	b.expect()
	b.hear("p2", igmpQuery("192.0.2.1", 3, 1))
	b.until(35)
	b.expect("others p2", "reports p2", "1 p0 p2")
	b.change(func(s *intent.State) { delete(s.Bindings, at("p0")) })
	b.expect("others p2", "reports p2")
	b.change(func(s *intent.State) {
		s.Switches[red] = intent.Switch{Name: "red"}
	})
	b.expect()
	if len(b.table.alarms)+b.table.memberships+len(b.table.bindings)+len(b.table.switches) > 0 {
		t.Errorf("left are %d alarms, %d memberships, %d bindings", len(b.table.alarms), b.table.memberships, len(b.table.bindings))
	}
}

// Where not everything is flooded, all get what is not known for a while, and always while somebody asks.
func TestLimitedFlooding(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1")
	limit := func(f intent.Flooding) {
		b.change(func(s *intent.State) {
			row := s.Switches[red]
			row.Flooding = f
			s.Switches[red] = row
		})
	}
	b.expect()
	limit(intent.FloodNone)
	all := []string{"others p0 p1", "reports p0 p1", "6 others p0 p1", "6 reports p0 p1"}
	b.expect(all...)
	limit(intent.FloodAll)
	b.expect()
	limit(intent.FloodNeighbors)
	b.expect(all...)
	six := []string{"6 others p0 p1", "6 reports p0 p1"}
	b.hear("p1", igmpQuery("192.0.2.1", 2, 1))
	b.hear("p0", igmpReport(2, g1))
	b.until(2)
	b.expect(append(slices.Clone(six), "others p1", "reports p1", "1 p0 p1")...)
	// Nobody asks by MLD, and for long enough those who have been getting it got it.
	b.until(100)
	b.hear("p1", igmpQuery("192.0.2.1", 2, 1))
	b.until(260)
	b.expect("others p1", "reports p1")
	// Messages are lost, while somebody asks; then nobody does any more.
	b.until(262)
	b.table.Lost()
	b.take()
	b.expect("others p0 p1", "reports p0 p1")
	b.until(361) // nobody asks since 360
	b.expect("others p0 p1", "reports p0 p1")
	b.until(522)
	b.expect()
}

// A new port is asked by MLD in the name of the querier, but not where that is.
func TestAskMLD(t *testing.T) {
	b := newBench(t, Config{Asks: true}, "p0", "p1")
	b.hear("p1", mldQuery(2, 1))
	b.until(2)
	b.table.PortChanged(b.now, "p0", true)
	b.table.PortChanged(b.now, "p1", true)
	b.take()
	b.expect() // all are open
	if len(b.queries) != 1 || b.queries[0].Querier != netip.MustParseAddr("fe80::1") {
		t.Fatalf("queries are %+v", b.queries)
	}
	b.queries[0].From = [6]byte{2, 0, 0, 0, 0, 0x77}
	m, err := igmp.Parse(b.queries[0].Frame())
	if err != nil || m.Kind != igmp.Query || m.Source != b.queries[0].Querier || m.Group.IsValid() {
		t.Errorf("the query is %+v, %v", m, err)
	}
	b.expectQueries("p0 :: v2")
}

func TestFloodUnregistered(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.1", 3, 10))
	b.hear("p0", igmpReport(3, g1))
	b.until(11)
	flood := func(on bool) {
		b.change(func(s *intent.State) {
			s.Switches[red] = intent.Switch{Name: "red", SwitchOptions: intent.SwitchOptions{SnoopGroups: true, FloodUnregistered: on}}
		})
	}
	flood(true)
	b.expect("reports p2", "1 p0 p2")
	flood(false)
	b.expect("others p2", "reports p2", "1 p0 p2")
}

// Groups without end: what is not remembered is not kept from anybody either.
func TestTooManyGroups(t *testing.T) {
	b := newBench(t, Config{PerBinding: 4, Total: 6}, "p0", "p1", "p2", "p3")
	b.hear("p3", igmpQuery("192.0.2.1", 3, 10))
	b.until(11)
	many := func(n int) (groups []netip.Addr) {
		for i := range n {
			groups = append(groups, netip.AddrFrom4([4]byte{239, 5, byte(i >> 8), byte(i)}))
		}
		return groups
	}
	b.hear("p0", igmpReport(3, many(300)...))
	b.hear("p1", igmpReport(3, many(3)...))
	if b.table.memberships != 6 || b.table.Counts().Refused != 296+1 {
		t.Errorf("%d memberships, %d refused", b.table.memberships, b.table.Counts().Refused)
	}
	b.expect("others p0 p1 p3", "reports p0 p1 p3", "0 p0 p1 p3", "1 p0 p1 p3", "2 p0 p1 p3", "3 p0 p1 p3")
	b.until(125)
	b.hear("p3", igmpQuery("192.0.2.1", 3, 10))
	b.until(272)
	b.expect("others p3", "reports p3") // it is over as soon as no member can be missing
}

// Of a report that is too long nobody knows all groups.
func TestPartOfReport(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.1", 3, 10))
	b.until(11)
	b.table.HearPart(b.now, red, at("p0"))
	b.table.HearPart(b.now, blue, at("p1")) // where it is not
	b.take()
	b.expect("others p0 p2", "reports p0 p2")
	b.hear("p2", mldQuery(2, 10))
	b.until(23)
	b.expect("others p0 p2", "reports p0 p2", "6 others p0 p2", "6 reports p0 p2")
}

// What a querier says never has members forgotten sooner than others ask for them.
func TestHastyQuerier(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.9", 3, 10))
	b.hear("p1", build("0.0.0.1", "224.0.0.1", "1101000000000000 0101 0000"))
	b.hear("p0", igmpReport(3, g1))
	b.until(250)
	b.expect("others p1 p2", "reports p1 p2", "1 p0 p1 p2")
	// And one that takes its time is given it.
	b.hear("p2", build("0.0.0.0", "224.0.0.1", "11640000 00000000 027d 0000"))
	b.hear("p1", build("0.0.0.1", "224.0.0.1", "11640000 00000000 03f8 0000")) // every 12,288 s
	b.hear("p0", igmpReport(3, g1))
	b.until(3800)
	b.expect("others p1", "reports p1", "1 p0 p1")
}

func TestIgnored(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1")
	report := igmpReport(2, g1)
	for i, spoil := range []func([]byte){
		func(b []byte) { b[len(b)-7] ^= 1 }, func(b []byte) { b[len(b)-1] ^= 1 }, func(b []byte) { b[22] = 7; sumIPv4(b) },
		func(b []byte) { copy(b[34:], []byte{1, 1, 1, 1}); sumIPv4(b) }, func(b []byte) { b[5] ^= 1 }, func(b []byte) { b[23] = 17; sumIPv4(b) },
	} {
		frame := slices.Clone(report)
		spoil(frame)
		b.hear("p0", frame)
		if b.table.memberships != 0 {
			t.Fatalf("frame %d: % x is taken", i, frame)
		}
	}
	b.hear("p0", report[:20])
	want := map[igmp.Reason]uint64{igmp.BadChecksum: 2, igmp.BadTTL: 1, igmp.NoAlert: 1, igmp.BadAddress: 1, igmp.Other: 1, igmp.Malformed: 1}
	if got := b.table.Counts().Ignored; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("ignored %v, want %v", got, want)
	}
	b.table.Hear(b.now, blue, at("p9"), report)                      // does not snoop
	b.table.Hear(b.now, red, at("p9"), report)                       // of another switch
	b.table.Hear(b.now, intent.SwitchID{9}, at("p0"), report)        // of none
	b.table.Hear(b.now, red, intent.BindingKey{Port: "p77"}, report) // gone
	if b.table.memberships != 0 {
		t.Error("a report of nobody is taken")
	}
}

func TestFlush(t *testing.T) {
	b := newBench(t, Config{}, "p0", "p1", "p2")
	b.hear("p2", igmpQuery("192.0.2.1", 3, 10))
	b.hear("p0", igmpReport(3, g1))
	b.until(11)
	b.table.Flush(red)
	b.table.Flush(blue)
	b.take()
	b.expect()
	if len(b.rows)+len(b.table.alarms) > 0 {
		t.Errorf("left are %v, %d alarms", b.rows, len(b.table.alarms))
	}
	b.hear("p2", igmpQuery("192.0.2.1", 3, 10))
	b.until(22)
	b.expect("others p2", "reports p2")
}

func TestManyOpenBindings(t *testing.T) {
	ports := []string{}
	for i := range maxOpen + 3 {
		ports = append(ports, fmt.Sprintf("q%02d", i))
	}
	b := newBench(t, Config{}, ports...)
	b.hear("q00", igmpQuery("192.0.2.1", 3, 10))
	b.until(11)
	b.expect("others q00", "reports q00")
	for _, p := range ports[1 : maxOpen+2] {
		b.table.PortChanged(b.now, p, true)
	}
	b.take()
	b.expect() // rather than sets of nearly all
}
