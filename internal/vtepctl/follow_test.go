package vtepctl_test

import (
	"bytes"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

var timePattern = regexp.MustCompile(`\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.0-9]*Z?`)

// TestMonitor follows a table while it changes.
func TestMonitor(t *testing.T) {
	d := filled(t)
	for _, tt := range []struct{ args, want string }{
		{"--initial --count=3 monitor Logical_Router", `T initial Logical_Router r1 (U)
    name                : r1
T insert Logical_Router new (U)
    name                : new
T modify Logical_Router new (U)
    description         : "" -> x
T delete Logical_Router new (U)
`},
		{"--initial --count=3 --columns=description monitor logical-r", `T initial Logical_Router r1 (U)
T insert Logical_Router new (U)
T modify Logical_Router new (U)
    description         : "" -> x
T delete Logical_Router new (U)
`},
		{"-f json --initial --count=2 monitor Logical_Router", `{"action":"initial","new":{"name":"r1"},"table":"Logical_Router","time":"T","uuid":"U"}
{"action":"insert","new":{"name":"new"},"table":"Logical_Router","time":"T","uuid":"U"}
{"action":"modify","new":{"description":"x"},"old":{"description":""},"table":"Logical_Router","time":"T","uuid":"U"}
`},
	} {
		cmd := d.ours(t, strings.Fields(tt.args)...)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		first := make([]byte, 1) // with --initial, the first output says that it listens
		if _, err := io.ReadFull(out, first); err != nil {
			t.Fatalf("%s: %v", tt.args, err)
		}
		d.must(t, "add-lr", "new")
		d.must(t, "set", "Logical_Router", "new", "description=x")
		d.must(t, "del-lr", "new")
		rest, err := io.ReadAll(out)
		if err == nil {
			err = cmd.Wait()
		}
		got := uuidPattern.ReplaceAllString(timePattern.ReplaceAllString(string(first)+string(rest), "T"), "U")
		if err != nil || got != tt.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", tt.args, err, got, tt.want)
		}
	}
	for _, args := range []string{"--count=x monitor", "--columns=name monitor", "monitor Nope", "monitor -- list-ps"} {
		if r := run(t, d.ours(t, strings.Fields(args)...)); r.status != 1 || r.stderr == "" {
			t.Errorf("%s: %+v", args, r)
		}
	}
}

// TestMonitorSilent: without --initial only changes are printed.
func TestMonitorSilent(t *testing.T) {
	d := filled(t)
	cmd := d.ours(t, "--count=1", "monitor")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for deadline := time.Now().Add(90 * time.Second); ; {
		d.must(t, "add-lr", "new", "--", "set", "Logical_Router", "new", "description=x")
		d.must(t, "del-lr", "new")
		select {
		case err := <-ended:
			if got := out.String(); err != nil || strings.Contains(got, "initial") || strings.Count(got, "Logical_Router") != 1 {
				t.Errorf("%v\n%s", err, got)
			}
			return
		default:
			if time.Now().After(deadline) {
				t.Fatal("no change was seen")
			}
		}
	}
}
