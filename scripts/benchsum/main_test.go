package main

import (
	"strings"
	"testing"
)

func TestSummarise(t *testing.T) {
	const input = `goos: linux
BenchmarkGateway/h2r-2         	     100	       964 ns/op	       0.54 x-peer
BenchmarkCommit-16  	       5	  81234567 ns/op	  16 B/op	 2 allocs/op
BenchmarkBroken
ok  	m/a	1.0s
`
	var echo, out strings.Builder
	results, failed, err := read(strings.NewReader(input), &echo)
	if err != nil || failed || echo.String() != input {
		t.Fatalf("%v, failed %v, passed on %q", err, failed, echo.String())
	}
	summarise(&out, results)
	got := strings.Join(strings.Fields(out.String()), " ")
	const want = "ratios to peers (ours / theirs; below 1 is better) Gateway/h2r 0.54 x " +
		"figures Gateway/h2r 964 ns/op Commit 81234567 ns/op"
	if got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	if _, failed, _ := read(strings.NewReader("--- FAIL: BenchmarkX\n"), &echo); !failed {
		t.Error("a failure is not seen")
	}
}
