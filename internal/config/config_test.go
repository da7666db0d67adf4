package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/getopt"
)

// program is a program with options of every sort.
type program struct {
	detach, monitor bool
	ip              string
	ports           []string
	pidfile         []string
	verbose         []string
}

func (p *program) options() []getopt.Option {
	return []getopt.Option{
		getopt.Flag("detach", "help", &p.detach), getopt.Flag("monitor", "help", &p.monitor),
		getopt.Strings("port", "NAME", "help", &p.ports),
		{Long: "tunnel-ip", Arg: getopt.RequiredArg, Help: "help", Set: func(arg string) error {
			if strings.Contains(arg, "x") {
				return fmt.Errorf("%q is no address", arg)
			}
			p.ip = arg
			return nil
		}},
		{Long: "pidfile", Arg: getopt.OptionalArg, Help: "help", Set: func(arg string) error { p.pidfile = append(p.pidfile, arg); return nil }},
		{Long: "verbose", Short: 'v', Arg: getopt.OptionalArg, Repeatable: true, Help: "help", Set: func(arg string) error { p.verbose = append(p.verbose, arg); return nil }},
	}
}

func read(t *testing.T, text string) (*File, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "f.yaml")
	if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
	return Read(path)
}

func never(string) bool { return false }

// TestValues has options of every sort in a file, as one would write them.
func TestValues(t *testing.T) {
	f, err := read(t, `
# a remark
tunnel-ip: 192.0.2.1
port:
  - p0
  - "p1"
detach: true
monitor: false
pidfile: yes-this-one   # no truth value
verbose: [dbg, "vtep:file:info"]
`)
	if err != nil {
		t.Fatal(err)
	}
	var p program
	s := Settings{}
	if err := f.Apply(s.Record(p.options()), never); err != nil {
		t.Fatal(err)
	}
	if p.ip != "192.0.2.1" || !slices.Equal(p.ports, []string{"p0", "p1"}) || !p.detach || p.monitor || !slices.Equal(p.pidfile, []string{"yes-this-one"}) ||
		!slices.Equal(p.verbose, []string{"dbg", "vtep:file:info"}) {
		t.Errorf("%+v", p)
	}
	if !slices.Equal(s["port"], []string{"p0", "p1"}) || s["monitor"] != nil {
		t.Errorf("recorded are %v", s)
	}
	if got := s.Changed(Settings{"port": {"p0"}, "tunnel-ip": {"192.0.2.1"}, "new": {"x"}}); !slices.Equal(got, []string{"detach", "new", "pidfile", "port", "verbose"}) {
		t.Errorf("changed are %q", got)
	}
	var q program
	if err := f.Apply(q.options(), func(name string) bool { return name == "port" }); err != nil || q.ports != nil || q.ip == "" {
		t.Errorf("with port said elsewhere: %v, %+v", err, q)
	}
	for _, text := range []string{"", "# nothing\n", "---\n", "~\n"} {
		if f, err := read(t, text); err != nil || len(f.Names()) != 0 {
			t.Errorf("%q: %v, %v", text, f, err)
		}
	}
}

// TestErrors wants line and column of every mistake.
func TestErrors(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{"tunel-ip: 192.0.2.1\n", "1:1: tunel-ip is no option; is tunnel-ip meant?"},
		{"\n\n  nonsense: 1\n", "3:3: nonsense is no option"},
		{"detach: true\ntunnel-ip:   x.y\n", `2:14: tunnel-ip: "x.y" is no address`},
		{"port: [p0, [p1]]\n", "1:12: port: a value is expected, or a list of values"},
		{"tunnel-ip: [a, b]\n", "1:13: tunnel-ip: it has one value, not a list"},
		{"detach: maybe\n", `1:9: detach: true or false is expected, not "maybe"`},
		{"detach:\n", "1:8: detach has no value"},
		{"detach: true\n\ndetach: false\n", "3:1: detach is there already, in line 1"},
		{"- detach\n", "1:1: options are expected, as"},
		{"just text\n", "1:1: options are expected, as"},
		{"detach: true\n  port: p0\n", "2:3: "},
		{"detach: true\nport: p0: p1\n", "2:1: "},
		{"detach: true\nport: \"p0\n", ":1: "},
		{"\tdetach: true\n", "1:2: "},
		{"detach: true\n---\nport: p0\n", "2:1: a second document begins"},
		{"x: &a p0\nport: *a\n", "1:1: x is no option"},
		{"x: &a p0\nport: *a\n", "2:7: port: an alias can't be a value"},
	} {
		f, err := read(t, c.text)
		if err == nil {
			var p program
			err = f.Apply(p.options(), never)
		}
		if err == nil || !strings.Contains(err.Error(), ".yaml:") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: %v\nwant %q", c.text, err, c.want)
		}
	}
	// All of them, in the order of the file.
	f, err := read(t, "port: {}\nx: 1\ntunnel-ip: x\ndetach: [true]\n")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(f.Apply(new(program).options(), never).Error()) {
		_, rest, _ := strings.Cut(line, ".yaml:")
		lines = append(lines, rest[:2])
	}
	if !slices.Equal(lines, []string{"1:", "2:", "3:", "4:"}) {
		t.Errorf("the errors are in %q", lines)
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
	if _, err := read(t, strings.Repeat("#", maxSize+1)); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a large file: %v", err)
	}
	place := f.Place(errors.New("--tunnel-ip: refused"))
	var at *Error
	if !errors.As(place, &at) || at.Line != 3 || at.Column != 12 {
		t.Errorf("an error about an option is at %v", place)
	}
	if err := f.Place(errors.New("--other: refused")); errors.As(err, &at) && at.Err == err {
		t.Errorf("%v", err)
	}
}

// FuzzRead gives it anything: it answers with an error that has a place, or with options.
func FuzzRead(f *testing.F) {
	for _, text := range []string{"a: b\n", "a: [b, c]\n", "a: {b: c}\n", "? [a]\n: b\n", "<<: *x\n", "a: !!binary x\n", "%YAML 1.2\n---\na: b\n", "\x00"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		file, err := parse("f", text)
		if err == nil {
			err = file.Apply(new(program).options(), never)
		}
		if err != nil && !strings.HasPrefix(err.Error(), "f:") {
			t.Errorf("%q: %v", text, err)
		}
	})
}
