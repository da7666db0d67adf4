// Command testsum runs "go test -json" with its arguments and prints what a person wants of
// it: a line for each package, the output of what failed, and at the end what was skipped and
// why. With CI=true in the environment a skipped test is a failure.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
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

// id is a test, or a whole package when Test is empty.
type id struct{ Package, Test string }

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	s := summary{w: os.Stdout, output: map[id][]string{}}
	readErr := s.read(out)
	runErr := cmd.Wait()
	s.print()
	switch {
	case readErr != nil:
		return readErr
	case runErr != nil || s.failed > 0:
		return errors.New("tests failed")
	case len(s.skips) > 0 && os.Getenv("CI") == "true":
		return fmt.Errorf("%d tests were skipped, which is a failure in CI", len(s.skips))
	}
	return nil
}

type summary struct {
	w      io.Writer
	output map[id][]string // of what has not ended well yet

	packages, passed, failed int
	skips                    []string
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
		return
	case "pass":
		s.passed += count(e)
	case "skip":
		if e.Test != "" {
			s.skips = append(s.skips, fmt.Sprintf("%s %s: %s", e.Package, e.Test, reason(s.output[key])))
		}
	case "fail":
		s.failed += count(e)
		if e.FailedBuild != "" {
			s.failed++
			fmt.Fprint(s.w, strings.Join(s.output[id{Package: e.FailedBuild}], ""))
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
	fmt.Fprintf(s.w, "\n%d passed, %d failed, %d skipped, in %d packages\n", s.passed, s.failed, len(s.skips), s.packages)
}
