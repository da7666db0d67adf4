package bench

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// contest collects what each contender needed in each round. A cost: less is better.
type contest struct {
	row   string // empty, or what is measured, where a benchmark measures several things
	unit  string
	names []string // in the order of their first round
	costs map[string][]float64
}

func newContest(row, unit string) *contest {
	return &contest{row: row, unit: unit, costs: map[string][]float64{}}
}

func (c *contest) add(name string, cost float64) {
	if _, ok := c.costs[name]; !ok {
		c.names = append(c.names, name)
	}
	c.costs[name] = append(c.costs[name], cost)
}

// addTime adds a duration that n things took together.
func (c *contest) addTime(name string, d time.Duration, n int) {
	per := float64(d) / float64(n)
	switch c.unit {
	case "ms":
		per /= 1e6
	case "µs":
		per /= 1e3
	case "s":
		per /= 1e9
	}
	c.add(name, per)
}

// report gives the medians, and the ratios to the peer if one is named.
func (c *contest) report(b *testing.B, peer string) {
	b.Helper()
	b.ReportMetric(0, "ns/op") // of a whole round: tells nothing
	for _, name := range c.names {
		b.ReportMetric(median(c.costs[name]), c.prefix()+name+"-"+c.unit)
		if peer != "" && name != peer {
			c.versus(b, name, peer)
		}
	}
}

// versus gives the ratios of one contender to another, if both were there.
func (c *contest) versus(b *testing.B, name, peer string) {
	b.Helper()
	if len(c.costs[name]) == 0 || len(c.costs[name]) != len(c.costs[peer]) {
		return
	}
	var ratios []float64
	for i, cost := range c.costs[name] {
		ratio := 1.0 // also of nothing to nothing
		if theirs := c.costs[peer][i]; cost != theirs {
			ratio = cost / theirs
		}
		ratios = append(ratios, ratio)
	}
	ratio := c.prefix() + name + "-x-" + peer
	b.ReportMetric(median(ratios), ratio)
	b.ReportMetric(slices.Min(ratios), ratio+"-min")
	b.ReportMetric(slices.Max(ratios), ratio+"-max")
}

// goal says what a figure, such as "vtep-µs" or "client-x-C", should be at most.
func (c *contest) goal(b *testing.B, most float64, figure string) {
	b.ReportMetric(most, c.prefix()+"goal-"+figure)
}

func (c *contest) prefix() string {
	if c.row == "" {
		return ""
	}
	return c.row + ":"
}

func median(list []float64) float64 { return quantile(list, 0.5) }

// quantile is the smallest element that at least the fraction q of all is not above.
func quantile(list []float64, q float64) float64 {
	sorted := slices.Sorted(slices.Values(list))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// latencies are samples of one contender in one round.
type latencies []float64

func (l *latencies) add(d time.Duration) { *l = append(*l, float64(d)/1e3) }

// percentiles is a contest over p50 and one over p99, in microseconds.
type percentiles struct{ p50, p99 *contest }

func newPercentiles() percentiles {
	return percentiles{newContest("p50", "µs"), newContest("p99", "µs")}
}

func (p percentiles) add(name string, l latencies) {
	p.p50.add(name, quantile(l, 0.5))
	p.p99.add(name, quantile(l, 0.99))
}

func (p percentiles) report(b *testing.B, peer string) {
	p.p50.report(b, peer)
	p.p99.report(b, peer)
}

// effort is two contests: over the time that the client waits, and over the processor time
// that the server uses meanwhile, which hardly depends on what else the machine does.
type effort struct{ time, cpu *contest }

func newEffort(unit string) effort { return newEffortOf("", unit) }

// newEffortOf is for one of several things that a benchmark measures.
func newEffortOf(row, unit string) effort {
	return effort{newContest(row, unit), newContest(strings.TrimPrefix(row+"-cpu", "-"), unit)}
}

// measure runs f, which makes the process do n things.
func (e effort) measure(b *testing.B, name string, pid, n int, f func()) {
	b.Helper()
	e.until(b, name, pid, n, func() time.Time {
		f()
		return time.Now()
	})
}

// until is measure of an f that says since when all is done.
func (e effort) until(b *testing.B, name string, pid, n int, f func() time.Time) {
	b.Helper()
	cpu, start := testenv.CPUTime(b, pid), time.Now()
	e.time.addTime(name, f().Sub(start), n)
	e.cpu.addTime(name, testenv.CPUTime(b, pid)-cpu, n)
}

// add adds what a contender needed.
func (e effort) add(name string, took, cpu time.Duration) {
	e.time.addTime(name, took, 1)
	e.cpu.addTime(name, cpu, 1)
}

// started is told that a process begun at start is ready now.
func (e effort) started(b *testing.B, name string, start time.Time, pid int) {
	b.Helper()
	e.time.addTime(name, time.Since(start), 1)
	e.cpu.addTime(name, testenv.CPUTime(b, pid), 1)
}

func (e effort) report(b *testing.B, peer string) {
	b.Helper()
	e.time.report(b, peer)
	e.cpu.report(b, peer)
}

func (e effort) versus(b *testing.B, name, peer string) {
	b.Helper()
	e.time.versus(b, name, peer)
	e.cpu.versus(b, name, peer)
}
