package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/lab"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

// What differs from one capture to the next.
var passing = []struct {
	pattern *regexp.Regexp
	is      string
}{
	{regexp.MustCompile(`\d\d:\d\d:\d\d\.\d{6}`), "TIME"},
	{regexp.MustCompile(`[0-9a-f][2367abef](:[0-9a-f]{2}){5}\b`), "MAC"}, // of the underlay's devices: locally administered
	{regexp.MustCompile(`(10\.2\.2\.\d)[:.]\d+ (to|>)`), "$1:PORT $2"},
	{regexp.MustCompile(`\bid \d+, seq \d+`), "id ID"},
	{regexp.MustCompile(`(?m)^reading from file .*\n`), ""},
}

// TestCapture does what docs/capture.md does, in a lab as it is there, and wants what it says.
func TestCapture(t *testing.T) {
	w := newWorld(t)
	tcpdump := testenv.Program(t, "tcpdump")
	text, err := os.ReadFile(filepath.Join(testenv.Tree(t), "docs", "capture.md"))
	if err != nil {
		t.Fatal(err)
	}
	w.start("--tunnel-ip="+lab.TunnelIP.String(), "--port=p0", "--port=p1")
	w.howto(w.ours())
	w.reach(lab.Host1, lab.Host3)
	w.learned("ls0", lab.Host1.MAC.String())
	commands := 0
	for _, block := range regexp.MustCompile(`(?m)((^    .*|^)\n)+`).FindAllString(string(text), -1) {
		block = strings.ReplaceAll("\n"+block, "\n    ", "\n")
		for _, step := range strings.Split(block, "\n$ ")[1:] {
			command, want, _ := strings.Cut(step, "\n")
			commands++
			var got string
			if words := strings.Fields(command); words[0] == "tcpdump" {
				cmd := exec.Command(tcpdump, append([]string{"-Z", "root"}, words[1:]...)...)
				cmd.Dir = w.env.RunDir
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v", command, err)
				}
				got = string(out)
			} else {
				p := w.capture(words[2:]...)
				w.ping(lab.Host1, lab.Host3, 1, time.Millisecond)
				w.h1().Send(testnet.Frame(lab.Host2.MAC[:], lab.Host1.MAC[:], "unbound", 7))
				if status := p.wait(t); status != 0 {
					t.Errorf("%s: %d", command, status)
				}
				got = p.output(t)
			}
			for _, p := range passing {
				got, want = p.pattern.ReplaceAllString(got, p.is), p.pattern.ReplaceAllString(want, p.is)
			}
			if got, want = strings.TrimSpace(got), strings.TrimSpace(want); got != want {
				t.Errorf("%s:\n%s\n\ndocs/capture.md has\n%s", command, got, want)
			}
		}
	}
	if commands < 4 {
		t.Errorf("docs/capture.md has %d commands", commands)
	}
	w.captureKilled(tcpdump)
}

// captureKilled kills the VTEP while it is asked for frames: those until then are in the file, forwarding goes on, the
// next VTEP is asked in its place, without a word from the user, and says that it is; what is missing is told, in the file, too.
func (w *world) captureKilled(tcpdump string) {
	w.t.Helper()
	file := filepath.Join(w.env.RunDir, "killed.pcapng")
	p := w.capture("--filter=icmp", "--count=12", "-w", file)
	if out := w.status(); !strings.Contains(out, "\n--filter=icmp --count=12  ") {
		w.t.Errorf("status does not name the capture:\n%s", out)
	}
	w.ping(lab.Host1, lab.Host3, 1, time.Millisecond)
	testenv.Eventually(w.t, patience, func() error {
		if all := w.statusData().Captures; len(all) != 1 || all[0].Captured != 6 || all[0].Lost != 0 {
			return fmt.Errorf("status: %+v", all)
		}
		return nil
	})
	w.signal(syscall.SIGKILL)
	testenv.Eventually(w.t, patience, func() error {
		if text := p.output(w.t); !strings.Contains(text, "the VTEP has ended: this goes on with the next one") {
			return fmt.Errorf("vtep capture says %q", text)
		}
		return nil
	})
	w.reach(lab.Host1, lab.Host3)
	w.start(w.args...)
	testenv.Eventually(w.t, patience, func() error {
		if text := p.output(w.t); !strings.Contains(text, "capturing again: nothing is captured from ") {
			return fmt.Errorf("vtep capture says %q", text)
		}
		return nil
	})
	if out := w.status(); !strings.Contains(out, "\n--filter=icmp --count=6  ") {
		w.t.Errorf("status does not name the capture:\n%s", out)
	}
	w.ping(lab.Host1, lab.Host3, 1, time.Millisecond)
	if status := p.wait(w.t); status != 0 || !strings.Contains(p.output(w.t), "12 captured, 0 lost") {
		w.t.Errorf("a capture over a restart: %d: %s", status, p.output(w.t))
	}
	out, err := exec.Command(tcpdump, "-Z", "root", "-nr", file).CombinedOutput()
	text, failed := os.ReadFile(file)
	if err != nil || failed != nil || strings.Count(string(out), "echo") != 12 || !strings.Contains(string(text), "nothing is captured from ") {
		w.t.Errorf("in the file: %v, %v: %s", err, failed, out)
	}

	// One that is interrupted has what came until then; one that is while no VTEP runs says so.
	p = w.capture("--filter=icmp", "-w", file)
	w.ping(lab.Host1, lab.Host3, 1, time.Millisecond)
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		w.t.Fatal(err)
	}
	if status := p.wait(w.t); status != 0 || !strings.Contains(p.output(w.t), "6 captured, 0 lost") {
		w.t.Errorf("an interrupted capture: %d: %s", status, p.output(w.t))
	}
	p = w.capture("--filter=icmp")
	w.signal(syscall.SIGTERM)
	testenv.Eventually(w.t, patience, func() error {
		if text := p.output(w.t); !strings.Contains(text, "the VTEP has ended: this goes on with the next one") {
			return fmt.Errorf("vtep capture says %q", text)
		}
		return nil
	})
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		w.t.Fatal(err)
	}
	if status := p.wait(w.t); status != 1 || !strings.Contains(p.output(w.t), "what it did not write any more is missing") {
		w.t.Errorf("interrupted without a VTEP: %d: %s", status, p.output(w.t))
	}
}

// capture starts "vtep capture" and waits until it does.
func (w *world) capture(args ...string) *process {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(w.bin, "vtep"), append([]string{"capture", "--rundir=" + w.env.RunDir}, args...)...)
	cmd.Env, cmd.Dir = w.env.Env, w.env.RunDir
	out := filepath.Join(w.env.LogDir, "capture.out")
	if err := os.RemoveAll(out); err != nil {
		w.t.Fatal(err)
	}
	p := launch(w.t, w.lab.Namespace(lab.VTEP), cmd, out)
	testenv.Eventually(w.t, patience, func() error {
		if text := p.output(w.t); !strings.Contains(text, "capturing") {
			return fmt.Errorf("vtep capture says %q", text)
		}
		return nil
	})
	return p
}
