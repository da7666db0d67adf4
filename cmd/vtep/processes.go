package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// processes are programs of others that run beside a fleet, and end with it.
type processes struct {
	dir   string
	fail  func(error)
	calls chan func()

	mu       sync.Mutex
	all      map[*process]struct{}
	used     time.Duration // CPU time of those that have ended
	stopping bool          // nothing starts any more
}

// process is one of them.
type process struct {
	of    *processes
	cmd   *exec.Cmd
	ended chan struct{}
	meant bool // to end; guarded by processes.mu
}

var errStopping = errors.New("everything is to end")

// endsWithin is how long a process may take to end when it is told to.
const endsWithin = 10 * time.Second

// startProcesses makes place for processes that have their output in dir. What ends unasked is a failure. The kernel ends them with the
// thread that has started them, so that there is one for that.
func startProcesses(dir string, fail func(error)) *processes {
	s := &processes{dir: dir, fail: fail, calls: make(chan func()), all: map[*process]struct{}{}}
	go func() {
		runtime.LockOSThread() // for good: it ends with this
		for f := range s.calls {
			f()
		}
	}()
	return s
}

func (s *processes) command(ctx context.Context, path string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = append(os.Environ(), "OVN_RUNDIR="+s.dir, "OVN_LOGDIR="+s.dir, "OVS_RUNDIR="+s.dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true} // ^C of a terminal is for the fleet, which ends them
	return cmd
}

// begin has a command start, unless all are to end, and calls then before that can be said.
func (s *processes) begin(cmd *exec.Cmd, then func()) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.stopping {
		return errStopping
	}
	done := make(chan error)
	s.calls <- func() { done <- cmd.Start() }
	err := <-done
	if err == nil {
		then()
	}
	return err
}

// start starts one that goes on.
func (s *processes) start(name, path string, args ...string) (*process, error) {
	return s.startWith(nil, nil, name, path, args...)
}

// startWith starts one that goes on, and that reads and says something. nil: it reads nothing; what it says is part of its output.
func (s *processes) startWith(in, out *os.File, name, path string, args ...string) (*process, error) {
	log, err := os.OpenFile(filepath.Join(s.dir, name+".out"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("output of %s: %w", filepath.Base(path), err)
	}
	defer log.Close()
	p := &process{of: s, cmd: s.command(context.Background(), path, args...), ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = log, log
	if in != nil {
		p.cmd.Stdin = in
	}
	if out != nil {
		p.cmd.Stdout = out
	}
	if err := s.begin(p.cmd, func() { s.all[p] = struct{}{} }); err != nil {
		return nil, fmt.Errorf("start %s: %w", filepath.Base(path), err)
	}
	go func() {
		err := p.cmd.Wait()
		s.mu.Lock()
		delete(s.all, p)
		s.used += p.cmd.ProcessState.UserTime() + p.cmd.ProcessState.SystemTime()
		meant := p.meant
		s.mu.Unlock()
		close(p.ended)
		if !meant {
			text, _ := os.ReadFile(log.Name()) // as far as there is any
			s.fail(fmt.Errorf("%s of %s has ended: %w\n%s", filepath.Base(path), name, err, text[max(0, len(text)-1000):]))
		}
	}()
	return p, nil
}

// finish runs one to its end.
func (s *processes) finish(ctx context.Context, path string, args ...string) error {
	cmd := s.command(ctx, path, args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := s.begin(cmd, func() {})
	if err == nil {
		err = cmd.Wait()
	}
	if cmd.ProcessState != nil {
		s.mu.Lock()
		s.used += cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
		s.mu.Unlock()
	}
	if err != nil {
		return fmt.Errorf("%s: %w\n%s", filepath.Base(path), err, out.Bytes())
	}
	return nil
}

// end has a process end, and waits for that.
func (p *process) end() {
	p.of.mu.Lock()
	p.meant = true
	p.of.mu.Unlock()
	_ = p.cmd.Process.Signal(syscall.SIGTERM) // it may have ended
	select {
	case <-p.ended:
	case <-time.After(endsWithin):
		_ = p.cmd.Process.Kill()
		<-p.ended
	}
}

// stop ends all. None starts after it.
func (s *processes) stop() {
	s.mu.Lock()
	s.stopping = true
	var all []*process
	for p := range s.all {
		p.meant = true
		all = append(all, p)
	}
	s.mu.Unlock()
	for _, p := range all {
		_ = p.cmd.Process.Signal(syscall.SIGTERM)
	}
	for _, p := range all {
		p.end()
	}
	close(s.calls)
}

// cpuTime is that of all, as the kernel counts it in ticks.
func (s *processes) cpuTime() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	used := s.used
	for p := range s.all {
		text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", p.cmd.Process.Pid)) // it may just have ended
		_, text, _ = bytes.Cut(text, []byte(") "))
		if f := strings.Fields(string(text)); len(f) > 12 {
			for _, field := range f[11:13] { // utime, stime
				ticks, _ := strconv.ParseInt(field, 10, 64)
				used += time.Duration(ticks) * 10 * time.Millisecond
			}
		}
	}
	return used
}

// memory is what all have, in bytes, of what several share a part each.
func (s *processes) memory() (sum uint64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for p := range s.all {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", p.cmd.Process.Pid))
		if err != nil {
			return 0, fmt.Errorf("memory of a process: %w", err)
		}
		_, text, _ = bytes.Cut(text, []byte("\nPss:"))
		var kib uint64
		if _, err := fmt.Sscan(string(text), &kib); err != nil {
			return 0, fmt.Errorf("memory of a process: %w", err)
		}
		sum += kib << 10
	}
	return sum, nil
}
