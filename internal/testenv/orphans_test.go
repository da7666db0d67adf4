package testenv

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// orphanVariable makes TestOrphans the one whose tests come to a sudden end.
const orphanVariable = "VTEP_TEST_ORPHANS"

// TestOrphans kills tests that have started processes, one of them a daemon that has detached
// itself: they go too.
func TestOrphans(t *testing.T) {
	if os.Getenv(orphanVariable) != "" {
		e := OVS(t)
		child := e.Command("sleep", "1000")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		daemon := e.Output(t, "sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & echo $!")
		fmt.Printf("started %d %s", child.Process.Pid, daemon)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	cmd := exec.Command("/proc/self/exe", "-test.run=^TestOrphans$")
	cmd.Env = append(os.Environ(), orphanVariable+"=1")
	var out bytes.Buffer
	cmd.Stdout = &out
	if err := cmd.Run(); err == nil {
		t.Fatal("the tests ended well")
	}
	_, pids, _ := strings.Cut(out.String(), "started ")
	var child, daemon int
	if _, err := fmt.Sscan(pids, &child, &daemon); err != nil {
		t.Fatalf("%s: %v", &out, err)
	}
	Eventually(t, time.Minute, func() error {
		for _, pid := range []int{child, daemon} {
			b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
			switch {
			case errors.Is(err, os.ErrNotExist), bytes.Contains(b, []byte(") Z ")):
			default:
				return fmt.Errorf("process %d is alive: %s%v", pid, b, err)
			}
		}
		return nil
	})
}
