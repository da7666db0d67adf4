package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/quantity"
)

// screenLines is how many ports, switches, tunnels, controllers and problems a screen has of each.
const screenLines = 10

// text is the status as a person reads it: at most screenLines lines of each part, what needs
// care first; with all everything, in full.
func (s *vtepStatus) text(all bool) string {
	p := &statusPage{most: screenLines, all: all}
	if all {
		p.most = 1 << 30
	}
	p.head(s)
	p.ports(s)
	p.paths(s)
	p.switches(s)
	p.tunnels(s)
	p.controllers(s)
	p.listeners(s)
	p.captures(s)
	p.drops(s)
	p.problems(s)
	return p.b.String()
}

type statusPage struct {
	b    strings.Builder
	most int  // lines of each part
	all  bool // also of each text
}

func (p *statusPage) head(s *vtepStatus) {
	ips := strings.Join(s.TunnelIPs, " ")
	if ips == "" {
		ips = "none"
	}
	fmt.Fprintf(&p.b, "switch %s: %s, plane %s, tunnel IP %s, up %s\n", problem.Name(s.Switch), s.State, s.Plane, ips, quantity.Span(seconds(s.Uptime)))
	fmt.Fprintf(&p.b, "vtep %s, schema %s, Linux %s, %s, process %d\n", s.Versions.VTEP, s.Versions.Schema, s.Versions.Kernel, s.Versions.Go, s.PID)
	if s.Database.File != "" {
		fmt.Fprintf(&p.b, "database %s: %s\n", s.Database.File, s.Database.contents())
	} else if s.Database.Server != "" {
		state := "connected"
		if !s.Database.Connected {
			state = "not connected"
		}
		fmt.Fprintf(&p.b, "database at %s: %s\n", s.Database.Server, state)
	}
	limit := ""
	if s.MACs.Limit > 0 {
		limit = fmt.Sprintf(" of at most %d", s.MACs.Limit)
	}
	fmt.Fprintf(&p.b, "MACs: %d learned%s, %d remote, %s\n", s.MACs.Entries, limit, s.MACs.Remote, quantity.Of(s.MACs.Moved, "move"))
}

// contents says what is in the file, and how much it is used.
func (d *databaseStatus) contents() string {
	return fmt.Sprintf("%s, %s, %s, %s", quantity.Bytes(float64(d.Bytes)), quantity.Of(d.Rows, "row"), quantity.Of(d.Sessions, "session"), quantity.Of(d.Commits, "commit"))
}

func (p *statusPage) ports(s *vtepStatus) {
	list := slices.Clone(s.Ports)
	slices.SortStableFunc(list, func(a, b agent.PortStatus) int {
		return cmp.Or(-compareBool(a.State != "up", b.State != "up"), cmp.Compare(b.InByteRate+b.OutByteRate, a.InByteRate+a.OutByteRate))
	})
	rows := [][]string{{"PORT", "STATE", "BINDINGS", "MACS", "IN pkt/s", "IN bit/s", "OUT pkt/s", "OUT bit/s"}}
	for _, o := range list {
		rows = append(rows, append([]string{problem.Name(o.Name), p.withWhy(o.State, o.Why), fmt.Sprint(o.Bindings), fmt.Sprint(o.MACs)}, s.rates(&o.TrafficStatus)...))
	}
	p.table(rows)
}

// rates are the last four columns of ports and tunnels.
func (s *vtepStatus) rates(t *agent.TrafficStatus) []string {
	if s.RatesOver == 0 || t == nil {
		return []string{"-", "-", "-", "-"}
	}
	return []string{quantity.Number(t.InPacketRate), quantity.Number(8 * t.InByteRate), quantity.Number(t.OutPacketRate), quantity.Number(8 * t.OutByteRate)}
}

func (p *statusPage) switches(s *vtepStatus) {
	list := slices.Clone(s.Switches)
	slices.SortStableFunc(list, func(a, b agent.SwitchStatus) int {
		return cmp.Compare(b.LocalMACs+b.RemoteMACs, a.LocalMACs+a.RemoteMACs)
	})
	rows := [][]string{{"LOGICAL SWITCH", "VNI", "BINDINGS", "LOCAL MACS", "REMOTE MACS", "PEERS"}}
	for _, o := range list {
		vni := fmt.Sprint(o.VNI)
		if o.VNI == 0 {
			vni = "-"
		}
		rows = append(rows, []string{problem.Name(o.Name), vni, fmt.Sprint(o.Bindings), fmt.Sprint(o.LocalMACs), fmt.Sprint(o.RemoteMACs), fmt.Sprint(o.Peers)})
	}
	p.table(rows)
}

func (p *statusPage) tunnels(s *vtepStatus) {
	list := slices.Clone(s.Tunnels)
	slices.SortStableFunc(list, func(a, b agent.TunnelStatus) int { return -compareBool(a.State != "up", b.State != "up") })
	rows := [][]string{{"TUNNEL TO", "FROM", "STATE", "BFD", "FLAPS", "VNIS", "IN pkt/s", "IN bit/s", "OUT pkt/s", "OUT bit/s"}}
	for _, o := range list {
		bfd, flaps := "-", "-"
		if o.BFD != nil {
			bfd, flaps = o.BFD.State, fmt.Sprint(o.BFD.Flaps)
		}
		rows = append(rows, append([]string{o.Remote, o.Local, p.withWhy(o.State, o.Why), bfd, flaps, fmt.Sprint(o.VNIs)}, s.rates(o.TrafficStatus)...))
	}
	p.table(rows)
}

func (p *statusPage) controllers(s *vtepStatus) {
	list := slices.Clone(s.Controllers)
	good := func(c controller) bool { return c.State == "connected" || c.State == "listening" }
	slices.SortStableFunc(list, func(a, b controller) int { return -compareBool(!good(a), !good(b)) })
	rows := [][]string{{"CONTROLLER", "NAMED BY", "STATE", "SINCE", "SESSIONS"}}
	for _, c := range list {
		by, since := "--remote", "-"
		if c.Managed {
			by = "Manager"
		}
		if c.Seconds > 0 {
			since = quantity.Span(seconds(c.Seconds))
		}
		rows = append(rows, []string{problem.Name(c.Target), by, p.withWhy(c.State, c.Why), since, fmt.Sprint(c.Sessions)})
	}
	p.table(rows)
}

func (p *statusPage) listeners(s *vtepStatus) {
	rows := [][]string{{"LISTENS ON", "FOR", "WHO MAY USE IT"}}
	for _, l := range s.Listeners {
		rows = append(rows, []string{l.Address, l.For, l.Who})
	}
	p.table(rows)
}

func (p *statusPage) captures(s *vtepStatus) {
	rows := [][]string{{"CAPTURES", "FOR", "CAPTURED", "LOST"}}
	for _, c := range s.Captures {
		rows = append(rows, []string{cmp.Or(c.Options, "everything"), quantity.Span(seconds(c.Seconds)), fmt.Sprint(c.Captured), fmt.Sprint(c.Lost)})
	}
	p.table(rows)
}

func (p *statusPage) drops(s *vtepStatus) {
	since := "IN THE LAST MINUTE"
	if s.RoseOver > 0 && s.RoseOver < 55 {
		since = fmt.Sprintf("IN THE LAST %.0f S", max(s.RoseOver, 1))
	}
	rows := [][]string{{"FRAMES DROPPED", since, "IN ALL"}}
	list := slices.Clone(s.Drops)
	slices.SortStableFunc(list, func(a, b agent.DropStatus) int { return cmp.Compare(b.Rose, a.Rose) })
	for _, d := range list {
		if d.Rose == 0 && !p.all {
			continue
		}
		rose := fmt.Sprint(d.Rose)
		if s.RoseOver == 0 {
			rose = "-"
		}
		rows = append(rows, []string{d.Reason, rose, fmt.Sprint(d.Total)})
	}
	p.table(rows)
}

func (p *statusPage) problems(s *vtepStatus) {
	if len(s.Problems) == 0 {
		p.b.WriteString("\nno problems\n")
		return
	}
	p.b.WriteString("\nPROBLEMS\n")
	for i, o := range s.Problems {
		if i == p.most {
			fmt.Fprintf(&p.b, "and %d more; \"vtep appctl vtep/problems\" lists them\n", len(s.Problems)-i)
			return
		}
		fmt.Fprintf(&p.b, "%s: %s: %s\n", o.Kind, o.Object, o.Text)
		if o.Remedy != "" {
			fmt.Fprintf(&p.b, "    what to do: %s\n", o.Remedy)
		}
	}
}

// table prints rows below their heading, in columns; nothing if there is only the heading.
func (p *statusPage) table(rows [][]string) {
	if len(rows) == 1 {
		return
	}
	left := len(rows) - 1 - p.most
	if left > 0 {
		rows = rows[:1+p.most]
	}
	widths := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	p.b.WriteByte('\n')
	for _, row := range rows {
		line := ""
		for i, cell := range row {
			line += cell + strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+2)
		}
		p.b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if left > 0 {
		fmt.Fprintf(&p.b, "and %d more; --all shows them\n", left)
	}
}

func (p *statusPage) withWhy(state, why string) string {
	if why == "" {
		return state
	}
	if r := []rune(why); len(r) > 60 && !p.all {
		why = string(r[:57]) + "..."
	}
	return state + " (" + why + ")"
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return 1
	}
	return -1
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
