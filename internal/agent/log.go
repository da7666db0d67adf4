package agent

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/plane"
)

// complaints remembers what was logged, so that it is logged once.
type complaints map[string]struct{}

// logLines bounds what one change may log.
const logLines = 20

// logProblems logs the problems that are new.
func (a *Agent) logProblems() {
	news := a.compiler.NewProblems()
	for i, p := range news {
		if i == logLines {
			a.log.Warn("more rows have problems", "count", len(news)-logLines)
			return
		}
		level := slog.LevelInfo
		if p.Fault != "" {
			level = slog.LevelWarn
		}
		a.log.Log(context.Background(), level, p.Text, "table", p.Table, "row", p.Row)
	}
}

// logReport logs what of the plane's report is new, and what is over.
func (a *Agent) logReport(r plane.Report) {
	now := complaints{}
	for name, err := range r.Ports {
		now[fmt.Sprintf("port %s can't be used: %v", name, err)] = struct{}{}
	}
	for at, err := range r.Bindings {
		if r.Ports[at.Port] == nil {
			now[fmt.Sprintf("binding %v is not in force: %v", at, err)] = struct{}{}
		}
	}
	for peer, err := range r.Peers {
		now[fmt.Sprintf("no tunnel to %v: %v", peer, err)] = struct{}{}
	}
	if r.Tunnels != nil {
		now[fmt.Sprintf("no tunnel works: %v", r.Tunnels)] = struct{}{}
	}
	if r.Capacity != nil {
		now[fmt.Sprintf("the dataplane is full: %v", r.Capacity)] = struct{}{}
	}
	n := 0
	for _, text := range slices.Sorted(maps.Keys(now)) {
		if _, told := a.complaints[text]; !told && n < logLines {
			a.log.Warn(text)
			n++
		}
	}
	n = 0
	for _, text := range slices.Sorted(maps.Keys(a.complaints)) {
		if _, still := now[text]; !still && n < logLines {
			a.log.Info("over: " + text)
			n++
		}
	}
	a.complaints = now
}
