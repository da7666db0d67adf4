package testenv

import (
	"fmt"
	"os"
	"testing"

	"github.com/vtep/vtep/internal/namespace"
)

// Netns makes a network namespace for the test. At its end the namespace goes, and a process
// that is left in it fails the test.
func Netns(t testing.TB, name string) *namespace.Namespace {
	t.Helper()
	supervise(t)
	Root(t)
	n, err := namespace.Create(fmt.Sprintf("vt%d-%s", os.Getpid(), name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if pids, err := n.Processes(); err != nil {
			t.Error(err)
		} else if len(pids) > 0 {
			t.Errorf("processes %v are left in namespace %s", pids, n.Name)
		}
		if err := n.Delete(); err != nil {
			t.Error(err)
		}
	})
	return n
}
