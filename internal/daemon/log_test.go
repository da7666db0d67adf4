package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// newTestLog returns a log whose console is the returned builder.
func newTestLog(t *testing.T) (*Log, *strings.Builder) {
	t.Helper()
	var console strings.Builder
	l := NewLog("prog")
	l.console = &console
	t.Cleanup(l.Close)
	return l, &console
}

func TestLogLine(t *testing.T) {
	l, console := newTestLog(t)
	path := filepath.Join(t.TempDir(), "prog.log")
	if err := l.Open(path); err != nil {
		t.Fatal(err)
	}
	r := slog.NewRecord(time.Date(2026, 11, 23, 6, 59, 33, 415e6, time.UTC), slog.LevelWarn, "port vanished", 0)
	r.AddAttrs(slog.String("port", "p0"), slog.Any("err", errors.New("no such device")),
		slog.Group("g", slog.Int("n", 1)), slog.String("q", "a b"), slog.String("module", "agent"))
	if err := l.Handler("vlog").Handle(context.Background(), r); err != nil {
		t.Fatal(err)
	}
	const line = `|00002|agent|WARN|port vanished: no such device port=p0 g.n=1 q="a b"` + "\n"
	if want := "2026-11-23T06:59:33Z" + line; !strings.HasSuffix(console.String(), want) {
		t.Errorf("console:\n got %q\nwant %q", console, want)
	}
	b, err := os.ReadFile(path)
	if want := "2026-11-23T06:59:33.415Z" + line; err != nil || !strings.HasSuffix(string(b), want) {
		t.Errorf("file (%v):\n got %q\nwant %q", err, b, want)
	}
	if first, _, _ := strings.Cut(string(b), "\n"); !regexp.MustCompile(
		`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\|00001\|vlog\|INFO\|opened log file /.*/prog\.log$`).MatchString(first) {
		t.Errorf("first line of the file: %q", first)
	}
}

func TestLogOneLine(t *testing.T) {
	l, console := newTestLog(t)
	l.Logger("agent").Info("a\n2026|00009|x|EMER|faked\x1b[1m\ttab", "k", "v\nw")
	if got := console.String(); strings.Count(got, "\n") != 1 || strings.Contains(got, "\x1b") ||
		!strings.Contains(got, `a\n2026|00009|x|EMER|faked\x1b[1m`+"\ttab") {
		t.Errorf("got %q", got)
	}
	console.Reset()
	l.Logger("agent").Info("\u009b1m" + strings.Repeat("\u00e9", 50000))
	if got := console.String(); strings.Contains(got, "\u009b") || len(got) > 5000 || !strings.HasSuffix(got, "bytes more)\n") {
		t.Errorf("got %d bytes: %.40q...%q", len(got), got, got[max(0, len(got)-40):])
	}
}

func TestLogSet(t *testing.T) {
	tests := []struct {
		specs string // separated by ";"
		err   string
		want  string // "console/file" levels of agent, then of jsonrpc
	}{
		{"", "", "INFO/INFO INFO/INFO"},
		{"any", "", "DBG/DBG DBG/DBG"},
		{"console:off", "", "OFF/INFO OFF/INFO"},
		{"file", "", "INFO/DBG INFO/DBG"},
		{"jsonrpc", "", "INFO/INFO DBG/DBG"},
		{"jsonrpc:emer", "", "INFO/INFO EMER/EMER"},
		{"JSONRPC file, WARN", "", "INFO/INFO INFO/WARN"},
		{"console:off;jsonrpc:console:dbg", "", "OFF/INFO DBG/INFO"},
		{"vlog:off", "", "INFO/INFO INFO/INFO"},
		{"syslog:err", "", "INFO/INFO INFO/INFO"},
		{"PATTERN:any:%m", "", "INFO/INFO INFO/INFO"},
		{"nix", `no destination, level, or module "nix"`, ""},
		{"file:console", "cannot specify multiple destinations", ""},
		{"info:dbg", "cannot specify multiple levels", ""},
		{"agent:jsonrpc", "cannot specify multiple modules", ""},
		{"PATTERN", "missing destination", ""},
		{"pattern:nix:%m", `unknown destination "nix"`, ""},
	}
	for _, tt := range tests {
		l, _ := newTestLog(t)
		var err error
		for spec := range strings.SplitSeq(tt.specs, ";") {
			if spec != "" && err == nil {
				err = l.Set(spec)
			}
		}
		if tt.err != "" {
			if err == nil || err.Error() != tt.err {
				t.Errorf("%q: error %v, want %s", tt.specs, err, tt.err)
			}
			continue
		}
		show := func(name string) string {
			m := l.module(name)
			return levelName(m.level(console)) + "/" + levelName(m.level(file))
		}
		if got := show("agent") + " " + show("jsonrpc"); err != nil || got != tt.want {
			t.Errorf("%q: %s, error %v; want %s", tt.specs, got, err, tt.want)
		}
	}
}

func TestLogPattern(t *testing.T) {
	l, console := newTestLog(t)
	l.subprogram = "monitor"
	for pattern, want := range map[string]string{
		"%A|%c|%p|%m":               "prog|agent|INFO|hello",
		"%-8p|%8p|%05N":             "INFO    |    INFO|00001",
		"%t %T%n%%%q":               "monitor (monitor)\n%q",
		"%D{%Y}%":                   time.Now().UTC().Format("2006") + "%",
		"%B %D{%h}":                 "133 " + time.Now().UTC().Format("Jan"),
		"a:b, c":                    "a:b, c",
		"%D{%H:%M:%S.###|%s%":       "", // whatever: no crash
		"%999999999999999999999999": "",
	} {
		console.Reset()
		l.seq.Store(0)
		if err := l.Set("PATTERN:console:" + pattern); err != nil {
			t.Fatal(err)
		}
		l.Logger("agent").Info("hello\n")
		if got := strings.TrimSuffix(console.String(), "\n"); want != "" && got != want {
			t.Errorf("%q: got %q, want %q", pattern, got, want)
		}
	}
	for facility, want := range map[string]string{"daemon": "29", "local7": "189"} {
		console.Reset()
		for _, err := range []error{l.Set("FACILITY:" + facility), l.Set("PATTERN:console:%B")} {
			if err != nil {
				t.Fatal(err)
			}
		}
		l.Logger("agent").Info("hello")
		if got := strings.TrimSpace(console.String()); got != want {
			t.Errorf("%s: got %q, want %q", facility, got, want)
		}
	}
}

func TestLogReopen(t *testing.T) {
	l, _ := newTestLog(t)
	l.console = io.Discard
	if err := l.Reopen(); err == nil {
		t.Error("reopened without a file")
	}
	path := filepath.Join(t.TempDir(), "prog.log")
	if err := l.Open(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(path, path+".1"); err != nil {
		t.Fatal(err)
	}
	if err := l.Reopen(); err != nil {
		t.Fatal(err)
	}
	l.Logger("agent").Info("after")
	old, err := os.ReadFile(path + ".1")
	if err != nil || !strings.HasSuffix(string(old), "|vlog|INFO|closing log file\n") {
		t.Errorf("old file: %q, %v", old, err)
	}
	b, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(b), "|after\n") {
		t.Errorf("new file: %q, %v", b, err)
	}
}
