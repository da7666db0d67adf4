package storage

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// File is an open file of an FS.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Size() (int64, error)
	Truncate(size int64) error
	// Sync returns when what was written is on the disk, with the size that
	// is needed to read it back.
	Sync() error
}

// FS is what a Log needs of the file system.
type FS interface {
	// Open opens an existing file.
	Open(name string, write bool) (File, error)
	// Create makes a new, empty file; an existing one is emptied.
	Create(name string) (File, error)
	// Exists reports whether name exists. A dangling symbolic link does not.
	Exists(name string) (bool, error)
	// Rename gives the file old the name new, atomically, in place of any
	// file that had it.
	Rename(old, new string) error
	// Remove removes a file. It is no error if there is none.
	Remove(name string) error
	// SyncDir returns when the names in the directory that holds name are on
	// the disk.
	SyncDir(name string) error
	// Resolve follows name as long as it is a symbolic link. Of a file that exists the result means the same in whatever
	// directory the process is later, as a daemon leaves that in which it was started.
	Resolve(name string) (string, error)
	// Lock takes the lock file called name, or returns a *LockedError. Closing
	// the result gives it back.
	Lock(name string) (io.Closer, error)
}

// placer is an FS that can say whether a name is still that of a file that was opened by it.
type placer interface {
	Names(name string, f File) (bool, error)
}

// OS is the file system of the operating system.
var OS FS = osFS{}

type osFS struct{}

type osFile struct{ *os.File }

// Size asks for the end, not for the status: since Linux 6.13 a time of change that has been looked at is changed by
// the next write, however soon, and Sync would have that to write, too.
func (f osFile) Size() (int64, error) { return f.Seek(0, io.SeekEnd) }

// Sync leaves out what only concerns the times of the file.
func (f osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(f.Fd()))
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return &os.PathError{Op: "fdatasync", Path: f.Name(), Err: err}
		}
		return nil
	}
}

// Flush writes a part of the file to the disk. It is no Sync: that makes it last, and the file
// as long as it is.
func (f osFile) Flush(off, n int64) error {
	const all = unix.SYNC_FILE_RANGE_WAIT_BEFORE | unix.SYNC_FILE_RANGE_WRITE | unix.SYNC_FILE_RANGE_WAIT_AFTER
	switch err := unix.SyncFileRange(int(f.Fd()), off, n, all); err {
	case unix.EIO, unix.ENOSPC, unix.EDQUOT:
		return &os.PathError{Op: "sync_file_range", Path: f.Name(), Err: err}
	}
	return nil // file systems that cannot do it have all to do in Sync
}

func (osFS) Open(name string, write bool) (File, error) {
	flags := os.O_RDONLY
	if write {
		flags = os.O_RDWR
	}
	f, err := os.OpenFile(name, flags, 0)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

func (osFS) Create(name string) (File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o660)
	if err != nil {
		return nil, err
	}
	return osFile{f}, nil
}

// Names asks for no times: see osFile.Size.
func (osFS) Names(name string, f File) (bool, error) {
	own, ok := f.(osFile)
	if !ok {
		return true, nil
	}
	var there, here unix.Statx_t
	switch err := unix.Statx(unix.AT_FDCWD, name, unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &there); {
	case err == unix.ENOENT:
		return false, nil
	case err != nil:
		return false, &os.PathError{Op: "statx", Path: name, Err: err}
	}
	if err := unix.Statx(int(own.Fd()), "", unix.AT_EMPTY_PATH|unix.AT_STATX_DONT_SYNC, unix.STATX_INO, &here); err != nil {
		return false, &os.PathError{Op: "statx", Path: own.Name(), Err: err}
	}
	return there.Ino == here.Ino && there.Dev_major == here.Dev_major && there.Dev_minor == here.Dev_minor, nil
}

func (osFS) Exists(name string) (bool, error) {
	_, err := os.Stat(name)
	if os.IsNotExist(err) {
		return false, nil
	}
	return err == nil, err
}

func (osFS) Rename(old, new string) error { return os.Rename(old, new) }

func (osFS) Remove(name string) error {
	if err := os.Remove(name); err != nil && !os.IsNotExist(err) {
		return err
	}
	return nil
}

func (osFS) SyncDir(name string) error {
	d, err := os.Open(filepath.Dir(name))
	if err != nil {
		return err
	}
	err = d.Sync()
	if cerr := d.Close(); err == nil {
		err = cerr
	}
	return err
}

// maxLinks is how many symbolic links Resolve follows.
const maxLinks = 10

func (osFS) Resolve(name string) (string, error) {
	at := name
	for range maxLinks {
		fi, err := os.Lstat(at)
		if err != nil {
			return at, nil // whoever opens it sees the error
		}
		if fi.Mode()&os.ModeSymlink == 0 {
			return filepath.Abs(at)
		}
		target, err := os.Readlink(at)
		if err != nil {
			return "", err
		}
		if !filepath.IsAbs(target) {
			target = filepath.Join(filepath.Dir(at), target)
		}
		at = target
	}
	return "", fmt.Errorf("%s: too many levels of symbolic links", name)
}
