package test

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

var uuids = regexp.MustCompile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")

// TestTrace asks what docs/trace.md asks, of a lab as it is there, and wants what it says, but for the names of rows.
func TestTrace(t *testing.T) {
	w := newWorld(t)
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "trace.md"))
	if err != nil {
		t.Fatal(err)
	}
	w.start("--tunnel-ip="+lab.TunnelIP.String(), "--port=p0", "--port=p1")
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.learned("ls0", lab.Host1.MAC.String())
	command, said, commands := "", "", 0
	check := func() {
		t.Helper()
		if command == "" {
			return
		}
		commands++
		words := strings.Fields(command)
		out, status := w.run(append(words[:2:2], append([]string{"--rundir=" + w.env.RunDir}, words[2:]...)...)...)
		got, want := uuids.ReplaceAllString(strings.TrimSpace(out), "ROW"), uuids.ReplaceAllString(strings.TrimSpace(said), "ROW")
		if status != 0 || got != want {
			t.Errorf("%s: %d\n%s\n\ndocs/trace.md has\n%s", command, status, got, want)
		}
		command, said = "", ""
	}
	for line := range strings.Lines(string(text)) {
		block, ok := strings.CutPrefix(line, "    ")
		switch {
		case ok && strings.HasPrefix(block, "$ "):
			check()
			command = strings.TrimSpace(block[2:])
		case command != "" && ok:
			said += block
		case command != "" && line == "\n":
			said += line
		default:
			check()
		}
	}
	check()
	if commands < 4 {
		t.Errorf("docs/trace.md has %d commands", commands)
	}
}
