package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// stage is the role of this process among those that one command line makes:
//
//	--detach            first, which waits for:  daemon
//	--monitor           first, which stays as the monitor of:  daemon (again and again)
//	--detach --monitor  first, which waits for:  monitor, which stays, and starts:  daemon
//	neither             first, which is the daemon
type stage string

const (
	stageFirst   stage = ""
	stageMonitor stage = "monitor"
	stageDaemon  stage = "daemon"
)

// stageVariable tells a child its stage. The child takes it out of its environment, so that
// programs started by the daemon don't see it.
const stageVariable = "VTEP_DAEMON_STAGE"

// stateSuffix follows the stage when the child has a state file.
const stateSuffix = "+state"

// Descriptors that a child gets beside the standard ones.
const (
	notifyFD = 3 // one byte written here: ready
	stateFD  = 4 // see Daemon.State; only under --monitor
)

// takeStage reads and removes what the process that started us left.
func takeStage() (s stage, notify, state *os.File, err error) {
	// Whether there is a state file is told in words: descriptor 4 may be anything, as the Go
	// runtime opens files of its own.
	value, hasState := strings.CutSuffix(os.Getenv(stageVariable), stateSuffix)
	s = stage(value)
	if s == stageFirst {
		return s, nil, nil, nil
	}
	if err := os.Unsetenv(stageVariable); err != nil {
		return s, nil, nil, fmt.Errorf("clean environment: %w", err)
	}
	var stat unix.Stat_t
	if (s != stageMonitor && s != stageDaemon) || unix.Fstat(notifyFD, &stat) != nil || stat.Mode&unix.S_IFMT != unix.S_IFIFO {
		return s, nil, nil, fmt.Errorf("%s is set, and must not be: unset it", stageVariable)
	}
	unix.CloseOnExec(notifyFD)
	notify = os.NewFile(notifyFD, "notify")
	if hasState && unix.Fstat(stateFD, &stat) == nil && stat.Mode&unix.S_IFMT == unix.S_IFREG {
		unix.CloseOnExec(stateFD)
		state = os.NewFile(stateFD, "state")
	}
	return s, notify, state, nil
}

// child is a running copy of this program in another stage.
type child struct {
	cmd *exec.Cmd
	end error // of Wait, when it ended before it was ready
}

// spawn runs this program once more, in the given stage, and waits until it is ready or has
// ended. started.end says which.
func (d *Daemon) spawn(s stage) (started *child, ready bool, err error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, false, fmt.Errorf("start the %s: %w", s, err)
	}
	defer r.Close()
	value := stageVariable + "=" + string(s)
	if d.state != nil {
		value += stateSuffix
	}
	cmd := &exec.Cmd{
		Path:       "/proc/self/exe", // also when the file has been replaced
		Args:       os.Args,
		Env:        append(os.Environ(), value),
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: []*os.File{w},
	}
	if d.state != nil {
		cmd.ExtraFiles = append(cmd.ExtraFiles, d.state)
	}
	if d.stage == stageFirst && d.options.detach {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	err = cmd.Start()
	w.Close()
	if err != nil {
		return nil, false, fmt.Errorf("start the %s: %w", s, err)
	}
	c := &child{cmd: cmd}
	stop := forwardSignals(cmd.Process)
	defer stop()
	if _, err := io.ReadFull(r, make([]byte, 1)); err == nil {
		return c, true, nil
	}
	c.end = cmd.Wait()
	return c, false, nil
}

// forwardSignals passes to p the signals that ask this process to end.
func forwardSignals(p *os.Process) (stop func()) {
	signals := make(chan os.Signal, 4)
	done := make(chan struct{})
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	go func() {
		for {
			select {
			case s := <-signals:
				_ = p.Signal(s) // it may have ended: then there is nobody to tell
			case <-done:
				return
			}
		}
	}()
	return func() { signal.Stop(signals); close(done) }
}

// runStarter is the foreground process of --detach: it ends when the daemon is ready, or with
// the status of the daemon that could not start.
func (d *Daemon) runStarter() int {
	next := stageDaemon
	if d.options.monitor {
		next = stageMonitor
	}
	c, ready, err := d.spawn(next)
	switch {
	case err != nil:
		return d.Fatal(err)
	case ready:
		return 0
	}
	return d.failedStart(c)
}

// failedStart gives the exit status for a child that ended before it was ready. A child that
// left with a status has told why; a killed one can't have.
func (d *Daemon) failedStart(c *child) int {
	state := c.cmd.ProcessState
	if state.Exited() && state.ExitCode() > 0 {
		return state.ExitCode()
	}
	cause := errors.New(describe(state))
	if c.end != nil && !state.Exited() {
		cause = c.end
	}
	return d.Fatal(fmt.Errorf("the daemon ended before it was ready: %w", cause))
}
