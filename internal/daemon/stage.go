package daemon

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strconv"
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

// stageVariable tells a child its stage, and by which descriptors it is in touch:
// "STAGE,NOTIFY" or "STAGE,NOTIFY,STATE". The child takes it out of its environment, so that
// programs started by the daemon don't see it.
//
//	NOTIFY  one byte written here: ready
//	STATE   see Daemon.State; only under --monitor
const stageVariable = "VTEP_DAEMON_STAGE"

// takeStage reads and removes what the process that started us left.
func takeStage() (s stage, notify, state *os.File, err error) {
	value := os.Getenv(stageVariable)
	if value == "" {
		return stageFirst, nil, nil, nil
	}
	if err := os.Unsetenv(stageVariable); err != nil {
		return stageFirst, nil, nil, fmt.Errorf("clean environment: %w", err)
	}
	words := strings.Split(value, ",")
	s = stage(words[0])
	take := func(i int, name string, kind uint32) *os.File {
		if i >= len(words) {
			return nil
		}
		fd, err := strconv.Atoi(words[i])
		var stat unix.Stat_t
		if err != nil || unix.Fstat(fd, &stat) != nil || stat.Mode&unix.S_IFMT != kind {
			return nil
		}
		unix.CloseOnExec(fd)
		return os.NewFile(uintptr(fd), name)
	}
	notify = take(1, "notify", unix.S_IFIFO)
	if (s != stageMonitor && s != stageDaemon) || notify == nil {
		return s, nil, nil, fmt.Errorf("%s is set, and must not be: unset it", stageVariable)
	}
	return s, notify, take(2, "state", unix.S_IFREG), nil
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
	files, err := d.inherited()
	if err != nil {
		return nil, false, fmt.Errorf("start the %s: %w", s, err)
	}
	defer closeAll(files)
	const first = 3 // the descriptor that the first of ExtraFiles becomes
	value := string(s)
	pass := func(f *os.File) {
		i := slices.Index(files, nil)
		if i < 0 {
			i, files = len(files), append(files, nil)
		}
		files[i] = f
		value += "," + strconv.Itoa(first+i)
	}
	pass(w)
	if d.state != nil {
		state, err := dup(int(d.state.Fd()))
		if err != nil {
			return nil, false, fmt.Errorf("start the %s: %w", s, err)
		}
		pass(state)
	}
	cmd := &exec.Cmd{
		Path:       "/proc/self/exe", // also when the file has been replaced
		Args:       os.Args,
		Env:        append(os.Environ(), stageVariable+"="+value),
		Stdin:      os.Stdin,
		Stdout:     os.Stdout,
		Stderr:     os.Stderr,
		ExtraFiles: files,
	}
	if d.stage == stageFirst && d.options.detach {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	}
	err = cmd.Start()
	w.Close() // whose copy would keep the pipe open
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

// inherited is what a child gets beside the standard descriptors, from 3 on, to keep the numbers
// of those that the command line names.
func (d *Daemon) inherited() ([]*os.File, error) {
	var files []*os.File
	for _, fd := range d.Inherit {
		if fd < 3 {
			continue
		}
		f, err := dup(fd)
		if err != nil {
			closeAll(files)
			return nil, fmt.Errorf("file descriptor %d: %w", fd, err)
		}
		for len(files) <= fd-3 {
			files = append(files, nil)
		}
		if files[fd-3] != nil {
			f.Close() // named twice
			continue
		}
		files[fd-3] = f
	}
	return files, nil
}

func dup(fd int) (*os.File, error) {
	n, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(n), "inherited"), nil
}

func closeAll(files []*os.File) {
	for _, f := range files {
		if f != nil {
			f.Close()
		}
	}
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
