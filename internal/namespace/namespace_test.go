package namespace_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/namespace"
	"github.com/vtep/vtep/internal/testenv"
)

func TestLife(t *testing.T) {
	testenv.NoLeaks(t)
	testenv.Root(t)
	name := fmt.Sprintf("vtns%d", os.Getpid())
	n, err := namespace.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := namespace.Create(name); err == nil {
		t.Error("made twice")
	}
	again, err := namespace.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	names, err := namespace.List("vtns")
	if err != nil || !slices.Contains(names, name) {
		t.Errorf("list: %q, %v", names, err)
	}
	if err := n.Delete(); err != nil {
		t.Error(err)
	}
	if err := n.Delete(); err != nil {
		t.Errorf("delete again: %v", err)
	}
	if _, err := namespace.Open(name); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("open a deleted one: %v", err)
	}
}

// TestThreads checks that no thread of this process is left in a namespace, the first one
// in particular, however often code runs there.
func TestThreads(t *testing.T) {
	n := testenv.Netns(t, "threads")
	for range 50 {
		if err := n.Do(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
	here, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	there := ""
	if err := n.Do(func() (err error) { there, err = os.Readlink("/proc/thread-self/ns/net"); return err }); err != nil {
		t.Fatal(err)
	}
	if there == here {
		t.Error("Do runs in the namespace of the process")
	}
	if pids, err := n.Processes(); err != nil || len(pids) > 0 {
		t.Errorf("processes in the namespace: %v, %v", pids, err)
	}
}

func TestRun(t *testing.T) {
	n := testenv.Netns(t, "run")
	var out strings.Builder
	cmd := exec.Command("cat", "/proc/self/net/dev")
	cmd.Stdout = &out
	if err := n.Run(cmd); err != nil {
		t.Fatal(err)
	}
	if strings.Count(out.String(), ":") != 1 || !strings.Contains(out.String(), "lo:") {
		t.Errorf("devices: %s", out.String())
	}
	sleep := exec.Command("sleep", "1000")
	if err := n.Start(sleep); err != nil {
		t.Fatal(err)
	}
	if pids, err := n.Processes(); err != nil || !slices.Equal(pids, []int{sleep.Process.Pid}) {
		t.Errorf("processes: %v, %v", pids, err)
	}
	if err := sleep.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = sleep.Wait() // killed
	if err := n.Run(exec.Command("false")); err == nil {
		t.Error("a failure is not told")
	}
}
