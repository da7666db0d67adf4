package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/daemon"
)

// Files of the VTEP in the lab's directory.
func (l *Lab) pidfile() string  { return filepath.Join(l.RunDir(), "vtep.pid") }
func (l *Lab) control() string  { return filepath.Join(l.RunDir(), "vtep.ctl") }
func (l *Lab) socket() string   { return filepath.Join(l.RunDir(), "db.sock") }
func (l *Lab) Database() string { return filepath.Join(l.Dir(), "vtep.db") }
func (l *Lab) LogFile() string  { return filepath.Join(l.Dir(), "vtep.log") }

// VTEPArgs are the arguments of the program vtep that a person would give in this place:
// the switch has the name of the lab.
func (l *Lab) VTEPArgs() []string {
	return []string{"run", l.Name, "--tunnel-ip", TunnelIP.String(), "--port", "p0", "--port", "p1"}
}

// StartVTEP starts the VTEP in its namespace, by the program at path, and returns when it is
// ready. It goes on when this process ends.
func (l *Lab) StartVTEP(ctx context.Context, path string) error {
	args := append(l.VTEPArgs(), "--rundir="+l.RunDir(), "--pin-dir="+l.pinDir(), "--db="+l.Database(), "--detach", "--no-chdir",
		"--pidfile="+l.pidfile(), "--unixctl="+l.control(), "--log-file="+l.LogFile(), "-vconsole:warn")
	n := l.spaces[VTEP]
	if n == nil {
		return fmt.Errorf("start the VTEP: %w: its namespace is gone", ErrNotThere)
	}
	cmd := exec.CommandContext(ctx, path, args...)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.Dir = l.Dir()
	cmd.Env = l.Environ()
	if err := n.Run(cmd); err != nil {
		return fmt.Errorf("start the VTEP: %w: %s", err, strings.TrimSpace(stderr.String()))
	}
	return nil
}

// Environ is the environment for programs in the lab: they find the VTEP's database, and
// the other programs of this project.
func (l *Lab) Environ() []string {
	env := append(os.Environ(), "OVS_RUNDIR="+l.RunDir())
	if self, err := os.Executable(); err == nil {
		env = append(env, "PATH="+filepath.Dir(self)+":"+os.Getenv("PATH"))
	}
	return env
}

// VTEPProcess returns the process id of the VTEP, or 0 when none runs.
func (l *Lab) VTEPProcess() int { return process(l.pidfile()) }

// running says whether a process has not ended. One that nobody has waited for has.
func running(pid int) bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, rest, _ := strings.Cut(string(b), ") ")
	return !strings.HasPrefix(rest, "Z")
}

// KillVTEP is "kill -9": forwarding stays.
func (l *Lab) KillVTEP() error {
	pid := l.VTEPProcess()
	if pid == 0 {
		return errors.New("kill the VTEP: it does not run")
	}
	if err := unix.Kill(pid, unix.SIGKILL); err != nil {
		return fmt.Errorf("kill the VTEP: %w", err)
	}
	return awaitEnd(pid)
}

// StopVTEP ends the VTEP and takes its forwarding down. Forwarding that a killed one left
// goes with the lab.
func (l *Lab) StopVTEP() error {
	pid := l.VTEPProcess()
	if pid == 0 {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := daemon.Call(ctx, l.control(), "exit", "--cleanup"); err != nil {
		return fmt.Errorf("end the VTEP: %w", err)
	}
	return awaitEnd(pid)
}

func awaitEnd(pid int) error {
	for end := time.Now().Add(patience); running(pid); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			return fmt.Errorf("process %d does not end", pid)
		}
	}
	return nil
}
