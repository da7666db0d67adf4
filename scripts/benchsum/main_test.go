package main

import (
	"strings"
	"testing"
)

func TestSummarise(t *testing.T) {
	const input = `goos: linux
BenchmarkGateway/h2r-2  5  1772 bridge-ns/frame  964 direct-ns/frame  0.54 direct-x-bridge
BenchmarkLatency-2      5  72.5 p50:C-µs  0.9 p50:goal-ours-x-C  70 p50:ours-µs  0.97 p50:ours-x-C  0.9 p50:ours-x-C-min  1.04 p50:ours-x-C-max
BenchmarkEmulator-2     1  0.005 mac:goal-ovs-x-emulator  4 mac:ovs-ms  0.00234 mac:ovs-x-emulator  1710 mac:emulator-ms
BenchmarkIdle-2         5  0.1 goal-vtep-%  0.05 vtep-%
BenchmarkCommit-16      5  81234567 ns/op  16 B/op  2 allocs/op
BenchmarkBroken
ok  	m/a	1.0s
`
	const echoed = `goos: linux
Gateway/h2r: done
Latency: done
Emulator: done
Idle: done
Commit: done
BenchmarkBroken
ok  	m/a	1.0s
`
	const want = `
compared: ours / the peer's in the same round, as a cost: below 1 is better
ours peer ratio range of the rounds goal
Gateway/h2r direct 964 ns/frame bridge 1772 ns/frame 0.54
Latency p50 ours 70 µs C 72.5 µs 0.97 0.90 .. 1.04 0.9 x: MISSED
Emulator mac ovs 4 ms emulator 1710 ms 0.0023 0.005 x: met

not compared
ours goal
Idle vtep 0.05 % 0.1 %: met
Commit 81234567 ns/op
`
	var echo, out strings.Builder
	results, failed, err := read(strings.NewReader(input), &echo)
	if err != nil || failed || echo.String() != echoed {
		t.Fatalf("%v, failed %v, passed on %q", err, failed, echo.String())
	}
	summarise(&out, results)
	var got strings.Builder
	for line := range strings.Lines(out.String()) {
		got.WriteString(strings.Join(strings.Fields(line), " ") + "\n")
	}
	if got.String() != want {
		t.Errorf("got %s\nwant %s", got.String(), want)
	}
	if _, failed, _ := read(strings.NewReader("--- FAIL: BenchmarkX\n"), &echo); !failed {
		t.Error("a failure is not seen")
	}
}

// Each line of the table of goals has a verdict, or says why there is none.
func TestGoals(t *testing.T) {
	const input = `BenchmarkMACs10k-2  5  50 vtep-always-ms  0.35 goal-vtep-always-x-before  3 goal-vtep-always-x-map  4.5 vtep-always-x-map
BenchmarkFanout1000-2  5  0.5 cpu:client-x-C  0.4 goal-client-x-C  3 client-ms  0.31 client-x-C
BenchmarkScale/20000-2  1  0.4 memory:goal-now-x-before  900 memory:now-B/MAC  0.6 memory:now-x-before
`
	results, _, err := read(strings.NewReader(input), new(strings.Builder))
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	goals(&out, results)
	for _, want := range []string{
		"1 10,000 MACs in a commit, until in the map 50 ms 0.35 x not measured: there is no before",
		"- beside filling a map alone, a call a key 4.50 x map (50 ms) 3 x MISSED",
		"2 1,000,000 remote MACs, 10,000 a commit not measured: make bench-million does",
		"- of 20,000 0.60 x before (900 B/MAC) 0.4 x MISSED",
		"8 flood to 200 peers, CPU per copy not measured: make bench does",
		"9 a transaction to 1,000 sessions 0.31 x C (3 ms), CPU 0.50 x 0.4 x met",
	} {
		found := false
		for line := range strings.Lines(out.String()) {
			found = found || strings.Join(strings.Fields(line), " ") == want
		}
		if !found {
			t.Errorf("no line %q in\n%s", want, out.String())
		}
	}
}
