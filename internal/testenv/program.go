package testenv

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Program returns the path of a program that scripts/testdeps or scripts/testtools provides, or the
// machine.
func Program(t testing.TB, name string) string {
	t.Helper()
	supervise(t)
	dir := Tree(t)
	if err := loadPrograms(dir); err != nil {
		t.Fatalf("find the test programs: %v", err)
	}
	path, err := exec.LookPath(name)
	if err != nil {
		if path, err = exec.LookPath(filepath.Join(dir, ".cache/tools/bin", name)); err != nil {
			Skip(t, "needs %s: run scripts/testdeps and scripts/testtools", name)
		}
	}
	return path
}

var loadOnce sync.Once
var loadErr error

// loadPrograms takes over the environment of scripts/testdeps, where "make test" did not.
func loadPrograms(dir string) error {
	loadOnce.Do(func() {
		if os.Getenv("VTEP_TESTROOT") != "" {
			return
		}
		if _, err := os.Stat(filepath.Join(dir, ".cache/testroot/.complete")); err != nil {
			return // nothing unpacked: the machine's own programs, if any
		}
		const print = `eval "$(scripts/testdeps --env)"; env -0`
		cmd := exec.Command("bash", "-c", print)
		cmd.Dir = dir
		out, err := cmd.Output()
		if err != nil {
			loadErr = fmt.Errorf("scripts/testdeps --env: %w", err)
			return
		}
		for v := range strings.SplitSeq(string(out), "\x00") {
			name, value, _ := strings.Cut(v, "=")
			switch name {
			case "PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "VTEP_TESTROOT":
				if err := os.Setenv(name, value); err != nil {
					loadErr = err
					return
				}
			}
		}
	})
	return loadErr
}

// Binary builds the program of this project and returns the directory that holds it, with
// the links that the build makes. The directory of VTEP_BIN is used instead when it is set.
func Binary(t testing.TB) string {
	t.Helper()
	supervise(t)
	dir, err := build(Tree(t))
	if err != nil {
		t.Fatalf("build the binary: %v", err)
	}
	return dir
}

var builtOnce sync.Once
var builtDir string
var builtErr error

func build(tree string) (string, error) {
	builtOnce.Do(func() {
		// scripts/test has tests collect garbage less often; how the program does is what some look at.
		if builtErr = os.Unsetenv("GOGC"); builtErr != nil {
			return
		}
		if builtDir = os.Getenv("VTEP_BIN"); builtDir == "" {
			builtDir = filepath.Join(tree, ".cache", "testbin")
			builtErr = buildInto(tree, builtDir)
		}
	})
	return builtDir, builtErr
}

// buildInto may be run by several test processes at once, each of which must always find
// whole files there: so it builds aside, under a lock, and renames.
func buildInto(tree, dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	unlock, err := lock(filepath.Join(dir, ".lock"))
	if err != nil {
		return err
	}
	defer unlock()
	aside := filepath.Join(dir, ".new")
	if err := os.RemoveAll(aside); err != nil { // of a build that was interrupted
		return err
	}
	if err := os.Mkdir(aside, 0o755); err != nil {
		return err
	}
	// A copy of what is there, which go build leaves as it is if it is up to date: to link takes seconds, and
	// the tests of each package come here.
	if b, err := os.ReadFile(filepath.Join(dir, "vtep")); err == nil {
		if err := os.WriteFile(filepath.Join(aside, "vtep"), b, 0o755); err != nil {
			return err
		}
	}
	cmd := exec.Command("go", "build", "-trimpath", "-o", filepath.Join(aside, "vtep"), "./cmd/vtep")
	cmd.Dir = tree
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build: %w\n%s", err, out)
	}
	for _, link := range []string{"vtep-ctl", "ovs-vtep", "ovsdb-server", "ovsdb-tool", "ovsdb-client"} {
		path := filepath.Join(aside, link)
		if err := os.Symlink("vtep", path); err != nil {
			return err
		}
		if err := os.Rename(path, filepath.Join(dir, link)); err != nil {
			return err
		}
	}
	return os.Rename(filepath.Join(aside, "vtep"), filepath.Join(dir, "vtep"))
}
