// Command testsum runs "go test -json" with its arguments and prints what a person wants of
// it: a line for each package, the output of what failed, and at the end what was skipped and
// why. With CI=true in the environment a skipped test is a failure.
//
// On a busy machine a test of frames and processes may fail for a reason of its own. So a few
// that fail, but not by a data race, are run once more at the end, alone, and the result says
// which they were: somebody must look at them, but the change that was tested is not to blame.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// event is one line of go test -json.
type event struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	Elapsed     float64
	FailedBuild string
}

// race is how the race detector begins.
const race = "WARNING: DATA RACE"

// id is a test, or a whole package when Test is empty.
type id struct{ Package, Test string }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	s := summary{w: os.Stdout, output: map[id][]string{}}
	err := s.test(args)
	again := s.again()
	if len(again) > 0 {
		err = s.retry(args, again)
	}
	s.print()
	switch {
	case err != nil:
		return err
	case s.failed > 0:
		return errors.New("tests failed")
	case len(s.skips) > 0 && os.Getenv("CI") == "true":
		return fmt.Errorf("%d tests were skipped, which is a failure in CI", len(s.skips))
	}
	return nil
}

// test runs go test and reads its results.
func (s *summary) test(args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	readErr := s.read(out)
	if err := cmd.Wait(); err != nil {
		return errors.New("tests failed")
	}
	return readErr
}

// mostAgain is how many tests may fail and be run again: more are no accident.
const mostAgain = 6

// again returns the top-level tests that are to be run again; none if something failed that a
// second run is no answer to.
func (s *summary) again() []id {
	packages := map[string]bool{}
	for _, t := range s.fallen {
		packages[t.Package] = true
	}
	for _, p := range s.broken {
		if !packages[p] {
			return nil // it did not build, or ended without a test that failed
		}
	}
	if s.race || len(s.fallen) > mostAgain {
		return nil
	}
	return s.fallen
}

// retry runs tests again, each by itself. What passes counts as passed.
func (s *summary) retry(args []string, again []id) error {
	var flags []string
	for _, a := range args {
		if strings.HasPrefix(a, "./") {
			break
		}
		flags = append(flags, a)
	}
	s.failed, s.fallen, s.broken = 0, nil, nil
	for _, t := range again {
		fmt.Fprintf(s.w, "once more: %s %s\n", t.Package, t.Test)
		s.packages--
		if err := s.test(append(slices.Clone(flags), "-run", "^"+t.Test+"$", t.Package)); err != nil {
			return err
		}
		s.shaky = append(s.shaky, t.Package+" "+t.Test)
	}
	return nil
}

type summary struct {
	w      io.Writer
	output map[id][]string // of what has not ended well yet

	packages, passed, failed int
	skips                    []string
	fallen                   []id     // top-level tests that failed
	broken                   []string // packages that failed
	race                     bool     // there was a data race
	shaky                    []string // tests that passed only when they were run again
}

func (s *summary) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read the results: %w", err)
		}
		var e event
		if json.Unmarshal([]byte(line), &e) != nil {
			fmt.Fprint(s.w, line) // not of go test itself
			continue
		}
		s.add(e)
	}
}

func (s *summary) add(e event) {
	key := id{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		if e.Package == "" {
			key.Package = e.ImportPath
		}
		s.output[key] = append(s.output[key], e.Output)
		s.race = s.race || strings.Contains(e.Output, race)
		return
	case "pass":
		s.passed += count(e)
		// Of a race that is over when its test is, only the package fails.
		if text := strings.Join(s.output[key], ""); strings.Contains(text, race) {
			fmt.Fprintf(s.w, "while %s %s ran:\n%s", e.Package, e.Test, text)
		}
	case "skip":
		if e.Test != "" {
			s.skips = append(s.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(s.output[key])))
		}
	case "fail":
		s.failed += count(e)
		switch {
		case e.Test == "":
			s.broken = append(s.broken, e.Package)
		case !strings.Contains(e.Test, "/"):
			s.fallen = append(s.fallen, key)
		}
		if e.FailedBuild != "" {
			s.failed++
			fmt.Fprint(s.w, strings.Join(s.output[id{Package: e.FailedBuild}], ""))
		}
		if e.Test == "" {
			s.unfinished(e.Package)
		}
		fmt.Fprint(s.w, strings.Join(s.output[key], ""))
	default:
		return
	}
	delete(s.output, key)
	if e.Test == "" {
		s.packages++
		word := map[string]string{"pass": "ok  ", "fail": "FAIL", "skip": "none"}[e.Action]
		if e.Action != "skip" {
			fmt.Fprintf(s.w, "%s  %-55s %7.2fs\n", word, e.Package, e.Elapsed)
		}
	}
}

// unfinished prints what tests of a package have said that had no end: their process has died.
func (s *summary) unfinished(pkg string) {
	var tests []id
	for key := range s.output {
		if key.Package == pkg && key.Test != "" {
			tests = append(tests, key)
		}
	}
	slices.SortFunc(tests, func(a, b id) int { return strings.Compare(a.Test, b.Test) })
	for _, key := range tests {
		fmt.Fprintf(s.w, "%s %s has not ended:\n%s", pkg, key.Test, strings.Join(s.output[key], ""))
		delete(s.output, key)
	}
}

func count(e event) int {
	if e.Test == "" {
		return 0
	}
	return 1
}

// reason picks the message of t.Skip out of a skipped test's output.
func reason(output []string) string {
	for _, line := range output {
		line = strings.TrimSpace(line)
		if !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") && line != "" {
			return line
		}
	}
	return "no reason given"
}

func (s *summary) print() {
	if len(s.skips) > 0 {
		fmt.Fprintf(s.w, "\nskipped:\n")
		for _, skip := range s.skips {
			fmt.Fprintf(s.w, "  %s\n", skip)
		}
	}
	if len(s.shaky) > 0 {
		fmt.Fprintf(s.w, "\npassed only when run again, alone:\n")
		for _, t := range s.shaky {
			fmt.Fprintf(s.w, "  %s\n", t)
		}
	}
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped, in %d packages\n", s.passed, s.failed, len(s.skips), s.packages)
}
