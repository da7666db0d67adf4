package daemon

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

const deadline = 90 * time.Second

// rig runs the daemon of main_test.go in directories of its own.
type rig struct {
	*testing.T
	env  *testenv.Env
	name string
}

func newRig(t *testing.T, name string) *rig {
	t.Helper()
	r := &rig{T: t, env: testenv.OVS(t), name: name}
	t.Cleanup(func() {
		if pid := r.pid(); pid > 0 {
			_ = syscall.Kill(pid, syscall.SIGTERM)
			r.waitGone(pid)
		}
	})
	return r
}

// command is the daemon with arguments, not yet started.
func (r *rig) command(args ...string) *exec.Cmd {
	cmd := r.env.Command(os.Args[0], args...)
	// A process under the race detector would sleep for a second at its end.
	cmd.Env = append(cmd.Env, actVariable+"="+r.name, "GORACE=atexit_sleep_ms=0")
	return cmd
}

// start runs the foreground process to its end and returns its output.
func (r *rig) start(args ...string) (stdout, stderr string, status int) {
	r.Helper()
	var out, errs strings.Builder
	cmd := r.command(args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		r.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// appctl asks the daemon by the real ovs-appctl.
func (r *rig) appctl(args ...string) (string, error) {
	r.Helper()
	cmd := r.env.Command(testenv.Program(r, "ovs-appctl"), append([]string{"-t", r.name, "--timeout=60"}, args...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (r *rig) ask(args ...string) string {
	r.Helper()
	out, err := r.appctl(args...)
	if err != nil {
		r.Fatalf("ovs-appctl %q: %v: %s", args, err, out)
	}
	return out
}

func (r *rig) pid() int {
	b, err := os.ReadFile(filepath.Join(r.env.RunDir, r.name+".pid"))
	if err != nil {
		return 0
	}
	pid, _ := strconv.Atoi(strings.TrimSpace(string(b)))
	return pid
}

func (r *rig) waitGone(pid int) {
	r.Helper()
	testenv.Eventually(r, deadline, func() error {
		if alive(pid) {
			return fmt.Errorf("process %d still runs", pid)
		}
		return nil
	})
}

// alive is false for a process that has ended, reaped or not: not every machine's init reaps.
func alive(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

func parent(pid int) int {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	ppid, _ := strconv.Atoi(strings.Fields(rest)[1])
	return ppid
}

// files lists what is in the run directory.
func (r *rig) files() string {
	entries, err := os.ReadDir(r.env.RunDir)
	if err != nil {
		r.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return strings.Join(names, " ")
}

// TestDetachQuiet has a daemon log before it is ready: standard error shows it in the
// foreground, or if the command line asks for it, but not of one that goes into the background.
func TestDetachQuiet(t *testing.T) {
	r := newRig(t, "ovs-vtep")
	for _, args := range [][]string{{"--detach"}, {"--detach", "--monitor"}, {"--detach", "-v"}, {"--detach", "-vagent:dbg"}} {
		stdout, stderr, status := r.start(append(args, "--early", "--pidfile", "--log-file")...)
		if status != 0 || stdout != "" || stderr != "" {
			t.Errorf("%q: status %d, stdout %q, stderr %q", args, status, stdout, stderr)
		}
		pid := r.pid()
		r.ask("exit")
		r.waitGone(pid)
	}
	if _, stderr, status := r.start("--detach", "-vconsole:warn", "--early", "--pidfile"); status != 0 || !strings.Contains(stderr, "before it is ready") {
		t.Errorf("asked for: status %d, stderr %q", status, stderr)
	}
	r.ask("exit")
	// What keeps it from starting is told.
	if _, stderr, status := r.start("--detach", "--fail"); status == 0 || stderr != "ovs-vtep: asked to fail\n" {
		t.Errorf("status %d, stderr %q", status, stderr)
	}
	b, err := os.ReadFile(filepath.Join(r.env.LogDir, "ovs-vtep.log"))
	if err != nil || strings.Count(string(b), "before it is ready") != 4 {
		t.Errorf("log file: %v\n%s", err, b)
	}
}

func TestUser(t *testing.T) {
	testenv.Root(t)
	r := newRig(t, "ovs-vtep")
	for _, dir := range []string{filepath.Dir(r.env.RunDir), r.env.RunDir, r.env.LogDir} {
		if err := os.Chmod(dir, 0o777); err != nil {
			t.Fatal(err)
		}
	}
	for dir := filepath.Dir(os.Args[0]); dir != "/"; dir = filepath.Dir(dir) { // the daemon runs its own file
		fi, err := os.Stat(dir)
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode()&1 == 0 {
			if err := os.Chmod(dir, fi.Mode()|0o111); err != nil {
				t.Fatal(err)
			}
			defer func() { _ = os.Chmod(dir, fi.Mode()) }()
		}
	}
	for spec, want := range map[string]string{"nobody": "65534 65534\n", "nobody:daemon": "65534 1\n", ":daemon": "0 1\n"} {
		if _, stderr, status := r.start("--detach", "--monitor", "--no-chdir", "--pidfile", "--log-file", "--user="+spec); status != 0 {
			t.Fatalf("%s: status %d, %s", spec, status, stderr)
		}
		pid := r.pid()
		if got := r.ask("uid"); got != want {
			t.Errorf("%s: ids %q, want %q", spec, got, want)
		}
		fi, err := os.Stat(filepath.Join(r.env.RunDir, "ovs-vtep.pid"))
		if err != nil || fmt.Sprintf("%d %d\n", fi.Sys().(*syscall.Stat_t).Uid, fi.Sys().(*syscall.Stat_t).Gid) != want {
			t.Errorf("%s: the pidfile is not its own: %v", spec, err)
		}
		monitor := parent(pid)
		r.ask("exit")
		r.waitGone(pid)
		r.waitGone(monitor) // it logs last of all, and would make the file again
		if err := os.Remove(filepath.Join(r.env.LogDir, "ovs-vtep.log")); err != nil {
			t.Fatal(err)
		}
	}
	for spec, want := range map[string]string{"nobody-here": "user nobody-here not found", "nobody:nix": "group nix not found"} {
		if _, stderr, status := r.start("--detach", "--user="+spec); status == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%s: status %d, %s", spec, status, stderr)
		}
	}
}

func TestVlogMessage(t *testing.T) {
	r := newRig(t, "ovs-vtep")
	if _, stderr, status := r.start("--detach", "--pidfile", "--log-file"); status != 0 {
		t.Fatalf("status %d, %s", status, stderr)
	}
	r.ask("vlog/message", "warn", "a note of", "the operator")
	r.ask("vlog/message", "agent:info", "another")
	r.ask("vlog/message", "dbg", "not shown")
	r.ask("vlog/message", "of one argument")
	for _, args := range [][]string{{"vlog/message", "loud", "x"}, {"vlog/message", "nix:info", "x"}, {"vlog/message"}, {"vlog/disable-rate-limit", "nix"}} {
		if out, err := r.appctl(args...); err == nil {
			t.Errorf("%q: %s", args, out)
		}
	}
	r.ask("vlog/disable-rate-limit", "agent", "vlog")
	if list := r.ask("vlog/list"); strings.Count(list, "(rate limiting disabled)") != 2 {
		t.Errorf("list:\n%s", list)
	}
	r.ask("vlog/enable-rate-limit")
	b, err := os.ReadFile(filepath.Join(r.env.LogDir, "ovs-vtep.log"))
	if err != nil || !strings.Contains(string(b), "|vlog|WARN|a note of the operator\n") || !strings.Contains(string(b), "|agent|INFO|another\n") ||
		!strings.Contains(string(b), "|vlog|INFO|user-message: of one argument\n") || strings.Contains(string(b), "not shown") {
		t.Errorf("log: %v\n%s", err, b)
	}
}

func TestDetach(t *testing.T) {
	r := newRig(t, "ovs-vtep")
	stdout, stderr, status := r.start("br0", "-vconsole:off", "--detach", "--no-chdir", "--pidfile", "--log-file", "--listening=up")
	if status != 0 || stdout != "" || stderr != "" {
		t.Fatalf("status %d, stdout %q, stderr %q", status, stdout, stderr)
	}
	pid := r.pid()
	if want := fmt.Sprintf("ovs-vtep.%d.ctl ovs-vtep.pid up", pid); r.files() != want {
		t.Errorf("files %q, want %q", r.files(), want)
	}
	for _, check := range []struct{ command, want string }{
		{"version", "ovs-vtep 1.2.3\n"},
		{"args", "br0\n"},
		{"cwd", r.env.RunDir + "\n"},
		{"stdout", "/dev/null\n"},
	} {
		if got := r.ask(check.command); got != check.want {
			t.Errorf("%s: %q, want %q", check.command, got, check.want)
		}
	}
	if b, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid)); err != nil || string(b) != "ovs-vtep\n" {
		t.Errorf("name of the process: %q, %v", b, err)
	}
	if sid, err := syscall.Getpgid(pid); err != nil || sid != pid {
		t.Errorf("process group %d, %v: not a session of its own", sid, err)
	}
	if out := r.ask("exit"); out != "" {
		t.Errorf("exit says %q", out)
	}
	r.waitGone(pid)
	if r.files() != "up" {
		t.Errorf("files left: %q", r.files())
	}
	b, err := os.ReadFile(filepath.Join(r.env.LogDir, "ovs-vtep.log"))
	if err != nil || !strings.Contains(string(b), fmt.Sprintf("|00002|agent|INFO|ready pid=%d env=\"\"\n", pid)) {
		t.Errorf("log: %q, %v", b, err)
	}
}

func TestDetachChangesDirectory(t *testing.T) {
	r := newRig(t, "d")
	if _, stderr, status := r.start("--detach", "--pidfile"); status != 0 {
		t.Fatal(stderr)
	}
	if got := r.ask("cwd"); got != "/\n" {
		t.Errorf("directory %q", got)
	}
}

func TestStartErrors(t *testing.T) {
	for _, tt := range []struct{ name, args, want string }{
		{"program", "--detach --pidfile --fail", "d: asked to fail\n"},
		{"control socket", "--detach --pidfile --unixctl=nonexistent/x", ": could not initialize control socket"},
		{"pidfile", "--detach --pidfile=nonexistent/x", ".tmp: create failed (no such file or directory)\n"},
		{"option", "--detach --pidfile --nix", "d: unrecognized option '--nix'\n"},
		{"level", "-vnix", "d: -vnix: processing \"nix\": no destination, level, or module \"nix\"\n"},
		{"foreground", "--fail --pidfile", "d: asked to fail\n"},
		{"monitored", "--monitor --detach --pidfile --fail", "d: asked to fail\n"},
		{"monitored in foreground", "--monitor --pidfile --fail", "d: asked to fail\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, "d")
			stdout, stderr, status := r.start(strings.Fields(tt.args)...)
			if status != 1 || stdout != "" || !strings.Contains(stderr, tt.want) || strings.Count(stderr, "\n") != 1 {
				t.Errorf("status %d, stdout %q, stderr %q", status, stdout, stderr)
			}
			if r.files() != "" {
				t.Errorf("files left: %q", r.files())
			}
		})
	}
}

func TestAlreadyRunning(t *testing.T) {
	r := newRig(t, "d")
	if _, stderr, status := r.start("--detach", "--pidfile"); status != 0 {
		t.Fatal(stderr)
	}
	pid := r.pid()
	_, stderr, status := r.start("--detach", "--pidfile")
	if want := fmt.Sprintf("d: %s/d.pid: already running as pid %d, aborting\n", r.env.RunDir, pid); status != 1 || stderr != want {
		t.Errorf("status %d, stderr %q, want %q", status, stderr, want)
	}
	if r.pid() != pid || r.ask("echo", "still", "here") != "still here\n" {
		t.Error("the first one is disturbed")
	}
	if _, stderr, status := r.start("--detach", "--pidfile", "--overwrite-pidfile"); status != 0 {
		t.Fatal(stderr)
	}
	second := r.pid()
	if second == pid || r.ask("echo", "x") != "x\n" {
		t.Error("no second one")
	}
	// The first must not take the second one's pidfile away.
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r.waitGone(pid)
	if r.pid() != second {
		t.Errorf("pidfile of the second: %d", r.pid())
	}
}

func TestStalePidfile(t *testing.T) {
	r := newRig(t, "d")
	if _, stderr, status := r.start("--detach", "--pidfile"); status != 0 {
		t.Fatal(stderr)
	}
	pid := r.pid()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	r.waitGone(pid)
	if r.pid() != pid {
		t.Fatal("a killed daemon can't remove its pidfile, can it?")
	}
	if out, err := r.appctl("version"); err == nil {
		t.Errorf("a dead daemon answers %q", out)
	}
	if _, stderr, status := r.start("--detach", "--pidfile"); status != 0 {
		t.Fatal(stderr)
	}
	r.ask("version")
}

func TestSignal(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP} {
		r := newRig(t, "d")
		if _, stderr, status := r.start("--detach", "--pidfile"); status != 0 {
			t.Fatal(stderr)
		}
		pid := r.pid()
		if err := syscall.Kill(pid, s); err != nil {
			t.Fatal(err)
		}
		r.waitGone(pid)
		if r.files() != "" {
			t.Errorf("%v: files left: %q", s, r.files())
		}
	}
}

// TestBrokenPipe: a daemon whose messages nobody reads any more goes on.
func TestBrokenPipe(t *testing.T) {
	r := newRig(t, "pipe")
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	read.Close() // "bye" finds a broken pipe
	cmd := r.command("--pidfile")
	cmd.Stderr = write
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	write.Close()
	for end := time.Now().Add(deadline); !strings.Contains(r.files(), ".ctl") && time.Now().Before(end); {
		time.Sleep(10 * time.Millisecond)
	}
	for range 3 {
		r.ask("version")
	}
	r.ask("exit")
	if err := cmd.Wait(); err != nil {
		t.Errorf("with a broken pipe: %v", err)
	}
}

func TestExitCleanup(t *testing.T) {
	r := newRig(t, "d")
	if _, stderr, status := r.start("--detach", "--pidfile"); status != 0 {
		t.Fatal(stderr)
	}
	pid := r.pid()
	if out, err := r.appctl("exit", "--nix"); err == nil || !strings.Contains(out, "is not an option") {
		t.Errorf("exit --nix: %q, %v", out, err)
	}
	socket := filepath.Join(r.env.RunDir, fmt.Sprintf("d.%d.ctl", pid))
	if _, err := Call(context.Background(), socket, "exit", "--cleanup"); err != nil {
		t.Fatal(err)
	}
	r.waitGone(pid)
	if r.files() != "cleaned" {
		t.Errorf("files: %q", r.files())
	}
}
