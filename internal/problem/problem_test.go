package problem

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// recorder keeps what is logged, level and text.
type recorder struct{ lines []string }

func (r *recorder) Write(p []byte) (int, error) {
	r.lines = append(r.lines, strings.TrimSuffix(string(p), "\n"))
	return len(p), nil
}

func newRecorded() (*Set, *recorder) {
	r := &recorder{}
	return NewSet(slog.New(slog.NewTextHandler(r, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))), r
}

func (r *recorder) take() string {
	text := strings.Join(r.lines, "\n")
	r.lines = nil
	return text
}

// Each problem is listed once however many say so, logged when it comes and when it goes.
func TestComeAndGo(t *testing.T) {
	s, log := newRecorded()
	down := Problem{PortDown, Port("p0"), "no link", "plug it in"}
	gone := Problem{MissingDevice, Port("p1"), "no device", "make it"}
	step := func(list, logged string) {
		t.Helper()
		if got := strings.TrimSuffix(s.Text(), "\n"); got != list {
			t.Errorf("the list is\n%s\nwant\n%s", got, list)
		}
		if got := log.take(); got != logged {
			t.Errorf("logged\n%s\nwant\n%s", got, logged)
		}
	}
	const (
		downLine = "port_down: Physical_Port p0: no link; plug it in"
		goneLine = "missing_device: Physical_Port p1: no device; make it"
	)
	step("", "")
	s.Replace("plane", down, gone, down)
	step(goneLine+"\n"+downLine, `level=WARN msg="`+goneLine+"\"\nlevel=INFO msg=\""+downLine+`"`)
	s.Replace("plane", down, gone)
	s.Change(nil, []Problem{down})
	step(goneLine+"\n"+downLine, "")
	s.Replace("plane", gone)
	step(goneLine+"\n"+downLine, "")
	s.Change([]Problem{down}, nil)
	step(goneLine, `level=INFO msg="over: `+downLine+`"`)
	// What is said anew about the same thing is news, but nothing is over.
	other := gone
	other.Text = "still no device"
	s.Replace("plane", other)
	step("missing_device: Physical_Port p1: still no device; make it",
		`level=WARN msg="missing_device: Physical_Port p1: still no device; make it"`)
	// What comes and goes within one change has not been there.
	s.Change([]Problem{down}, []Problem{down})
	step("missing_device: Physical_Port p1: still no device; make it", "")
	s.Replace("plane")
	step("", `level=INFO msg="over: missing_device: Physical_Port p1: still no device; make it"`)
	if len(s.count)+len(s.sources) != 0 {
		t.Errorf("%v and %v are left", s.count, s.sources)
	}
}

// A flood of problems does not become a flood of lines, nor an endless list.
func TestBounded(t *testing.T) {
	s, log := newRecorded()
	var many []Problem
	for i := range 5 * listLines {
		many = append(many, Problem{IgnoredRow, fmt.Sprint("row ", i), "bad", ""})
	}
	s.Replace("rows", many...)
	if n := len(log.lines); n != logLines+1 || !strings.Contains(log.take(), "and 4980 more") {
		t.Errorf("%d lines are logged", n)
	}
	if lines := strings.Count(s.Text(), "\n"); lines != listLines+1 || !strings.Contains(s.Text(), "\nignored_row: 4000 more\n") {
		t.Errorf("the list has %d lines", lines)
	}
	s.Replace("rows")
	if n := len(log.lines); n != logLines+1 {
		t.Errorf("%d lines are logged at the end", n)
	}
}

// An error brings its kind and remedy with it, through wrapping; a name can't break a line.
func TestOf(t *testing.T) {
	cause := errors.New("refused")
	err := fmt.Errorf("port: %w", Errorf(UnfitDevice, "take another", "device: %w", cause))
	if p := Of(Port("a b\n"), err, PortRefused); p.String() != `unfit_device: Physical_Port "a b\n": device: refused; take another` {
		t.Errorf("%q", p.String())
	}
	if !errors.Is(err, cause) || err.Error() != "port: device: refused; take another" {
		t.Errorf("%v", err)
	}
	if p := Of(Port(strings.Repeat("x", 1000)), cause, PortRefused); p.Kind != PortRefused || p.Text != "refused" || len(p.Object) > 100 {
		t.Errorf("%v", p)
	}
}

// A remedy can be pasted into a shell, whatever a row is called.
func TestArgument(t *testing.T) {
	for name, want := range map[string]string{
		"ls0": "ls0", "mn-1/a:b": "mn-1/a:b", "": "NAME", "a b": "NAME", "$(reboot)": "NAME", "-rf": "NAME", "a\nb": "NAME", "ü": "NAME",
		"a;b": "NAME", "`x`": "NAME", "a'b": "NAME", strings.Repeat("x", 100): "NAME",
	} {
		if got := Argument(name); got != want {
			t.Errorf("Argument(%q) = %q, want %q", name, got, want)
		}
	}
}

// Every kind is in the table of the documentation, with what it is.
func TestKindsAreDocumented(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range slices.Sorted(maps.Keys(doubtful)) {
		what := "refusal"
		if k.Doubt() {
			what = "doubt"
		}
		if !strings.Contains(string(text), fmt.Sprintf("| `%s` | %s |", k, what)) {
			t.Errorf("docs/reference.md has no line for the %s %q", what, k)
		}
	}
}
