package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// waitRestarted waits for another daemon than old to answer.
func (r *rig) waitRestarted(old int) int {
	r.Helper()
	testenv.Eventually(r, deadline, func() error {
		if pid := r.pid(); pid == 0 || pid == old {
			return fmt.Errorf("pidfile has %d, was %d", pid, old)
		}
		out, err := r.appctl("version")
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	return r.pid()
}

func TestMonitor(t *testing.T) {
	r := newRig(t, "ovsdb-server")
	stdout, stderr, status := r.start("--detach", "--monitor", "--no-chdir", "--pidfile", "--log-file", "-vconsole:off")
	if status != 0 || stdout != "" || stderr != "" {
		t.Fatalf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	first := r.pid()
	monitor := parent(first)
	for _, pid := range []int{first, monitor} {
		if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(b) != "ovsdb-server\n" {
			t.Errorf("name of process %d: %q, %v", pid, b, err)
		}
	}
	r.ask("remember", "db2 added")

	// A Go program that gets SIGSEGV from outside ends with status 2.
	if err := syscall.Kill(first, syscall.SIGSEGV); err != nil {
		t.Fatal(err)
	}
	second := r.waitRestarted(first)
	if parent(second) != monitor {
		t.Errorf("parent of the second daemon: %d, want %d", parent(second), monitor)
	}
	if got := r.ask("remember"); got != "db2 added\n" {
		t.Errorf("state after the crash: %q", got)
	}
	if err := syscall.Kill(second, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.waitGone(second)
	r.waitGone(monitor)
	if r.files() != "" {
		t.Errorf("files left: %q", r.files())
	}
	b, err := os.ReadFile(filepath.Join(r.env.LogDir, "ovsdb-server.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"SIGSEGV: segmentation violation", // the crash itself is told
		fmt.Sprintf("|daemon(monitor)|ERR|1 crashes: pid %d died, killed by the Go runtime (exit status 2), restarting\n", first),
		fmt.Sprintf("|daemon(monitor)|INFO|pid %d died, exit status 0, exiting\n", second),
	} {
		if !strings.Contains(string(b), want) {
			t.Errorf("log has no %q:\n%s", want, b)
		}
	}
}

func TestMonitorInForeground(t *testing.T) {
	r := newRig(t, "d")
	cmd := r.command("--monitor", "--pidfile", "-vconsole:off")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	first := r.waitRestarted(0)
	if parent(first) != cmd.Process.Pid {
		t.Errorf("parent of the daemon: %d, want %d", parent(first), cmd.Process.Pid)
	}
	if out, err := r.appctl("boom"); err == nil {
		t.Errorf("boom: %q", out)
	}
	second := r.waitRestarted(first)
	// A signal to the monitor is meant for both.
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("monitor: %v", err)
	}
	r.waitGone(second)
	if r.files() != "" {
		t.Errorf("files left: %q", r.files())
	}
}

func TestStageFromOutside(t *testing.T) {
	r := newRig(t, "d")
	cmd := r.command("--pidfile")
	cmd.Env = append(cmd.Env, stageVariable+"=daemon")
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), stageVariable+" is set, and must not be") {
		t.Errorf("%v: %s", err, out)
	}
}
