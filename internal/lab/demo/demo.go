// Package demo shows a VTEP at work in a lab: the steps of the howto as the commands a person
// would type, pings between hosts, the tables that fill, and a "kill -9" that costs no packet.
// Each claim is checked, and the checks are the result.
package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/vtep/vtep/internal/lab"
)

// Options say how the demo is run.
type Options struct {
	Name    string // of the lab
	Keep    bool   // leave the lab up
	Program string // path of the program vtep
	Out     io.Writer
	Colour  bool
}

// picture is what the lab looks like.
const picture = `
      h1 192.0.2.1 ---- p0 +------+            +----+
                           | vtep |-- 10.2.2 --| r1 |---- 192.0.2.3     h3    VNI 5000
      h2 192.0.2.2 ---- p1 |      | .1      .2 |    |---- 198.51.100.4  h4    VNI 5100
   VLAN 100: 198.51.100.2  +------+            +----+

Every box is a network namespace of this machine. vtep is ours; r1 is another VTEP, made of the
kernel's bridge and vxlan devices alone.
`

// Run builds a lab, shows everything, and takes it down, also when ctx ends early. The error
// tells of failed checks, too.
func Run(ctx context.Context, o Options) (err error) {
	s := &show{Options: o}
	s.head("A VTEP between two hosts and a kernel VXLAN peer")
	s.text("%s", picture)
	if s.lab, err = lab.Up(o.Name); err != nil {
		return err
	}
	defer func() {
		if o.Keep && ctx.Err() == nil {
			s.lookAround()
			s.lab.Close()
			return
		}
		err = errors.Join(err, s.takeDown())
	}()
	for _, step := range []func(context.Context) error{s.start, s.bind, s.reach, s.tables, s.survive} {
		if err := step(ctx); err != nil {
			if ctx.Err() != nil || endedByInterrupt(err) {
				return errors.New("interrupted")
			}
			return errors.Join(err, s.lastWords())
		}
	}
	return s.summary()
}

// endedByInterrupt says that a program of the demo was: a terminal sends Ctrl-C to it as well, and its end may be seen
// before our own signal is.
func endedByInterrupt(err error) bool {
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return false
	}
	status, ok := exit.Sys().(syscall.WaitStatus)
	return ok && status.Signaled() && status.Signal() == syscall.SIGINT
}

// takeDown removes the lab, and checks that nothing of it is left.
func (s *show) takeDown() error {
	if err := s.lab.Down(); err != nil {
		return fmt.Errorf("take the lab down: %w", err)
	}
	if left := s.lab.Pins(); len(left) > 0 {
		return fmt.Errorf("left behind: %q", left)
	}
	s.text("\nThe lab is gone: no namespace, process, pin or file is left. KEEP=1 would leave it up.\n")
	return nil
}

// lookAround says what can be done in a lab that stays up.
func (s *show) lookAround() {
	s.head("The lab stays up")
	program := s.Program
	if here, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(here, program); err == nil && len(rel) < len(program) {
			program = rel
		}
	}
	exec := fmt.Sprintf("%s lab exec --name %s", program, s.Name)
	s.text("  %s vtep vtep-ctl show         # any command, in the place of the VTEP\n", exec)
	s.text("  %s h1 ip neigh                # or of a host\n", exec)
	s.text("  %s lab ping --name %s h1 192.0.2.3\n", program, s.Name)
	s.text("  tail %s\n", s.lab.LogFile())
	s.text("  %s lab down --name %s         # take it away\n", program, s.Name)
}

// lastWords is the end of the VTEP's log, after a failure.
func (s *show) lastWords() error {
	b, err := os.ReadFile(s.lab.LogFile())
	if err != nil {
		return nil // it never came so far
	}
	const most = 2000
	if len(b) > most {
		b = b[len(b)-most:]
	}
	s.text("\nThe end of the VTEP's log:\n%s\n", b)
	return nil
}
