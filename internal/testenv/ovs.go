package testenv

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// Env is a place for programs of the OVS family to run in: directories of their own, no
// syslog, and a name that is short enough for sockets.
type Env struct {
	RunDir, LogDir, DBDir string
	Env                   []string // of the process, with the OVS_* variables
}

// OVS makes one for the test, and takes it away at its end.
func OVS(t testing.TB) *Env {
	t.Helper()
	supervise(t)
	if err := loadPrograms(Tree(t)); err != nil {
		t.Fatalf("find the test programs: %v", err)
	}
	// Not t.TempDir: its name may be longer than a socket's may be.
	dir, err := os.MkdirTemp("", "vtep")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	e := &Env{RunDir: filepath.Join(dir, "run"), LogDir: filepath.Join(dir, "log"), DBDir: filepath.Join(dir, "db")}
	for _, d := range []string{e.RunDir, e.LogDir, e.DBDir} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e.Env = append(os.Environ(),
		"OVS_RUNDIR="+e.RunDir, "OVS_LOGDIR="+e.LogDir, "OVS_DBDIR="+e.DBDir, "OVS_SYSCONFDIR="+e.DBDir,
		"OVS_SYSLOG_METHOD=null", "OVS_CTL_TIMEOUT=30")
	return e
}

// Command returns a command that runs in e. The program may be one that testdeps provides.
func (e *Env) Command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Env = e.Env
	cmd.Dir = e.RunDir
	return cmd
}

// Output runs a command to its end and returns its standard output; a failure ends the test.
func (e *Env) Output(t testing.TB, name string, args ...string) string {
	t.Helper()
	cmd := e.Command(name, args...)
	out, err := cmd.Output()
	if err != nil {
		stderr := ""
		if exit, ok := err.(*exec.ExitError); ok {
			stderr = string(exit.Stderr)
		}
		t.Fatalf("%s %q: %v\n%s%s", filepath.Base(name), args, err, out, stderr)
	}
	return string(out)
}
