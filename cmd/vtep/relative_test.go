package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// TestRelativeNames starts daemons with names that are relative to the directory of whoever starts them, which --detach leaves: what is
// read again later is the same file, and nothing stays in the directory of sockets.
func TestRelativeNames(t *testing.T) {
	b := newOVSDBBed(t)
	vtep, dir := filepath.Join(testenv.Binary(t), "vtep"), b.env.DBDir
	for name, text := range map[string]string{
		"token":     "0123456789abcdef\n",
		"bgp.yaml":  "as: 65001\nrouter-id: 10.0.0.1\nport: -1\n",
		"vtep.yaml": "switch: br0\nplane: memory\nrundir: run\ndb: vtep.db\ntoken-file: token\nmetrics: 127.0.0.1:" + freePort(t) + "\nevpn: bgp.yaml\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	control := func(socket string, args ...string) string {
		t.Helper()
		out, err := b.env.Command(vtep, append([]string{"appctl", "-t", filepath.Join(dir, "run", socket)}, args...)...).CombinedOutput()
		if err != nil {
			t.Errorf("%q: %v: %s", args, err, out)
		}
		return string(out)
	}
	for _, c := range []struct{ reload, want, args string }{
		{"evpn/reload", "nothing has changed\n", "evpn --bgp=bgp.yaml --rundir=run --metrics=127.0.0.1:" + freePort(t) + " --token-file=token unix:db.sock"},
		{"", "", "nvc --rundir=run unix:db.sock"},
		{"vtep/reload", "nothing has changed; the EVPN process: nothing has changed\n", "run --config=vtep.yaml"},
	} {
		args := append(strings.Fields(c.args), "--detach", "--pidfile", "--unixctl=one.ctl", "--log-file")
		cmd := b.env.Command(vtep, args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
			t.Fatalf("%q: %v: %s", args, err, out)
		}
		if args[0] == "run" {
			testenv.Eventually(t, 60*time.Second, func() error {
				return b.env.Command(vtep, "appctl", "-t", filepath.Join(dir, "run", "vtep-evpn.ctl"), "version").Run()
			})
		}
		if c.reload != "" {
			if got := control("one.ctl", c.reload); got != c.want {
				t.Errorf("%s says %q, want %q", c.reload, got, c.want)
			}
		}
		control("one.ctl", "exit", "--cleanup")
		testenv.Eventually(t, 60*time.Second, func() error { return leftIn(filepath.Join(dir, "run")) })
	}
}

// leftIn says what a daemon has left.
func leftIn(dir string) error {
	files, err := os.ReadDir(dir)
	files = slices.DeleteFunc(files, func(f os.DirEntry) bool { return strings.HasPrefix(f.Name(), ".") })
	if err == nil && len(files) > 0 {
		err = fmt.Errorf("left: %v", files)
	}
	return err
}
