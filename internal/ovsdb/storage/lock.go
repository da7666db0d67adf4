package storage

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// LockName returns the name of the lock file of the file at path, whose
// symbolic links have been followed.
func LockName(path string) string {
	dir, base := filepath.Split(path)
	return dir + "." + base + ".~lock~"
}

// inode identifies a file.
type inode struct{ dev, ino uint64 }

// held is the locks of this process. A lock of fcntl belongs to the process,
// and closing any descriptor of the file drops it: so a second attempt must be
// told from the table, without opening the file.
var held = struct {
	sync.Mutex
	files map[inode]*os.File
}{files: map[inode]*os.File{}}

// fileLock is a lock that this process holds.
type fileLock struct{ id inode }

func (osFS) Lock(name string) (io.Closer, error) {
	held.Lock()
	defer held.Unlock()

	var st unix.Stat_t
	switch err := unix.Stat(name, &st); {
	case err == nil:
		if held.files[inode{st.Dev, st.Ino}] != nil {
			return nil, &LockedError{Lock: name, PID: os.Getpid(), Own: true}
		}
	case !errors.Is(err, unix.ENOENT):
		return nil, fmt.Errorf("%s: failed to stat lock file: %w", name, err)
	}
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("failed to open lock file: %w", err)
	}
	l, err := lock(f, name)
	if err != nil {
		f.Close()
		return nil, err
	}
	return l, nil
}

// lock locks f and enters it into the table.
func lock(f *os.File, name string) (*fileLock, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return nil, fmt.Errorf("%s: failed to stat lock file: %w", name, err)
	}
	fl := unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
	switch err := unix.FcntlFlock(f.Fd(), unix.F_SETLK, &fl); {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EACCES):
		e := &LockedError{Lock: name}
		fl = unix.Flock_t{Type: unix.F_WRLCK, Whence: io.SeekStart}
		if unix.FcntlFlock(f.Fd(), unix.F_GETLK, &fl) == nil && fl.Type != unix.F_UNLCK {
			e.PID = int(fl.Pid)
		}
		return nil, e
	case err != nil:
		return nil, fmt.Errorf("%s: failed to lock file: %w", name, err)
	}
	id := inode{st.Dev, st.Ino}
	if old := held.files[id]; old != nil {
		old.Close() // the lock file was removed and its inode came back
	}
	held.files[id] = f
	return &fileLock{id}, nil
}

// Close gives the lock back. The lock file stays, as other programs expect.
func (l *fileLock) Close() error {
	held.Lock()
	defer held.Unlock()
	f := held.files[l.id]
	if f == nil {
		return nil
	}
	delete(held.files, l.id)
	return f.Close()
}
