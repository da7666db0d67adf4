package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
)

// run runs a program of ours in the VTEP's namespace, and returns its output and status.
func (w *world) run(args ...string) (string, int) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.bin, args[0]), args[1:]...)
	cmd.Env, cmd.Dir = w.env.Env, w.env.RunDir
	out := filepath.Join(w.env.LogDir, "run.out")
	if err := os.RemoveAll(out); err != nil {
		w.t.Fatal(err)
	}
	p := launch(w.t, w.lab.Namespace(lab.VTEP), cmd, out)
	status := p.wait(w.t)
	return p.output(w.t), status
}

// problem waits until vtep/problems has a line that begins with prefix, or has none.
func (w *world) problem(prefix string, want bool) {
	w.t.Helper()
	testenv.Eventually(w.t, patience, func() error {
		text := w.appctl("vtep/problems")
		if strings.Contains("\n"+text, "\n"+prefix) != want {
			return fmt.Errorf("a line with %q should be there: %v; it says\n%s", prefix, want, text)
		}
		return nil
	})
}

// TestCleanupCommand takes down what a killed VTEP has left, without a VTEP; a running one is
// left alone.
func TestCleanupCommand(t *testing.T) {
	w := newWorld(t)
	w.both()
	cleanup := []string{"vtep", "cleanup", "--pin-dir=" + w.pins, w.name}
	if out, status := w.run(cleanup...); status != 1 || !strings.Contains(out, "in use by another process") {
		t.Errorf("while the VTEP runs: status %d: %s", status, out)
	}
	w.reach(lab.Host1, lab.Host3)
	w.closeReplica()
	w.signal(syscall.SIGKILL)
	w.reach(lab.Host1, lab.Host3)
	if out, status := w.run(cleanup...); status != 0 || !strings.Contains(out, "was taken down") {
		t.Errorf("status %d: %s", status, out)
	}
	if left := w.programs(); exists(w.pins) || len(left) > 0 {
		t.Errorf("left are pins (%v) or programs on %q", exists(w.pins), left)
	}
	for _, name := range w.devices(lab.VTEP) {
		if strings.HasPrefix(name, "vtep") {
			t.Errorf("device left: %s", name)
		}
	}
	if out, status := w.run(cleanup...); status != 0 || !strings.Contains(out, "nothing of "+w.name) {
		t.Errorf("once more: status %d: %s", status, out)
	}
	w.start(usual...)
	w.reach(lab.Host1, lab.Host3)
}

// TestControl gives a VTEP the commands that operators give daemons, and asks it for its MACs.
func TestControl(t *testing.T) {
	w := newWorld(t)
	w.both()
	if got := w.appctl("ovsdb-server/list-remotes"); !strings.Contains(got, "punix:"+w.socket()) || !strings.Contains(got, "db:hardware_vtep,Global,managers") {
		t.Errorf("remotes are %q", got)
	}
	if got := w.appctl("memory/show"); !strings.Contains(got, "monitors:") {
		t.Errorf("memory/show: %q", got)
	}
	before, err := os.Stat(w.database())
	if err != nil {
		t.Fatal(err)
	}
	w.appctl("ovsdb-server/compact")
	if after, err := os.Stat(w.database()); err != nil || os.SameFile(before, after) {
		t.Errorf("the database was not compacted: %v", err)
	}

	line := func(mac, port string, vlan, moves int) string {
		return fmt.Sprintf("ls0 %s port %s vlan %d age ", mac, port, vlan) + "A" + fmt.Sprintf(" moves %d", moves)
	}
	macs := func(ask func() string, want ...string) {
		t.Helper()
		testenv.Eventually(t, patience, func() error {
			got := ageless(ask())
			if got != strings.Join(want, "\n") {
				return fmt.Errorf("the MACs are\n%s\nwant\n%s", got, strings.Join(want, "\n"))
			}
			return nil
		})
	}
	byCtl := func() string {
		out, status := w.run("vtep-ctl", "--db=unix:"+w.socket(), "list-local-macs", "--ports", "ls0")
		if status != 0 {
			t.Fatalf("status %d: %s", status, out)
		}
		return out
	}
	byAppctl := func() string { return w.appctl("vtep/macs ls0") }
	host1, host2 := line(lab.Host1.MAC.String(), "p0", 0, 0), line(lab.Host2.MAC.String(), "p1", 0, 0)
	macs(byAppctl, host1, host2)
	macs(byCtl, host1, host2)

	// Host 1's address shows up behind p1: it has moved, which the log tells whoever asks.
	w.appctl("vlog/set agent:dbg")
	w.h2().Send(frame(broadcast, lab.Host1.MAC, "I am here now"))
	macs(byCtl, line(lab.Host1.MAC.String(), "p1", 0, 1), host2)
	w.logged("|DBG|", lab.Host1.MAC.String(), "from=p0/0", "to=p1/0")
	if out, status := w.run("vtep-ctl", "--db=unix:"+w.socket(), "list-local-macs", "--ports", "nope"); status != 1 || !strings.Contains(out, "no logical switch named nope") {
		t.Errorf("status %d: %s", status, out)
	}
	if out, status := w.run("vtep-ctl", "--db=unix:"+w.socket(), "list-local-macs", "ls0"); status != 0 || !strings.HasPrefix(out, "ucast-mac-local\n") {
		t.Errorf("status %d: %s", status, out)
	}
	w.closeReplica()
	vtep := w.vtep
	w.exit()
	if out := vtep.output(t); !strings.Contains(out, `told so by "exit"`) {
		t.Error("the log does not tell of exit")
	}
	w.start(usual...)
}

// ageless puts an A in place of ages.
func ageless(text string) string {
	fields := strings.Fields(text)
	for i, f := range fields {
		if i > 0 && fields[i-1] == "age" && f >= "0" {
			fields[i] = "A"
		}
	}
	var lines []string
	for i := slices.Index(fields, "ip"); i >= 0; i = slices.Index(fields, "ip") {
		fields = slices.Delete(fields, i, i+2) // what a host says of itself comes when it comes
	}
	for len(fields) >= 10 {
		lines = append(lines, strings.Join(fields[:10], " "))
		fields = fields[10:]
	}
	return strings.Join(lines, "\n")
}

// TestEarlyQuestions asks a VTEP from its first moment on: it answers, if only that it starts.
func TestEarlyQuestions(t *testing.T) {
	w := newWorld(t)
	w.args = usual
	w.vtep = w.launch(usual...)
	appctl := testenv.Program(t, "ovs-appctl")
	early := 0
	testenv.Eventually(t, patience, func() error {
		if !exists(w.control()) {
			return fmt.Errorf("no control socket")
		}
		return nil
	})
	for end := time.Now().Add(patience); ; {
		for _, command := range []string{"vtep/show", "vtep/problems", "vtep/macs", "vtep/drops", "fdb/show", "fdb/stats-show", "plane/stats", "tunnel/show", "intent/show", "ovsdb-server/list-remotes"} {
			out, err := w.env.Command(appctl, "-t", w.control(), command).CombinedOutput()
			if err == nil {
				continue
			}
			early++
			if !strings.Contains(string(out), "starting") {
				t.Fatalf("%s: %v: %s", command, err, out)
			}
		}
		if strings.Contains(w.vtep.output(t), "|running") {
			break
		}
		if time.Now().After(end) {
			t.Fatal("it does not start")
		}
	}
	t.Logf("%d answers said that it was too early", early)
	w.appctl("vtep/show")
}

// TestLogFileWithoutDirectory has the directory of the log file made, and does not start where
// there can be none.
func TestLogFileWithoutDirectory(t *testing.T) {
	w := newWorld(t)
	log := filepath.Join(w.env.LogDir, "new", "deep", "vtep.log")
	w.start(append([]string{"--log-file=" + log}, usual...)...)
	testenv.Eventually(t, patience, func() error {
		b, err := os.ReadFile(log)
		if err == nil && !strings.Contains(string(b), "|running") {
			err = fmt.Errorf("it does not say that the VTEP runs")
		}
		return err
	})
	w.exit()
	file := filepath.Join(w.env.LogDir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	out, status := w.run(append([]string{"vtep"}, w.vtepArgs("--log-file="+filepath.Join(file, "vtep.log"))...)...)
	if status != 1 || !strings.Contains(out, "--log-file") {
		t.Errorf("status %d: %s", status, out)
	}
	w.start(usual...)
}
