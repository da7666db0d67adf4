package agent

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/fdb"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// macLines bounds a listing of MACs as text.
const macLines = 100_000

// LearnedMACs is a listing of MACs that are learned on the ports; as text a line each.
type LearnedMACs []LearnedMAC

// LearnedMAC is one of them: how many seconds ago its last frame came, and how often it has moved since
// it was learned.
type LearnedMAC struct {
	Switch string `json:"logical_switch"`
	MAC    string `json:"mac"`
	Port   string `json:"port"`
	VLAN   uint16 `json:"vlan"`
	Age    int    `json:"age"`
	Moves  int    `json:"moves"`
	IP     string `json:"ip,omitempty"` // that it says it has
}

func (all LearnedMACs) String() string {
	var b strings.Builder
	for i, m := range all {
		if i == macLines {
			fmt.Fprintf(&b, "and %d more\n", len(all)-i)
			break
		}
		fmt.Fprintf(&b, "%s %s port %s vlan %d age %d moves %d", problem.Name(m.Switch), m.MAC, problem.Name(m.Port), m.VLAN, m.Age, m.Moves)
		if m.IP != "" {
			b.WriteString(" ip " + m.IP)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// MACs lists the MACs that are learned in the logical switch called name; "": in all.
func (a *Agent) MACs(ctx context.Context, name string) (LearnedMACs, error) {
	return ask(ctx, a, func(loop context.Context) (LearnedMACs, error) {
		now := time.Now()
		a.sweepNow(loop) // for the ages
		if err := a.checkName(name); err != nil {
			return nil, err
		}
		names := a.compiler.State().Switches
		list := make(LearnedMACs, 0, a.table.Len())
		for e := range a.table.Entries(now) {
			if ls := names[e.Key.Switch].Name; name == "" || ls == name {
				list = append(list, learnedMAC(ls, e))
			}
		}
		slices.SortFunc(list, func(x, y LearnedMAC) int { return cmp.Or(cmp.Compare(x.Switch, y.Switch), cmp.Compare(x.MAC, y.MAC)) })
		return list, nil
	})
}

func learnedMAC(ls string, e fdb.Entry) LearnedMAC {
	m := LearnedMAC{ls, e.Key.MAC.String(), e.At.Port, e.At.VLAN, int(e.Idle.Seconds()), e.Moves, ""}
	if e.IP.IsValid() {
		m.IP = e.IP.String()
	}
	return m
}

// checkName says that no logical switch of that name is active here, or nil. "" stands for all.
func (a *Agent) checkName(name string) error {
	if name == "" {
		return nil
	}
	for _, ls := range a.compiler.State().Switches {
		if ls.Name == name {
			return nil
		}
	}
	return fmt.Errorf("no logical switch %s is bound here", problem.Name(name))
}

// FlushMACs forgets the MACs that are learned in the logical switch called name, or in all if that is "". Their
// rows go; they are learned again with their next frames.
func (a *Agent) FlushMACs(ctx context.Context, name string) (string, error) {
	return ask(ctx, a, func(loop context.Context) (string, error) {
		a.sweepNow(loop) // what is not known yet goes, too
		if err := a.checkName(name); err != nil {
			return "", err
		}
		var keys []intent.MACKey
		for key := range a.table.All() {
			if name == "" || a.compiler.State().Switches[key.Switch].Name == name {
				keys = append(keys, key)
			}
		}
		for _, key := range keys {
			a.table.Remove(key)
		}
		a.dropped(keys)
		a.flushForget(loop)
		return "table successfully flushed\n", nil // as Open vSwitch says it
	})
}

// MACStats is how full the table of learned MACs is. Limits of 0 are none.
type MACStats struct {
	Entries int         `json:"entries"`
	Limit   uint32      `json:"limit"`
	Ports   []PortStats `json:"ports"`
}

// PortStats is how many of them are on one port.
type PortStats struct {
	Port    string `json:"port"`
	Entries int    `json:"entries"`
	Limit   uint32 `json:"limit"`
}

func (m MACStats) String() string {
	var b strings.Builder
	of := func(entries int, limit uint32) {
		fmt.Fprintf(&b, "%d MACs", entries)
		if limit > 0 {
			fmt.Fprintf(&b, " of at most %d", limit)
		}
		b.WriteByte('\n')
	}
	b.WriteString("all ports: ")
	of(m.Entries, m.Limit)
	for _, p := range m.Ports {
		b.WriteString(problem.Port(p.Port) + ": ")
		of(p.Entries, p.Limit)
	}
	return b.String()
}

// MACStats says how full the table of learned MACs is.
func (a *Agent) MACStats(ctx context.Context) (MACStats, error) {
	return ask(ctx, a, func(context.Context) (MACStats, error) {
		s, on := a.compiler.State(), map[string]int{}
		for _, at := range a.table.All() {
			on[at.Port]++
		}
		m := MACStats{Entries: a.table.Len(), Limit: s.MACLimit, Ports: []PortStats{}}
		for name, p := range s.Ports {
			m.Ports = append(m.Ports, PortStats{name, on[name], p.MACLimit})
		}
		slices.SortFunc(m.Ports, func(x, y PortStats) int { return cmp.Compare(x.Port, y.Port) })
		return m, nil
	})
}
