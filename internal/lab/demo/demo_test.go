package demo_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

// run is one run of the demo by the real binary.
type run struct {
	name string
	cmd  *exec.Cmd
}

// newRun prepares a demo, and checks at the end of the test that nothing of it is left.
func newRun(t *testing.T, name string, args ...string) *run {
	t.Helper()
	testenv.Root(t)
	r := &run{name: fmt.Sprintf("%s%d", name, os.Getpid())}
	bin := filepath.Join(testenv.Binary(t), "vtep")
	r.cmd = exec.Command(bin, append([]string{"lab", "demo", "--name", r.name}, args...)...)
	t.Cleanup(func() {
		if left, err := namespace.List(r.name + "-"); err != nil || len(left) > 0 {
			t.Errorf("namespaces left: %q, %v", left, err)
		}
		for _, path := range []string{"/run/vtep-lab/" + r.name, "/sys/fs/bpf/vtep/lab-" + r.name} {
			if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("%s is left: %v", path, err)
			}
		}
		if pids := r.processes(t); len(pids) > 0 {
			t.Errorf("processes left: %v", pids)
		}
	})
	return r
}

// processes lists what runs with the name of the lab in its arguments.
func (r *run) processes(t *testing.T) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if b, err := os.ReadFile(file); err == nil && bytes.Contains(b, []byte(r.name+"\x00")) {
			pids = append(pids, file)
		}
	}
	return pids
}

// TestDemo is "make demo": every check of it must hold.
func TestDemo(t *testing.T) {
	r := newRun(t, "d")
	out, err := r.cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, want := range []string{"== Summary", "The lab is gone"} {
		if !bytes.Contains(out, []byte(want)) {
			t.Errorf("the demo does not say %q:\n%s", want, out)
		}
	}
	if bytes.Contains(out, []byte("\x1b[")) {
		t.Error("colours, where no terminal is")
	}
}

// TestInterrupt ends the demo by Ctrl-C in several places.
func TestInterrupt(t *testing.T) {
	for i, place := range []string{"== A VTEP", "$ vtep run", "h1$ ping", "$ kill -9", "no VTEP process"} {
		t.Run(strings.Trim(place, "=$ "), func(t *testing.T) {
			r := newRun(t, fmt.Sprintf("i%d", i))
			out, err := r.cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			var stderr bytes.Buffer
			r.cmd.Stderr = &stderr
			r.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
			if err := r.cmd.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			hit := false
			for lines.Scan() {
				if !hit && strings.HasPrefix(lines.Text(), place) {
					hit = true
					// As a terminal does: to the whole process group.
					if err := syscall.Kill(-r.cmd.Process.Pid, syscall.SIGINT); err != nil {
						t.Fatal(err)
					}
				}
			}
			err = r.cmd.Wait()
			if !hit || err == nil || !strings.Contains(stderr.String(), "interrupted") || strings.Count(stderr.String(), "\n") != 1 {
				t.Errorf("reached %v, %v, stderr %q", hit, err, stderr.String())
			}
		})
	}
}

// TestWithoutRoot wants one line that names what is needed.
func TestWithoutRoot(t *testing.T) {
	testenv.Root(t) // to become nobody
	b, err := os.ReadFile(filepath.Join(testenv.Binary(t), "vtep"))
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "vtep") // not t.TempDir: nobody may not go there
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	bin := filepath.Join(dir, "vtep")
	if err := errors.Join(os.Chmod(dir, 0o755), os.WriteFile(bin, b, 0o755)); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "lab", "demo")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(string(out), "needs root") || strings.Count(string(out), "\n") != 1 {
		t.Errorf("%v: %q", err, out)
	}
}
