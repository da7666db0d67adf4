package test

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// process is a daemon that a test has started in the foreground.
type process struct {
	cmd  *exec.Cmd
	log  string        // file with what it prints
	done chan struct{} // closed at its end
	err  error         // of Wait, once done is closed
}

// launch starts cmd, in the namespace if there is one; its output goes to the file log.
func launch(t testing.TB, n *namespace.Namespace, cmd *exec.Cmd, log string) *process {
	t.Helper()
	f, err := os.OpenFile(log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	cmd.Stdout, cmd.Stderr = f, f
	start := cmd.Start
	if n != nil {
		start = func() error { return n.Start(cmd) }
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
	p := &process{cmd: cmd, log: log, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p
}

// wait gives the end of the process: its exit status, or -1 for a signal.
func (p *process) wait(t testing.TB) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		_ = p.cmd.Process.Signal(syscall.SIGQUIT) // shows the goroutines in the log
		<-p.done
		t.Errorf("%s did not end", filepath.Base(p.cmd.Path))
	}
	return p.cmd.ProcessState.ExitCode()
}

// listens says whether somebody listens on a socket, whose file is there before that.
func listens(socket string) error {
	conn, err := net.Dial("unix", socket)
	if err != nil {
		return err
	}
	return conn.Close()
}

func (p *process) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// output is what the process has printed.
func (p *process) output(t testing.TB) string {
	t.Helper()
	b, err := os.ReadFile(p.log)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// vtepArgs are the arguments of "vtep" for this world: run, and where everything is.
func (w *world) vtepArgs(args ...string) []string {
	all := []string{"run", w.name, "--rundir=" + w.env.RunDir, "--pin-dir=" + w.pins}
	if w.external != "" || w.cluster != nil {
		all = append(all, "--connect="+w.targets())
	} else {
		all = append(all, "--db="+w.database())
	}
	return append(all, args...)
}

// usual are the arguments of most tests.
var usual = []string{"--tunnel-ip=" + lab.TunnelIP.String(), "--port=p0", "--port=p1"}

func (w *world) database() string { return filepath.Join(w.env.DBDir, "vtep.db") }

// socket is where the database is served.
func (w *world) socket() string {
	if w.external != "" {
		return filepath.Join(w.env.RunDir, w.external)
	}
	return filepath.Join(w.env.RunDir, "db.sock")
}

// targets are the servers of the database, with commas between them.
func (w *world) targets() string {
	if w.cluster != nil {
		return w.cluster.Targets()
	}
	return "unix:" + w.socket()
}

// launch starts the VTEP and does not wait for it.
func (w *world) launch(args ...string) *process {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.bin, "vtep"), w.vtepArgs(args...)...)
	cmd.Env, cmd.Dir = w.env.Env, w.env.RunDir
	return w.launchIn(cmd)
}

// launchIn starts a VTEP in its namespace, with a log of its own.
func (w *world) launchIn(cmd *exec.Cmd) *process {
	w.t.Helper()
	w.starts++
	return launch(w.t, w.lab.Namespace(lab.VTEP), cmd, filepath.Join(w.env.LogDir, fmt.Sprintf("vtep%d.log", w.starts)))
}

// start starts the VTEP, and returns when it is ready.
func (w *world) start(args ...string) {
	w.t.Helper()
	w.startWithin(patience, args...)
}

// startWithin is start of a VTEP that may take so long.
func (w *world) startWithin(most time.Duration, args ...string) {
	w.t.Helper()
	if w.vtep != nil {
		w.t.Fatal("the VTEP runs already")
	}
	w.args = args
	w.vtep = w.launch(args...)
	w.readyWithin(most)
}

// ready waits until the VTEP says that it runs: forwarding is what the rows say then.
func (w *world) ready() {
	w.t.Helper()
	w.readyWithin(patience)
}

func (w *world) readyWithin(most time.Duration) {
	w.t.Helper()
	testenv.Eventually(w.t, most, func() error {
		out := w.vtep.output(w.t)
		if w.vtep.ended() {
			w.vtep = nil
			w.t.Fatalf("the VTEP ended at once:\n%s", out)
		}
		if !strings.Contains(out, "|running") {
			return errors.New("the VTEP does not say that it runs")
		}
		return nil
	})
}

// control is the socket for ovs-appctl.
func (w *world) control() string {
	return filepath.Join(w.env.RunDir, fmt.Sprintf("vtep.%d.ctl", w.vtep.cmd.Process.Pid))
}

// exit is "ovs-appctl exit": the VTEP must end well.
func (w *world) exit(args ...string) {
	w.t.Helper()
	appctl := testenv.Program(w.t, "ovs-appctl")
	cmd := w.env.Command(appctl, append([]string{"-t", w.control(), "exit"}, args...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Errorf("ovs-appctl exit: %v: %s", err, out)
		_ = w.vtep.cmd.Process.Kill()
	}
	if status := w.vtep.wait(w.t); status != 0 {
		w.t.Errorf("the VTEP ended with status %d, not 0", status)
	}
	w.vtep = nil
}

// signal ends the VTEP by a signal and returns its exit status.
func (w *world) signal(sig syscall.Signal) int {
	w.t.Helper()
	if err := w.vtep.cmd.Process.Signal(sig); err != nil {
		w.t.Fatal(err)
	}
	status := w.vtep.wait(w.t)
	if sig == syscall.SIGKILL {
		os.Remove(w.control()) // nobody else can, and nobody is in its way
	}
	w.vtep = nil
	return status
}

// logged waits for a line of the VTEP's log that contains every one of words.
func (w *world) logged(words ...string) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
	lines:
		for line := range strings.SplitSeq(w.vtep.output(w.t), "\n") {
			for _, word := range words {
				if !strings.Contains(line, word) {
					continue lines
				}
			}
			return nil
		}
		return fmt.Errorf("no line with %q in the log", words)
	})
}

// showLogs prints what the daemons of a failed test have said.
func (w *world) showLogs() {
	logs, _ := filepath.Glob(filepath.Join(w.env.LogDir, "*"))
	for _, path := range logs {
		b, err := os.ReadFile(path)
		if err != nil {
			w.t.Log(err)
			continue
		}
		if lines := bytes.SplitAfter(b, []byte("\n")); len(lines) > 60 {
			b = bytes.Join(lines[len(lines)-60:], nil)
		}
		w.t.Logf("---- %s\n%s", filepath.Base(path), b)
	}
}

// nvc is a vtep-ctl, which plays the controller.
type nvc struct {
	w       *world
	program string
}

// ctl is our vtep-ctl, cvtepctl the C one.
func (w *world) ours() nvc { return nvc{w, filepath.Join(w.bin, "vtep-ctl")} }
func (w *world) cs() nvc   { return nvc{w, testenv.Program(w.t, "vtep-ctl")} }

// run runs one command, or several with "--" between them, and returns the output.
func (n nvc) run(args ...string) string {
	n.w.t.Helper()
	return n.w.env.Output(n.w.t, n.program, append([]string{"--db=" + n.w.targets()}, args...)...)
}

// ctl runs the commands of our vtep-ctl, one in each line, in one transaction. Words are
// separated by blanks.
func (w *world) ctl(commands string) string {
	w.t.Helper()
	var args []string
	for line := range strings.Lines(commands) {
		words := strings.Fields(line)
		if len(words) == 0 {
			continue
		}
		if args != nil {
			args = append(args, "--")
		}
		args = append(args, words...)
	}
	return w.ours().run(args...)
}

// fails runs a program that must fail, and returns its exit status and standard error.
func fails(t testing.TB, cmd *exec.Cmd) (status int, stderr string) {
	t.Helper()
	var b bytes.Buffer
	cmd.Stderr = &b
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	runs := time.AfterFunc(patience, func() { _ = cmd.Process.Kill() })
	err := cmd.Wait()
	if !runs.Stop() {
		t.Fatalf("%q runs, but it must refuse; it said: %s", cmd.Args, b.String())
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		t.Fatalf("%q: %v, but it must fail; it said: %s", cmd.Args, err, b.String())
	}
	return exit.ExitCode(), b.String()
}
