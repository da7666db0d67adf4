package main

import (
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// lockDir makes this process the only VTEP with its sockets in dir, until the result is
// closed or the process ends. Beside one for a named switch others may run, for other switches.
func lockDir(dir, name string) (io.Closer, error) {
	path := filepath.Join(dir, ".vtep.~lock~")
	if name != "" {
		path = filepath.Join(dir, ".vtep-"+url.PathEscape(name)+".~lock~")
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	err = unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, unix.EWOULDBLOCK) {
		f.Close()
		return nil, fmt.Errorf("another VTEP runs in %s; stop it, or give this one a directory of its own with --rundir", dir)
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	return f, nil
}
