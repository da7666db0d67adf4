package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// dirLock is a locked file. While its process ends it says so.
type dirLock struct{ file *os.File }

// ended is what the file says then.
const ended = "ending\n"

// endPatience is how long a process that ends is waited for.
var endPatience = 5 * time.Second

// lockDir makes this process the only VTEP with its sockets in dir, until the result is closed or the process ends. Beside
// one for a named switch others may run, for other switches. One that was told to end is waited for: whoever told it has
// the answer before it has ended.
func lockDir(ctx context.Context, dir, name string, log *slog.Logger) (*dirLock, error) {
	path := filepath.Join(dir, ".vtep.~lock~")
	if name != "" {
		path = filepath.Join(dir, ".vtep-"+url.PathEscape(name)+".~lock~")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	l := &dirLock{f}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) && l.ending() {
		log.Info("waiting for the VTEP that is ending", "directory", dir, "most", endPatience)
		return l.await(ctx, dir)
	}
	if err != nil {
		f.Close()
		return nil, lockError(dir, err)
	}
	return l, l.begin(dir)
}

func lockError(dir string, err error) error {
	if errors.Is(err, unix.EWOULDBLOCK) {
		return fmt.Errorf("another VTEP runs in %s; stop it, or give this one a directory of its own with --rundir", dir)
	}
	return fmt.Errorf("lock %s: %w", dir, err)
}

// await waits for the lock.
func (l *dirLock) await(ctx context.Context, dir string) (*dirLock, error) {
	got := make(chan error, 1)
	go func() {
		for {
			err := unix.Flock(int(l.file.Fd()), unix.LOCK_EX)
			if !errors.Is(err, unix.EINTR) {
				got <- err
				return
			}
		}
	}()
	var failed error
	select {
	case err := <-got:
		if err != nil {
			l.Close()
			return nil, lockError(dir, err)
		}
		return l, l.begin(dir)
	case <-time.After(endPatience):
		failed = fmt.Errorf("the VTEP that ran in %s was told to end, and has not within %s: see its log", dir, endPatience)
	case <-ctx.Done():
		failed = context.Cause(ctx)
	}
	go func() { // who waits can't be told to stop
		<-got
		l.Close()
	}()
	return nil, failed
}

// begin takes back what an earlier process has said.
func (l *dirLock) begin(dir string) error {
	if err := l.file.Truncate(0); err != nil {
		return lockError(dir, err)
	}
	return nil
}

// end says that this process is about to end. That it can't only keeps others from waiting.
func (l *dirLock) end() { _, _ = l.file.WriteAt([]byte(ended), 0) }

func (l *dirLock) ending() bool {
	b := make([]byte, len(ended))
	n, _ := l.file.ReadAt(b, 0)
	return string(b[:n]) == ended
}

// Close lets others have the lock.
func (l *dirLock) Close() error { return l.file.Close() }
