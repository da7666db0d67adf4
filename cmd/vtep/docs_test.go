package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestDocs does what docs/ovsdb-server.md says, command by command, and looks for all options
// in it that the C server does not have.
func TestDocs(t *testing.T) {
	b := newOVSDBBed(t)
	tree := testenv.Tree(t)
	text := readText(t, filepath.Join(tree, "docs", "ovsdb-server.md"))
	schema := readText(t, filepath.Join(tree, "internal", "hwvtep", "vtep.ovsschema"))
	if err := os.WriteFile(filepath.Join(b.env.RunDir, "vtep.ovsschema"), []byte(schema), 0o666); err != nil {
		t.Fatal(err)
	}
	programs := filepath.Dir(b.server)
	t.Cleanup(func() { _ = b.env.Command("ovs-appctl", "-t", "ovsdb-server", "exit").Run() })
	port, commands := freePort(t), 0
	for line := range strings.Lines(text) {
		command, ok := strings.CutPrefix(line, "    ")
		if !ok {
			continue
		}
		commands++
		command = strings.ReplaceAll(strings.TrimSpace(command), "6640", port) // the usual one may be taken
		cmd := b.env.Command("sh", "-c", command)
		cmd.Dir = b.env.RunDir
		for i, v := range cmd.Env {
			if path, ok := strings.CutPrefix(v, "PATH="); ok {
				cmd.Env[i] = "PATH=" + programs + ":" + path
			}
		}
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
		if strings.Contains(command, "dump") && !strings.Contains(string(out), "ls0") {
			t.Errorf("%s:\n%s", command, out)
		}
	}
	if log := readText(t, filepath.Join(b.env.LogDir, "ovsdb-server.log")); strings.Contains(log, "|WARN|") || strings.Contains(log, "|ERR|") {
		t.Errorf("the log of a clean run has warnings:\n%s", log)
	}
	if commands < 5 {
		t.Errorf("%d commands", commands)
	}
	for _, option := range []string{"--durability", "--protect", "--read-only-remote", "--read-only", "--no-history"} {
		if !strings.Contains(text, "`"+option) {
			t.Errorf("%s is not described", option)
		}
	}
}
