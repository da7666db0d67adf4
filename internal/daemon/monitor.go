package daemon

import (
	"fmt"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// restartPause is the least time between two restarts.
const restartPause = 10 * time.Second

// runMonitor starts the daemon, and starts it again each time it dies of a crash. It returns
// when the daemon ends in any other way.
func (d *Daemon) runMonitor() int {
	d.log.subprogram = "monitor"
	log := d.Logger("daemon")
	fd, err := unix.MemfdCreate(d.Name, unix.MFD_CLOEXEC)
	if err != nil {
		return d.Fatal(fmt.Errorf("make the state file: %w", err))
	}
	d.state = os.NewFile(uintptr(fd), "state")
	defer d.state.Close()

	c, ready, err := d.spawn(stageDaemon)
	if err != nil {
		return d.Fatal(err)
	}
	if !ready {
		return d.failedStart(c)
	}
	if err := d.Ready(); err != nil {
		return d.Fatal(err)
	}

	var lastRestart time.Time
	for crashes := 1; ; crashes++ {
		pid := c.cmd.Process.Pid
		if ready {
			d.log.Close() // not to keep a rotated file
			d.wait(c)
			if err := d.log.Reopen(); err != nil && d.options.wantLogFile {
				log.Warn("no log file", "err", err)
			}
		}
		status := describe(c.cmd.ProcessState)
		if !isCrash(c.cmd.ProcessState) {
			log.Info(fmt.Sprintf("pid %d died, %s, exiting", pid, status))
			return 0
		}
		os.Remove(d.socketPath(pid)) // it could not do so itself; the pidfile is replaced
		status = fmt.Sprintf("%d crashes: pid %d died, %s", crashes, pid, status)
		if pause := time.Until(lastRestart.Add(restartPause)); pause > 0 {
			log.Warn(status + ", waiting until 10 seconds since last restart")
			time.Sleep(pause)
		}
		lastRestart = time.Now()
		log.Error(status + ", restarting")
		if c, ready, err = d.spawn(stageDaemon); err != nil {
			return d.Fatal(err)
		}
	}
}

// wait waits for the end of a child, which gets the signals meant to end us both.
func (d *Daemon) wait(c *child) {
	stop := forwardSignals(c.cmd.Process)
	defer stop()
	_ = c.cmd.Wait() // ProcessState says all
}

// isCrash says whether a process died of an error in the program: by a signal that tells so,
// or with status 2, which is how the Go runtime ends after a panic or such a signal.
func isCrash(state *os.ProcessState) bool {
	status := state.Sys().(syscall.WaitStatus)
	if !status.Signaled() {
		return status.ExitStatus() == 2
	}
	switch status.Signal() {
	case syscall.SIGABRT, syscall.SIGALRM, syscall.SIGBUS, syscall.SIGFPE, syscall.SIGILL,
		syscall.SIGPIPE, syscall.SIGSEGV, syscall.SIGXCPU, syscall.SIGXFSZ:
		return true
	}
	return false
}

// describe says how a process ended.
func describe(state *os.ProcessState) string {
	status := state.Sys().(syscall.WaitStatus)
	if status.Signaled() {
		return fmt.Sprintf("killed (%s)", status.Signal())
	}
	if isCrash(state) {
		// What filters the crashes of other daemons out of a log finds this one too.
		return fmt.Sprintf("killed by the Go runtime (exit status %d)", status.ExitStatus())
	}
	return fmt.Sprintf("exit status %d", status.ExitStatus())
}
