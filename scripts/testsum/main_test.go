package main

import (
	"strings"
	"testing"
)

func TestSummary(t *testing.T) {
	const input = `{"Action":"start","Package":"m/a"}
{"Action":"run","Package":"m/a","Test":"TestGood"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"noise\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":0.1}
{"Action":"output","Package":"m/a","Test":"TestSkipped","Output":"=== RUN   TestSkipped\n"}
{"Action":"output","Package":"m/a","Test":"TestSkipped","Output":"    a_test.go:3: needs root\n"}
{"Action":"output","Package":"m/a","Test":"TestSkipped","Output":"--- SKIP: TestSkipped (0.00s)\n"}
{"Action":"skip","Package":"m/a","Test":"TestSkipped","Elapsed":0}
{"Action":"pass","Package":"m/a","Elapsed":1.5}
{"Action":"output","Package":"m/b","Test":"TestBad","Output":"    b_test.go:9: got 1, want 2\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad","Elapsed":0}
{"Action":"output","Package":"m/b","Output":"FAIL\n"}
{"Action":"fail","Package":"m/b","Elapsed":0.2}
{"ImportPath":"m/c","Action":"build-output","Output":"c.go:1: syntax error\n"}
{"ImportPath":"m/c","Action":"build-fail"}
{"Action":"fail","Package":"m/c","Elapsed":0,"FailedBuild":"m/c"}
{"Action":"skip","Package":"m/d","Elapsed":0}
not JSON
`
	var out strings.Builder
	s := summary{w: &out, output: map[id][]string{}}
	if err := s.read(strings.NewReader(input)); err != nil {
		t.Fatal(err)
	}
	s.print()
	for _, want := range []string{
		"ok    m/a ", "    b_test.go:9: got 1, want 2\n", "FAIL  m/b ", "c.go:1: syntax error\n", "FAIL  m/c ", "not JSON\n",
		"skipped:\n  m/a TestSkipped: a_test.go:3: needs root\n",
		"1 passed, 2 failed, 1 skipped, in 4 packages\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("no %q in:\n%s", want, out.String())
		}
	}
	if strings.Contains(out.String(), "noise") {
		t.Error("the output of a test that passed is printed")
	}
	out.Reset()
	const raced = `{"Action":"output","Package":"m/a","Test":"TestGood","Output":"WARNING: DATA RACE\n"}
{"Action":"output","Package":"m/a","Test":"TestGood","Output":"by whom\n"}
{"Action":"pass","Package":"m/a","Test":"TestGood","Elapsed":0.1}
`
	if err := s.read(strings.NewReader(raced)); err != nil || !strings.Contains(out.String(), "by whom") {
		t.Errorf("of a race in a test that passed: %q, %v", out.String(), err)
	}
	out.Reset()
	const died = `{"Action":"output","Package":"m/a","Test":"TestDead","Output":"fatal error: of what\n"}
{"Action":"output","Package":"m/a","Output":"FAIL\tm/a\t1s\n"}
{"Action":"fail","Package":"m/a","Elapsed":1}
`
	if err := s.read(strings.NewReader(died)); err != nil || !strings.Contains(out.String(), "fatal error: of what") {
		t.Errorf("of a test in which the process died: %q, %v", out.String(), err)
	}
}

// TestAgain runs again only what a second run can be an answer to.
func TestAgain(t *testing.T) {
	const failed = `{"Action":"output","Package":"m/b","Test":"TestBad","Output":"=== RUN   TestBad\n"}
{"Action":"fail","Package":"m/b","Test":"TestBad/part"}
{"Action":"fail","Package":"m/b","Test":"TestBad"}
{"Action":"fail","Package":"m/b"}
`
	for _, c := range []struct {
		more string
		want int
	}{
		{"", 1},
		{`{"Action":"output","Package":"m/b","Test":"TestBad","Output":"WARNING: DATA RACE\n"}` + "\n", 0},
		{`{"Action":"fail","Package":"m/c"}` + "\n", 0},
		{strings.Repeat(`{"Action":"fail","Package":"m/b","Test":"TestOther"}`+"\n", mostAgain), 0},
	} {
		s := summary{w: &strings.Builder{}, output: map[id][]string{}}
		if err := s.read(strings.NewReader(failed + c.more)); err != nil {
			t.Fatal(err)
		}
		if got := s.again(); len(got) != c.want {
			t.Errorf("with %q: %v", c.more, got)
		}
	}
}
