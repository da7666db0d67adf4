// Package testenv is what tests need from the machine: privileges, other people's programs,
// directories, namespaces, and the check that nothing is left behind. Only tests import it.
//
// Whatever is missing skips the test and says why; with CI=true in the environment it fails,
// so that nothing goes untested unnoticed.
package testenv

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
)

// Skip ends the test because the machine lacks something.
func Skip(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("a skip fails in CI: "+format, args...)
	}
	t.Skipf(format, args...)
}

// Root wants the privileges of root.
func Root(t testing.TB) {
	t.Helper()
	if os.Geteuid() != 0 {
		Skip(t, "needs root")
	}
}

// root finds the top of the source tree, where go.mod is.
var root = sync.OnceValues(func() (string, error) {
	dir, err := os.Getwd()
	for ; err == nil; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", os.ErrNotExist
		}
	}
	return "", err
})

// Tree returns the top of the source tree.
func Tree(t testing.TB) string {
	t.Helper()
	dir, err := root()
	if err != nil {
		t.Fatalf("find the source tree: %v", err)
	}
	return dir
}
