package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// TestRunEVPN has "vtep run --evpn" keep a speaker, which outlives it, and is started again after whatever end.
func TestRunEVPN(t *testing.T) {
	b := newOVSDBBed(t)
	vtep, dir := filepath.Join(testenv.Binary(t), "vtep"), b.env.RunDir
	port, bgp := freePort(t), freePort(t)
	file := filepath.Join(b.env.DBDir, "vtep.yaml")
	text := "switch: br0\nplane: memory\nevpn-metrics: 127.0.0.1:" + port + "\nevpn:\n  as: 65001\n  router-id: 10.0.0.1\n  listen: [127.0.0.1]\n  port: " + bgp + "\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	start := func() *exec.Cmd {
		t.Helper()
		cmd := b.env.Command(vtep, "run", "--config="+file, "--rundir="+dir, "--unixctl="+filepath.Join(dir, "vtep.ctl"))
		log, err := os.OpenFile(filepath.Join(b.env.DBDir, "run.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			t.Fatal(err)
		}
		defer log.Close()
		cmd.Stdout, cmd.Stderr = log, log
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		return cmd
	}
	end := func(cmd *exec.Cmd) {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}
	control := filepath.Join(dir, "vtep-evpn.ctl")
	appctl := func(socket string, args ...string) (string, error) {
		out, err := b.env.Command(vtep, append([]string{"appctl", "-t", socket}, args...)...).CombinedOutput()
		return string(out), err
	}
	// speaks waits until the speaker works, as a process that is none of others, and returns that.
	speaks := func(others ...string) string {
		t.Helper()
		pid := ""
		testenv.Eventually(t, 60*time.Second, func() error {
			out, err := appctl(control, "evpn/status")
			if err != nil || !strings.Contains(out, "AS 65001, router 10.0.0.1, database active") {
				return fmt.Errorf("%v: %s", err, out)
			}
			text, err := os.ReadFile(filepath.Join(dir, "vtep-evpn.pid"))
			pid = strings.TrimSpace(string(text))
			for _, other := range others {
				if pid == other {
					return fmt.Errorf("it is process %s still", pid)
				}
			}
			return err
		})
		return pid
	}
	kill := func(pid string) {
		t.Helper()
		var n int
		if _, err := fmt.Sscan(pid, &n); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(n, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
	}
	run := start()
	t.Cleanup(func() {
		end(run)
		_, _ = appctl(control, "exit")
		if t.Failed() {
			for _, name := range []string{filepath.Join(b.env.DBDir, "run.log"), filepath.Join(b.env.LogDir, "vtep-evpn.log")} {
				text, _ := os.ReadFile(name)
				t.Logf("%s:\n%s", name, text)
			}
		}
	})
	first := speaks()
	for question, want := range map[string]string{"status": "AS 65001, router 10.0.0.1, database active", "explain 02:00:00:00:00:01": "no route is of", "explain 02:00:00:00:00:01 -f json": "[]", "routes -f json": "[]"} {
		out, err := b.env.Command(vtep, append([]string{"evpn"}, strings.Fields(question+" --rundir="+dir)...)...).CombinedOutput()
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("vtep evpn %s: %v: %s", question, err, out)
		}
	}
	testenv.Eventually(t, 60*time.Second, func() error {
		r, err := http.Get("http://127.0.0.1:" + port + "/readyz")
		if err != nil {
			return err
		}
		defer r.Body.Close()
		text, _ := io.ReadAll(r.Body)
		if r.StatusCode != http.StatusOK || string(text) != "active\n" {
			return fmt.Errorf("%d: %s", r.StatusCode, text)
		}
		return nil
	})

	// The sockets of the speaker are named with those of the VTEP, which has the tunnels in memory, and none for them.
	out, err := b.env.Command(vtep, "status", "--rundir="+dir).CombinedOutput()
	for _, line := range []string{"tcp:127.0.0.1:" + bgp, "http://127.0.0.1:" + port, "unix:" + control} {
		if !strings.Contains(string(out), "\n"+line) || err != nil {
			t.Errorf("%v: status has no %s:\n%s", err, line, out)
		}
	}

	// A neighbor that is new in the file comes with a reload of the VTEP; what can't be taken yet is told.
	for _, c := range []struct{ text, want string }{
		{text + "  neighbors:\n  - {address: 127.0.0.9, passive: true}\n", "neighbor 127.0.0.9 added"},
		{strings.ReplaceAll(text, "65001", "65009"), "neighbor 127.0.0.9 removed; what waits for the next start: as"},
		{text, "nothing has changed"},
		{"switch: br0\nplane: memory\n", ""},
	} {
		if err := os.WriteFile(file, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := appctl(filepath.Join(dir, "vtep.ctl"), "vtep/reload")
		want := "nothing has changed; the EVPN process: " + c.want + "\n"
		if c.want == "" {
			want = "nothing has changed; what waits for the next start: evpn, evpn-metrics\n"
		}
		if err != nil || out != want {
			t.Errorf("%v: %q, want %q", err, out, want)
		}
	}

	// The VTEP goes and comes back: the speaker is the one that was.
	end(run)
	if out, err := appctl(control, "version"); err != nil {
		t.Fatalf("the speaker is gone, too: %v %s", err, out)
	}
	logged := func(text string) {
		t.Helper()
		testenv.Eventually(t, 60*time.Second, func() error {
			if log, _ := os.ReadFile(filepath.Join(b.env.DBDir, "run.log")); !strings.Contains(string(log), text) {
				return fmt.Errorf("the log is %s", log)
			}
			return nil
		})
	}
	run = start() // nothing is said of EVPN any more
	logged("an EVPN process runs that --evpn of before has started")
	end(run)
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	run = start()
	logged("EVPN process runs already")
	if pid := speaks(); pid != first {
		t.Errorf("the speaker was %s, and is %s", first, pid)
	}

	// The next VTEP wants it with other options.
	end(run)
	if err := os.WriteFile(file, []byte(strings.Replace(text, "127.0.0.1:"+port, "127.0.0.1:"+freePort(t), 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	run = start()
	changed := speaks(first)

	// It crashes, and ends.
	kill(changed)
	second := speaks(first, changed)
	if out, err := appctl(control, "exit"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	speaks(first, changed, second)

	if out, err := appctl(filepath.Join(dir, "vtep.ctl"), "exit", "--cleanup"); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = run.Wait()
	testenv.Eventually(t, 60*time.Second, func() error {
		if _, err := os.Stat(control); err == nil {
			return fmt.Errorf("the speaker is there after exit --cleanup")
		}
		return nil
	})
}
