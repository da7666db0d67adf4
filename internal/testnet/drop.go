package testnet

import (
	"bytes"
	"os"
	"strconv"
	"testing"
)

// Dropped is how many frames the machine has dropped since it was started because the queue of a CPU was full, in which they wait
// between devices that are made by tests. The queues are those of all network namespaces.
func Dropped(t testing.TB) (n uint64) {
	t.Helper()
	stat, err := os.ReadFile("/proc/net/softnet_stat")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(stat) { // of each CPU: what it took, what it dropped, ...
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			t.Fatalf("/proc/net/softnet_stat: %q", line)
		}
		dropped, err := strconv.ParseUint(string(fields[1]), 16, 32)
		if err != nil {
			t.Fatal(err)
		}
		n += dropped
	}
	return n
}
