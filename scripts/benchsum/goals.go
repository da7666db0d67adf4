package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// promise is a line of the table of what this project wants to reach.
type promise struct {
	row    int
	what   string
	bench  string // the benchmark's name
	of     string // the quantity, if it measures several
	figure string // the unit of the figure that has a goal
	plain  string // that of what the figure is a ratio of, which is there without the peer
	big    bool   // "make bench-million" has it
}

// promises are the rows of the table. Goals are the benchmarks'.
var promises = []promise{
	{1, "10,000 MACs in a commit, until in the map", "MACs10k", "", "vtep-always-x-before", "vtep-always-ms", false},
	{1, "- beside filling a map alone, a call a key", "MACs10k", "", "vtep-always-x-map", "vtep-always-ms", false},
	{2, "1,000,000 remote MACs, 10,000 a commit", "Scale/1000000", "load", "now-s", "", true},
	{2, "- second half beside the first", "Scale/1000000", "halves", "now-ratio", "", true},
	{3, "memory of a remote MAC, of 1,000,000", "Scale/1000000", "memory", "now-x-before", "now-B/MAC", true},
	{3, "- of 20,000", "Scale/20000", "memory", "now-x-before", "now-B/MAC", false},
	{4, "restart with 1,000,000 MACs, until served", "Scale/1000000", "served", "now-s", "", true},
	{4, "- until in step with the maps", "Scale/1000000", "in-step", "now-s", "", true},
	{5, "one MAC with 1,000,000 there, beside none: p50", "Scale/1000000", "mac-p50", "now-x-now-empty", "now-µs", true},
	{5, "- p99", "Scale/1000000", "mac-p99", "now-x-now-empty", "now-µs", true},
	{6, "1,000,000 MACs learned in 10 s: those that were not", "Learning", "unlearned", "now-MACs", "", true},
	{6, "- frames that another port lost meanwhile", "Learning", "lost", "now-frames", "", true},
	{6, "- a host that is new there meanwhile, until learned", "Learning", "newcomer", "now-ms", "", true},
	{7, "4,000 switches with 200 peers each in a commit", "Switches4k", "", "now-s", "", true},
	{8, "flood to 200 peers, CPU per copy", "Flood200", "", "now-x-before", "now-ns/copy", false},
	{9, "a transaction to 1,000 sessions", "Fanout1000", "", "client-x-C", "", false},
	{10, "durable request and reply", "RequestReply/durable", "", "always-x-C", "", false},
	{10, "commit to another client, p99", "CommitToUpdate", "p99", "client-x-C", "", false},
	{11, "start with 1,000,000 rows", "Store/1000000", "start", "client-x-C", "", true},
	{11, "- longest reply during a compaction", "Store/1000000", "compaction", "client-ms", "", true},
	{12, "known unicast to a tunnel, by XDP", "Gateway/encap", "", "xdp-x-bridge", "", false},
	{12, "- from a tunnel, by XDP", "Gateway/decap", "", "xdp-x-bridge", "", false},
}

// goals prints what there is of the promises, each with a verdict.
func goals(w io.Writer, results []result) {
	found := map[string]*row{}
	for _, res := range results {
		for _, r := range res.rows() {
			found[r.label] = r
		}
	}
	fmt.Fprintf(w, "\ngoals\n")
	columns := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(columns, "\t\tfigure\tgoal\tverdict\t")
	last := 0
	for _, p := range promises {
		number := ""
		if p.row != last {
			number, last = fmt.Sprint(p.row), p.row
		}
		figure, goal, verdict := p.line(found)
		fmt.Fprintf(columns, "%s\t%s\t%s\t%s\t%s\t\n", number, p.what, figure, goal, verdict)
	}
	columns.Flush()
}

func (p promise) line(found map[string]*row) (figure, goal, verdict string) {
	label, cpu := p.bench, p.bench+" cpu"
	if p.of != "" {
		label, cpu = p.bench+" "+p.of, p.bench+" "+p.of+"-cpu"
	}
	r := found[label]
	if r == nil {
		if p.big {
			return "", "", "not measured: make bench-million does"
		}
		return "", "", "not measured: make bench does"
	}
	most, wanted := r.value["goal-"+p.figure]
	got, ok := r.value[p.figure]
	name, peer, compared := cutRatio(p.figure)
	_, unit, _ := cutLast(p.figure, "-")
	if compared {
		unit = "x " + peer
		if wanted {
			goal = fmt.Sprintf("%g x", most)
		}
	} else if wanted {
		goal = fmt.Sprintf("%g %s", most, unit)
	}
	switch {
	case !ok && compared && r.value[p.plain] > 0:
		_, plain, _ := cutLast(p.plain, "-")
		return number(r.value[p.plain]) + " " + plain, goal, "not measured: there is no " + peer
	case !ok:
		return "", goal, "not measured: the benchmark does not have it"
	}
	figure = number(got) + " " + unit
	if compared {
		figure = ratio(got) + " " + unit
		if cost, _ := r.cost(name); cost != "" {
			figure += " (" + cost + ")"
		}
	}
	if c := found[cpu]; c != nil { // the processor time, which hardly depends on what else the machine does
		switch spent, ok := c.value[p.figure]; {
		case ok && compared:
			figure += ", CPU " + ratio(spent) + " x"
		case ok:
			figure += ", CPU " + number(spent) + " " + unit
		}
	}
	switch {
	case !wanted:
		return figure, "", "no goal"
	case got <= most:
		return figure, goal, "met"
	default:
		return figure, goal, "MISSED"
	}
}
