package web

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/agent"
)

// dropRow is a reason of drops, and how many there were over time.
type dropRow struct {
	agent.DropStatus
	Hour  string // in the last hour, or since it is known
	Most  string // in one step of the curve
	Curve []bar

	hour uint64
}

// bar is one step of a curve.
type bar struct{ X, Y, W, H int }

// A curve is that wide and high, and goes back that long in so many steps.
const (
	curveWidth  = 240
	curveHeight = 28
	curveSteps  = 60
	curveSpan   = time.Hour
)

func (s *site) drops(r *http.Request) (view, error) {
	st, err := s.live.now(r.Context())
	if err != nil {
		return view{}, err
	}
	data := struct {
		list[dropRow]
		Known  string // since when
		Failed string
		Over   string // what Rose is over
	}{}
	rows, known, err := s.dropRows(r.Context(), &st)
	if err != nil {
		data.Failed = err.Error()
	}
	data.Known = known
	data.Over = "in the last minute"
	if st.RoseOver < 55 {
		data.Over = fmt.Sprintf("in the last %.0f s", max(st.RoseOver, 1))
	}
	q := queryOf(r)
	part, p := cut(&q, pick(rows, func(d dropRow) bool { return q.matches(d.Reason) }), len(rows), "reasons", "reason")
	data.list = list[dropRow]{Rows: part, paging: p}
	return view{"drops.html", "Drops", data, &st}, nil
}

// dropRows are all reasons: those that rise most come first. known says for how long it is known.
func (s *site) dropRows(ctx context.Context, st *Status) (rows []dropRow, known string, err error) {
	for _, d := range st.Drops {
		rows = append(rows, dropRow{DropStatus: d})
	}
	history, err := s.source.DropHistory(ctx)
	if err == nil {
		now := time.Now()
		history = append(history, agent.DropReading{At: now, Drops: totals(st.Drops)})
		for i := range rows {
			rows[i].curve(history, now)
		}
		if len(history) > 0 {
			known = history[0].At.Format("15:04:05")
		}
	}
	slices.SortStableFunc(rows, func(a, b dropRow) int {
		return cmp.Or(cmp.Compare(b.Rose, a.Rose), cmp.Compare(b.hour, a.hour), cmp.Compare(b.Total, a.Total))
	})
	return rows, known, err
}

func totals(list []agent.DropStatus) map[string]uint64 {
	m := map[string]uint64{}
	for _, d := range list {
		m[d.Reason] = d.Total
	}
	return m
}

// curve says how many frames were dropped in each step of the last hour.
func (d *dropRow) curve(history []agent.DropReading, now time.Time) {
	var steps [curveSteps]uint64
	for i := 1; i < len(history); i++ {
		was, is := history[i-1].Drops[d.Reason], history[i].Drops[d.Reason]
		if is < was { // the counters began anew
			was = 0
		}
		// What rose between two readings is told of at the second.
		at := curveSteps - 1 - int(now.Sub(history[i].At)/(curveSpan/curveSteps))
		if at >= 0 && at < curveSteps {
			steps[at] += is - was
			d.hour += is - was
		}
	}
	d.Hour = thousands(d.hour)
	top := slices.Max(steps[:])
	if top == 0 {
		return
	}
	d.Most = thousands(top)
	const w = curveWidth / curveSteps
	for i, n := range steps {
		if n > 0 {
			h := max(1, int(float64(n)/float64(top)*curveHeight))
			d.Curve = append(d.Curve, bar{i * w, curveHeight - h, w - 1, h})
		}
	}
}

// Words say what the curve shows.
func (d dropRow) Words() string {
	if d.Most == "" {
		return "no frames dropped for this reason in the last hour"
	}
	return strings.Join([]string{d.Hour, "frames dropped for this reason in the last hour, at most", d.Most, "a minute"}, " ")
}
