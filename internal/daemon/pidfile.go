package daemon

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// pidfile holds the process id, and a POSIX lock on the whole file for the life of the
// process: ovs-appctl asks the kernel who holds it, to tell a running daemon from a file left
// behind. Such a lock goes when the process closes any descriptor of the file, so nothing may
// ever open it again here.
type pidfile struct {
	path string
	file *os.File
}

// createPidfile makes the pidfile at path, or fails when a running daemon has it.
//
// The steps, so that of two daemons starting at once one wins: lock PATH.tmp, look whether
// PATH belongs to a living process, write, rename to PATH. The lock goes along.
func createPidfile(path string, overwrite bool) (*pidfile, error) {
	tmp := path + ".tmp"
	if overwrite {
		tmp += strconv.Itoa(os.Getpid()) // not shared: nobody is asked
	}
	f, err := os.OpenFile(tmp, os.O_RDWR|os.O_CREATE, 0o666)
	if err != nil {
		return nil, fmt.Errorf("%s: create failed (%w)", tmp, cause(err))
	}
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &lock); err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: another daemon is starting here (%w)", tmp, err)
	}
	p := &pidfile{path: path, file: f}
	if err := p.publish(tmp, overwrite); err != nil {
		os.Remove(tmp)
		f.Close()
		return nil, err
	}
	return p, nil
}

func (p *pidfile) publish(tmp string, overwrite bool) error {
	if !overwrite {
		if err := checkRunning(p.path); err != nil {
			return err
		}
	}
	if err := p.file.Truncate(0); err != nil {
		return fmt.Errorf("%s: truncate failed (%w)", tmp, cause(err))
	}
	if _, err := fmt.Fprintf(p.file, "%d\n", os.Getpid()); err != nil {
		return fmt.Errorf("%s: write failed (%w)", tmp, cause(err))
	}
	if err := os.Rename(tmp, p.path); err != nil {
		return fmt.Errorf("failed to rename %q to %q (%w)", tmp, p.path, cause(err))
	}
	return nil
}

// checkRunning fails when the pidfile at path is that of a living process. One that is not
// locked is left behind, and will be replaced by the rename.
func checkRunning(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: pidfile check failed (%w), aborting", path, cause(err))
	}
	defer f.Close()
	lock := unix.Flock_t{Type: unix.F_WRLCK}
	if err := unix.FcntlFlock(f.Fd(), unix.F_GETLK, &lock); err != nil {
		return fmt.Errorf("%s: pidfile check failed (%w), aborting", path, err)
	}
	if lock.Type == unix.F_UNLCK {
		return nil
	}
	line, _ := bufio.NewReader(f).ReadString('\n') // an unreadable one is not that of lock.Pid
	if pid, err := strconv.Atoi(strings.TrimSpace(line)); err != nil || pid != int(lock.Pid) {
		return fmt.Errorf("%s: locked by pid %d, which did not write it, aborting", path, lock.Pid)
	}
	return fmt.Errorf("%s: already running as pid %d, aborting", path, lock.Pid)
}

// remove takes the file away, if it is still ours, before the lock goes.
func (p *pidfile) remove() {
	now, err := os.Stat(p.path)
	ours, err2 := p.file.Stat()
	if err == nil && err2 == nil && os.SameFile(now, ours) {
		os.Remove(p.path)
	}
	p.file.Close()
}

// cause gives the system's error inside err, for messages that name the file in their own way.
func cause(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
