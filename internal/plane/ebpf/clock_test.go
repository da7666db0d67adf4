package ebpf

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// In a time namespace the clock is the one that the programs have, all the same.
func TestClockInTimeNamespace(t *testing.T) {
	const says = "VTEP_TEST_CLOCK"
	if os.Getenv(says) != "" {
		fmt.Println(says, int64(monotonic()))
		return
	}
	testenv.Root(t)
	if _, err := os.Stat("/proc/self/timens_offsets"); err != nil {
		testenv.Skip(t, "needs a kernel with time namespaces: %v", err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, offset := range []string{"1000000", "-1000"} {
		before := monotonic()
		cmd := exec.Command(testenv.Program(t, "unshare"), "--fork", "--time", "--monotonic", offset, self, "-test.run=^TestClockInTimeNamespace$")
		cmd.Env = append(os.Environ(), says+"=1")
		out, err := cmd.CombinedOutput()
		after := monotonic()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		var there time.Duration
		_, line, _ := strings.Cut(string(out), says)
		if _, err := fmt.Sscan(line, &there); err != nil {
			t.Fatalf("%v: %q", err, out)
		}
		if there < before || there > after {
			t.Errorf("with an offset of %s s it is %v, here it was %v and then %v", offset, there, before, after)
		}
	}
}

func TestMonotonicOffset(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0,
		"monotonic           0         0\nboottime            0         0\n": 0,
		"monotonic        1000         0\nboottime            7         5\n": 1000 * time.Second,
		"monotonic          -2 900000000\nboottime            0         0\n": -1100 * time.Millisecond,
		"boottime            7         0\nmonotonic           1         5\n": time.Second + 5,
		"a line that is none\n": 0,
	} {
		if got := monotonicOffset([]byte(text)); got != want {
			t.Errorf("%q: %v, should be %v", text, got, want)
		}
	}
}

// Before Linux 6.3 a process that has made a namespace is not in it, whatever program it runs then: its children are.
func TestOffsetOfChildren(t *testing.T) {
	says := []byte("monotonic        1000         0\n")
	for _, c := range []struct {
		children string
		err      error
		want     time.Duration
	}{{"time:[1]", nil, 1000 * time.Second}, {"time:[2]", nil, 0}, {"", os.ErrNotExist, 0}} {
		got := ownOffset(says, func(name string) (string, error) {
			if strings.HasSuffix(name, "_for_children") {
				return c.children, c.err
			}
			return "time:[1]", nil
		})
		if got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
