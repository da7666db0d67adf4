package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"runtime"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// What a fleet is to reach.
const (
	goalMove   = 100 * time.Millisecond // by when a move is in force, on 99 of 100 VTEPs
	goalMemory = 2.0                    // MiB of a VTEP
)

const (
	fleetMoves  = 20               // MACs that move one after another
	fleetSettle = 60 * time.Second // for rows to be as they should, once all is in force
)

// fleetMeasure measures a fleet, and prints what it finds.
type fleetMeasure struct {
	*fleet
	ctx    context.Context
	out    io.Writer
	before uint64 // memory in use before there was a fleet

	controlled context.Context // of the controller, or EVPN
	release    context.CancelFunc
}

// row prints one figure, and with a goal whether it is reached.
func (m *fleetMeasure) row(what, figure, goal string, reached bool) {
	if goal != "" {
		goal += map[bool]string{true: ": reached", false: ": missed"}[reached]
	}
	line := fmt.Sprintf("%-26s %-46s %s", what, figure, goal)
	for line[len(line)-1] == ' ' {
		line = line[:len(line)-1]
	}
	fmt.Fprintln(m.out, line)
}

func (m *fleetMeasure) run() error {
	n := len(m.vteps)
	fmt.Fprintf(m.out, "%d VTEPs in one process, each with a database and a host; one logical switch, %s\n", n, m.by)
	m.before = heap()
	for _, step := range []func() error{m.start, m.cold, m.moves, m.burst, m.storm, m.memory} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// start starts all VTEPs, and returns when each has its port in the logical switch.
func (m *fleetMeasure) start() error {
	times, err := m.until(m.ctx, "start", func(_ *fleetVTEP, s *intent.State) bool { return len(s.Bindings) == 1 },
		func(*fleetVTEP) string { return "the port is in no logical switch" }, func() error {
			for _, v := range m.vteps {
				if err := m.fleet.start(m.ctx, v, true); err != nil {
					return err
				}
			}
			return nil
		})
	if err != nil {
		return err
	}
	m.row("start", round(slowestOf(times)), "", false)
	return nil
}

// cold starts the controller, and has every host speak: from then on every VTEP hears of every host.
func (m *fleetMeasure) cold() error {
	n := len(m.vteps)
	ctx, cancel := context.WithCancel(m.ctx)
	m.controlled, m.release = ctx, cancel
	began := m.cpuTime()
	times, err := m.until(m.ctx, "full mesh from cold", m.right, m.astray, func() error {
		if err := m.by.control(ctx); err != nil {
			return err
		}
		for host := range m.at {
			m.speak(host)
		}
		return nil
	})
	if err == nil {
		err = m.quiet()
	}
	if err != nil {
		return err
	}
	m.row("full mesh from cold", fmt.Sprintf("%s, %d rows", round(slowestOf(times)), n*(n-1)), "", false)
	m.row("  CPU time of it", round(m.cpuTime()-began), "", false)
	m.row("sessions", m.by.sessions(n), "", false)
	return nil
}

// quiet waits until the controller, or no bridge, has anything to do.
func (m *fleetMeasure) quiet() error {
	for began := time.Now(); ; {
		before, _, err := m.by.progress(m.ctx)
		if err != nil {
			return err
		}
		select {
		case <-time.After(200 * time.Millisecond):
		case err := <-m.errs:
			return err
		case <-m.ctx.Done():
			return context.Cause(m.ctx)
		}
		after, busy, err := m.by.progress(m.ctx)
		switch {
		case err != nil:
			return err
		case busy == "" && before == after:
			return nil
		case time.Since(began) > m.patience:
			return fmt.Errorf("it does not come to rest within %v: %s", m.patience, cmp.Or(busy, fmt.Sprintf("%d transactions more in 200 ms", after-before)))
		}
	}
}

// moves has hosts move, one after another, to where one is that does not.
func (m *fleetMeasure) moves() error {
	var all, slowest []time.Duration
	n := len(m.vteps)
	count := min(fleetMoves, n/2)
	began := m.cpuTime()
	for host := range count {
		times, err := m.until(m.ctx, "a MAC move", func(v *fleetVTEP, s *intent.State) bool { return m.placed(v, s, host) },
			func(v *fleetVTEP) string { return m.strayed(v, host) }, func() error { m.move(host, host+n/2); return nil })
		if err != nil {
			return err
		}
		all = append(all, times...)
		slowest = append(slowest, slowestOf(times))
	}
	if err := m.quiet(); err != nil {
		return err
	}
	used := m.cpuTime() - began
	slices.Sort(all)
	slices.Sort(slowest)
	p99 := share(all, 0.99)
	m.row("a MAC move, on a VTEP", fmt.Sprintf("p50 %s, p99 %s", round(share(all, 0.5)), round(p99)), "p99 100ms", p99 <= goalMove)
	m.row("a MAC move, on all", fmt.Sprintf("p50 %s, slowest of %d %s", round(share(slowest, 0.5)), count, round(slowestOf(slowest))), "", false)
	m.row("  CPU time of it", fmt.Sprintf("%s on each VTEP, all included", round(used/time.Duration(count*n))), "", false)
	return nil
}

// burst has a tenth of the hosts move at once.
func (m *fleetMeasure) burst() error {
	n := len(m.vteps)
	count := max(1, n/10)
	before, _, err := m.by.progress(m.ctx)
	if err != nil {
		return err
	}
	times, err := m.until(m.ctx, "a tenth moves at once", m.right, m.astray, func() error {
		for i := range count {
			host := n - 1 - i
			m.move(host, (host+n/2)%n)
		}
		return nil
	})
	if err != nil {
		return err
	}
	after, _, err := m.by.progress(m.ctx)
	if err != nil {
		return err
	}
	transactions := after - before
	took := slowestOf(times)
	m.row("a tenth moves at once", fmt.Sprintf("%s, %.0f rows and %.0f transactions a second", round(took),
		float64(count*n)/took.Seconds(), float64(transactions)/took.Seconds()), "", false)
	return m.quiet()
}

// storm has a tenth of the VTEPs restart at once, while hosts move, and looks at all rows when it is over.
func (m *fleetMeasure) storm() error {
	n := len(m.vteps)
	down := max(1, n/10)
	began := m.cpuTime()
	times, err := m.until(m.ctx, "a tenth restarts at once", m.right, m.astray, func() error {
		if err := atOnce(m.vteps[:down], m.stop); err != nil {
			return err
		}
		for host := range down {
			to := m.after(host, down)
			if to == m.at[host] { // of two VTEPs one stays, and has it: the other host changes something for that
				host = n - 1
			}
			m.move(host, to)
		}
		err := atOnce(m.vteps[:down], func(v *fleetVTEP) error {
			if err := m.fleet.start(m.ctx, v, false); err != nil {
				return err
			}
			return m.by.join(m.controlled, v)
		})
		if err != nil {
			return err
		}
		for host, at := range m.at {
			if host < down || at < down { // it is one that has moved, or its VTEP has lost what it had learned
				m.speak(host)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	lost, stale, err := m.settled()
	if err != nil {
		return err
	}
	m.row("a tenth restarts at once", fmt.Sprintf("%s until all is in force, %d hosts moved", round(slowestOf(times)), down), "", false)
	m.row("  CPU time of it", round(m.cpuTime()-began), "", false)
	m.row("  rows after it", fmt.Sprintf("%d lost, %d stale, of %d", lost, stale, n*n), "none", lost+stale == 0)
	return nil
}

// after is the VTEP after the one that has a host, of those that stay when the first ones go down.
func (m *fleetMeasure) after(host, down int) int {
	return down + max(m.at[host]-down+1, 0)%(len(m.vteps)-down)
}

// atOnce does something with each of some VTEPs, with all of them at the same time.
func atOnce(vteps []*fleetVTEP, do func(*fleetVTEP) error) error {
	errs := make([]error, len(vteps))
	var all sync.WaitGroup
	for i, v := range vteps {
		all.Go(func() { errs[i] = do(v) })
	}
	all.Wait()
	return errors.Join(errs...)
}

// settled waits until the rows of all databases are right, and counts those that are not.
func (m *fleetMeasure) settled() (lost, stale int, err error) {
	for began := time.Now(); ; {
		if err := m.quiet(); err != nil {
			return 0, 0, err
		}
		if lost, stale = m.wrong(); lost+stale == 0 || time.Since(began) > fleetSettle {
			return lost, stale, nil
		}
		select {
		case err := <-m.errs:
			return 0, 0, err
		case <-time.After(200 * time.Millisecond):
		}
	}
}

// wrong counts rows that are missing, and those that should not be there.
func (m *fleetMeasure) wrong() (lost, stale int) {
	for _, v := range m.vteps {
		view := hwvtep.NewView[*idl.Table](v.replica.Snapshot())
		have := map[string]string{} // VTEPs, by MACs
		count := func(mac string, locator hwvtep.UUID) {
			if _, twice := have[mac]; twice {
				stale++
			}
			l, _ := view.PhysicalLocator(locator)
			have[mac] = l.DstIP
		}
		for row := range view.UcastMACsRemote() {
			count(row.MAC, row.Locator)
		}
		for row := range view.UcastMACsLocal() {
			count(row.MAC, row.Locator)
		}
		for host, at := range m.at {
			mac := m.vteps[host].host.String()
			switch ip, ok := have[mac]; {
			case !ok:
				lost++
			case ip != m.vteps[at].ip.String():
				stale++
			}
			delete(have, mac)
		}
		delete(have, m.by.machine())
		stale += len(have)
	}
	return lost, stale
}

// memory measures it with the controller and without.
func (m *fleetMeasure) memory() error {
	n := uint64(len(m.vteps))
	others, err := m.by.memory(m.ctx)
	if err != nil {
		return err
	}
	with := heap()
	m.release()
	m.ended.Wait()
	m.by.gone()
	if m.ctx.Err() != nil {
		return errors.New("interrupted")
	}
	alone := heap()
	vtep := mib(alone-m.before) / float64(n)
	m.row("memory of a VTEP", fmt.Sprintf("%.2f MiB", vtep), fmt.Sprintf("%.0f MiB", goalMemory), vtep <= goalMemory)
	parts := map[string]uint64{m.by.part(): with - min(with, alone)}
	parts[cmp.Or(m.by.apart(), m.by.part())] += others
	for _, part := range slices.Sorted(maps.Keys(parts)) {
		m.row("  "+part, fmt.Sprintf("%.2f MiB for each VTEP", mib(parts[part])/float64(n)), "", false)
	}
	return nil
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }

// heap is what is in use, in bytes, stacks included.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what only finalizers and pools had
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// cpuTime is that of this process, and of others that belong to it.
func (m *fleetMeasure) cpuTime() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano()+u.Stime.Nano()) + m.by.cpuTime()
}

func slowestOf(times []time.Duration) time.Duration { return times[len(times)-1] }

// share is the time that such a part of all is not above. They are sorted.
func share(times []time.Duration, part float64) time.Duration {
	return times[int(math.Ceil(part*float64(len(times))))-1]
}

func round(d time.Duration) string {
	unit := time.Millisecond
	if d < time.Second {
		unit = 10 * time.Microsecond
	}
	return d.Round(unit).String()
}
