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

	"golang.org/x/sys/unix"

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

// TestBesideIP has "ip netns add" between Create and Delete, where it is the first one on the
// machine: in a mount namespace of its own, in which /run/netns is no mount yet.
func TestBesideIP(t *testing.T) {
	testenv.Root(t)
	ip := testenv.Program(t, "ip")
	const inside = "VTEP_TEST_BESIDE_IP"
	if os.Getenv(inside) == "" {
		cmd := exec.Command(testenv.Program(t, "unshare"), "--mount", "--propagation=private", os.Args[0], "-test.run=^TestBesideIP$")
		cmd.Env = append(os.Environ(), inside+"=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	for unix.Unmount("/run/netns", unix.MNT_DETACH) == nil {
		continue // there may be several, one on another
	}
	ours, theirs := fmt.Sprintf("vtns%da", os.Getpid()), fmt.Sprintf("vtns%db", os.Getpid())
	n, err := namespace.Create(ours)
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(ip, "netns", "add", theirs).CombinedOutput(); err != nil {
		t.Errorf("ip netns add: %v: %s", err, out)
	}
	if err := n.Delete(); err != nil {
		t.Error(err)
	}
	if out, err := exec.Command(ip, "netns", "delete", theirs).CombinedOutput(); err != nil {
		t.Errorf("ip netns delete: %v: %s", err, out)
	}
	if left, err := namespace.List(fmt.Sprintf("vtns%d", os.Getpid())); err != nil || len(left) > 0 {
		t.Errorf("left: %q, %v", left, err)
	}
}
