package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/lab"
)

// show is the demo under way. It belongs to one goroutine.
type show struct {
	Options
	lab *lab.Lab

	steps  int
	done   []string // checks that held
	failed []string // and that did not
}

// Colours, by meaning.
const (
	bold  = "\x1b[1m"
	green = "\x1b[32m"
	red   = "\x1b[31m"
	plain = "\x1b[0m"
)

func (s *show) paint(colour, text string) string {
	if !s.Colour {
		return text
	}
	return colour + text + plain
}

func (s *show) text(format string, args ...any) { fmt.Fprintf(s.Out, format, args...) }

func (s *show) head(title string) { s.text("\n%s\n", s.paint(bold, "== "+title)) }

// step begins the next part.
func (s *show) step(title string) {
	s.steps++
	s.head(fmt.Sprintf("%d. %s", s.steps, title))
}

// command shows a command line as a person types it on the machine of the VTEP.
func (s *show) command(words ...string) { s.text("%s\n", s.paint(bold, "$ "+getopt.Quote(words))) }

// commandAt is the same on another machine.
func (s *show) commandAt(node lab.Node, words ...string) {
	s.text("%s\n", s.paint(bold, string(node)+"$ "+getopt.Quote(words)))
}

// ctl shows a vtep-ctl command, runs it and shows what it says.
func (s *show) ctl(ctx context.Context, args ...string) error {
	s.command(append([]string{"vtep-ctl"}, args...)...)
	out, err := s.query(ctx, args...)
	if out != "" {
		s.text("    %s\n", strings.ReplaceAll(strings.TrimRight(out, "\n"), "\n", "\n    "))
	}
	return err
}

// query runs a vtep-ctl command and returns what it says.
func (s *show) query(ctx context.Context, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.Program, append([]string{"ctl"}, args...)...)
	if link := filepath.Join(filepath.Dir(s.Program), "vtep-ctl"); isFile(link) {
		cmd = exec.CommandContext(ctx, link, args...)
	}
	cmd.Env = s.lab.Environ()
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := s.lab.Namespace(lab.VTEP).Run(cmd); err != nil {
		return out.String(), fmt.Errorf("vtep-ctl %s: %w: %s", getopt.Quote(args), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func isFile(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// await runs a query until what it says contains every one of wanted.
func (s *show) await(ctx context.Context, wanted []string, args ...string) error {
	end := time.Now().Add(10 * time.Second)
	for {
		out, err := s.query(ctx, args...)
		if err != nil {
			return err
		}
		missing := ""
		for _, w := range wanted {
			if !strings.Contains(out, w) {
				missing = w
			}
		}
		if missing == "" {
			return nil
		}
		if time.Now().After(end) {
			return fmt.Errorf("vtep-ctl %s does not show %s:\n%s", getopt.Quote(args), missing, out)
		}
		if err := sleep(ctx, 20*time.Millisecond); err != nil {
			return err
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// check records whether a claim holds.
func (s *show) check(ok bool, format string, args ...any) {
	claim := fmt.Sprintf(format, args...)
	if ok {
		s.done = append(s.done, claim)
		s.text("  %s  %s\n", s.paint(green, "ok"), claim)
		return
	}
	s.failed = append(s.failed, claim)
	s.text("  %s  %s\n", s.paint(red, "NO"), claim)
}

// summary repeats the checks.
func (s *show) summary() error {
	s.head("Summary")
	for _, claim := range s.done {
		s.text("  %s  %s\n", s.paint(green, "ok"), claim)
	}
	for _, claim := range s.failed {
		s.text("  %s  %s\n", s.paint(red, "NO"), claim)
	}
	if len(s.failed) > 0 {
		return errors.Join(fmt.Errorf("%d of %d checks failed", len(s.failed), len(s.failed)+len(s.done)), s.lastWords())
	}
	return nil
}
