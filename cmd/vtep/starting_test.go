package main

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/problem"
)

// That nothing is known yet is not that all is well.
func TestProblemsAtStart(t *testing.T) {
	r := &vtepRun{name: "br0", problems: problem.NewSet(slog.New(slog.DiscardHandler))}
	if text := problem.Text(r.told()); !strings.HasPrefix(text, "starting: Physical_Switch br0: ") || strings.Count(text, "\n") != 1 {
		t.Errorf("at the start it says %q", text)
	}
	r.problems.Replace("database", problem.Problem{Kind: problem.NoDatabase, Object: "database tcp:x", Text: "it does not answer"})
	if text := problem.Text(r.told()); !strings.HasPrefix(text, "no_database: ") || strings.Count(text, "\n") != 1 {
		t.Errorf("beside a cause it says %q", text)
	}
	r.problems.Replace("database")
	r.running.Store(true)
	if text := problem.Text(r.told()); text != "" {
		t.Errorf("when it runs it says %q", text)
	}
}
