package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is what a benchmark says of one quantity: the units of its figures without the name of
// the quantity, in their order.
type row struct {
	label string
	units []string
	value map[string]float64
}

// rows splits the figures of a benchmark by quantity, whose name is before a colon.
func (r result) rows() []*row {
	var all []*row
	byName := map[string]*row{}
	for _, f := range r.figures {
		name, unit, ok := strings.Cut(f.unit, ":")
		if !ok {
			name, unit = "", f.unit
		}
		if byName[name] == nil {
			byName[name] = &row{label: strings.TrimSpace(r.name + " " + name), value: map[string]float64{}}
			all = append(all, byName[name])
		}
		byName[name].units = append(byName[name].units, unit)
		byName[name].value[unit] = f.value
	}
	return all
}

func summarise(w io.Writer, results []result) {
	var compared, alone []string
	for _, res := range results {
		for _, r := range res.rows() {
			c, a := r.lines()
			compared, alone = append(compared, c...), append(alone, a...)
		}
	}
	table(w, "compared: ours / the peer's in the same round, as a cost: below 1 is better",
		"\t\tours\tpeer\tratio\trange of the rounds\tgoal\t", compared)
	table(w, "not compared", "\t\tours\tgoal\t", alone)
}

func table(w io.Writer, title, head string, lines []string) {
	if len(lines) == 0 {
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, head)
	for _, line := range lines {
		fmt.Fprintln(columns, line)
	}
	columns.Flush()
}

// lines are those of the table: of the figures with a ratio to a peer, and of those without.
func (r *row) lines() (compared, alone []string) {
	told := map[string]bool{} // the contenders of compared lines
	for _, unit := range r.units {
		name, peer, ok := cutRatio(unit)
		if !ok {
			continue
		}
		ours, oursUnit := r.cost(name)
		theirs, _ := r.cost(peer)
		told[name], told[peer] = true, true
		spread := ""
		if least, ok := r.value[unit+"-min"]; ok {
			spread = ratio(least) + " .. " + ratio(r.value[unit+"-max"])
		}
		goal := r.goal(unit, " x")
		if goal == "" {
			goal = r.goal(name+"-"+oursUnit, " "+oursUnit)
		}
		compared = append(compared, fmt.Sprintf("%s\t%s\t%s\t%s %s\t%s\t%s\t%s\t",
			r.label, name, ours, peer, theirs, ratio(r.value[unit]), spread, goal))
	}
	for _, unit := range r.units {
		name, of, ok := cutLast(unit, "-")
		if !ok {
			name, of = "", unit
		}
		if told[name] || strings.HasPrefix(unit, "goal-") || strings.Contains(unit, "-x-") || of == "B/op" || of == "allocs/op" {
			continue
		}
		alone = append(alone, fmt.Sprintf("%s\t%s\t%s %s\t%s\t", r.label, name, number(r.value[unit]), of, r.goal(unit, " "+of)))
	}
	return compared, alone
}

// cost finds what a contender needed, with the unit.
func (r *row) cost(name string) (text, unit string) {
	for _, u := range r.units {
		if who, of, ok := cutLast(u, "-"); ok && who == name {
			return number(r.value[u]) + " " + of, of
		}
	}
	return "", ""
}

// goal words the goal of a figure, and whether it is met.
func (r *row) goal(figure, unit string) string {
	most, ok := r.value["goal-"+figure]
	switch {
	case !ok:
		return ""
	case r.value[figure] <= most:
		return fmt.Sprintf("%g%s: met", most, unit)
	default:
		return fmt.Sprintf("%g%s: MISSED", most, unit)
	}
}

// cutRatio takes the unit of a ratio apart, such as "client-x-C".
func cutRatio(unit string) (name, peer string, ok bool) {
	name, peer, ok = strings.Cut(unit, "-x-")
	if !ok || name == "goal" || strings.HasPrefix(name, "goal-") || strings.HasSuffix(unit, "-min") || strings.HasSuffix(unit, "-max") {
		return "", "", false
	}
	return name, peer, true
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
