package daemon

import (
	"encoding/json"
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestLogJSON reads lines of JSON: the parts of a message are apart, whatever is in them.
func TestLogJSON(t *testing.T) {
	l, console := newTestLog(t)
	path := filepath.Join(t.TempDir(), "prog.log")
	if err := l.Open(path); err != nil {
		t.Fatal(err)
	}
	console.Reset()
	if err := l.SetFormat("json"); err != nil {
		t.Fatal(err)
	}
	with := l.Logger("agent").With("module", "state", "name", "p0")
	with.Info("port changed", "before", "up", "after", "down", "n", 7, "ok", true, "took", 2*time.Second, "level", "mine")
	with.WithGroup("g").Warn("odd \"text\"\n\x1b[1m\xff\t\u2028", "err", errors.New("inner"), "x", 1.5)
	l.Logger("vtep").Error("failed\n", "err", errors.New("no room"))
	if err := l.message("vtep:info", "by hand"); err != nil {
		t.Fatal(err)
	}
	l.Logger("vtep").Info(strings.Repeat("long", 5000), "more", strings.Repeat("long", 5000))
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasSuffix(string(text), console.String()) {
		t.Errorf("the file has\n%s\nthe console\n%s", text, console)
	}
	want := []map[string]any{
		{"level": "INFO", "module": "state", "msg": "port changed", "name": "p0", "before": "up", "after": "down", "n": 7.0, "ok": true, "took": "2s", "level_": "mine"},
		{"level": "WARN", "module": "state", "msg": "odd \"text\"\n\x1b[1m\uFFFD\t\u2028", "name": "p0", "g.err": "inner", "g.x": 1.5},
		{"level": "ERR", "module": "vtep", "msg": "failed", "err": "no room"},
		{"level": "INFO", "module": "vtep", "msg": "by hand"},
	}
	lines := strings.Split(strings.TrimSuffix(console.String(), "\n"), "\n")
	if len(lines) != len(want)+1 {
		t.Fatalf("%d lines:\n%s", len(lines), console)
	}
	for i, line := range lines {
		var got map[string]any
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Errorf("%v: %s", err, line)
			continue
		}
		if _, err := time.Parse("2006-01-02T15:04:05.000Z", got["time"].(string)); err != nil {
			t.Error(err)
		}
		if got["seq"] != float64(i+2) {
			t.Errorf("line %d has the number %v", i, got["seq"])
		}
		delete(got, "time")
		delete(got, "seq")
		if i < len(want) && !maps.Equal(got, want[i]) {
			t.Errorf("line %d is\n%v\nwant\n%v", i, got, want[i])
		}
		if len(line) > 3*maxMessage || strings.ContainsAny(line, "\x1b\t") {
			t.Errorf("line %d has %d bytes, or what talks to the terminal", i, len(line))
		}
	}
	if err := l.SetFormat("xml"); err == nil {
		t.Error("xml is taken for a format")
	}
	if err := l.SetFormat("text"); err != nil {
		t.Fatal(err)
	}
	console.Reset()
	with.Info("port changed", slog.String("after", "up"))
	if !strings.HasSuffix(console.String(), "|state|INFO|port changed name=p0 after=up\n") {
		t.Errorf("text again: %s", console)
	}
}
