// Package namespace makes named network namespaces and runs code and programs inside them.
package namespace

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// dir is where "ip netns" keeps its names, so that it sees ours and we see its.
const dir = "/run/netns"

// Namespace is a named network namespace. It outlives the process that makes it, until Delete.
type Namespace struct {
	Name   string
	handle netns.NsHandle
}

// Create makes an empty network namespace with its loopback device up.
func Create(name string) (*Namespace, error) {
	n := &Namespace{Name: name}
	if err := share(); err != nil {
		return nil, fmt.Errorf("create network namespace %s: %w", name, err)
	}
	err := onThread(func() error {
		var err error
		n.handle, err = netns.NewNamed(name) // moves this thread there
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("create network namespace %s: %w", name, err)
	}
	err = n.Links(func(h *netlink.Handle) error {
		lo, err := h.LinkByName("lo")
		if err != nil {
			return err
		}
		return h.LinkSetUp(lo)
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("network namespace %s: bring up lo: %w", name, err), n.Delete())
	}
	return n, nil
}

// share makes dir a shared mount of its own, unless it is one. "ip netns add" does that when
// it is not: it would then hide the names that are in it, and nobody could delete them.
func share() error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	// As "ip netns" does, so that two at once don't do it twice.
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		return fmt.Errorf("lock %s: %w", dir, err)
	}
	err = unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
	if errors.Is(err, unix.EINVAL) { // it is no mount
		if err = unix.Mount(dir, dir, "none", unix.MS_BIND|unix.MS_REC, ""); err == nil {
			err = unix.Mount("", dir, "none", unix.MS_SHARED|unix.MS_REC, "")
		}
	}
	if err != nil {
		return fmt.Errorf("make %s a shared mount: %w", dir, err)
	}
	return nil
}

// Open opens one that exists.
func Open(name string) (*Namespace, error) {
	handle, err := netns.GetFromName(name)
	if err != nil {
		return nil, fmt.Errorf("open network namespace %s: %w", name, err)
	}
	return &Namespace{Name: name, handle: handle}, nil
}

// List lists the names that begin with prefix.
func List(prefix string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list network namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// Path is the file that stands for the namespace.
func (n *Namespace) Path() string { return filepath.Join(dir, n.Name) }

// Close lets go of the namespace, which stays.
func (n *Namespace) Close() error { return n.handle.Close() }

// Delete takes the name away; the namespace and its devices go with the last process and
// socket in it. It implies Close.
func (n *Namespace) Delete() error {
	if n.handle.IsOpen() {
		n.handle.Close()
	}
	if err := netns.DeleteNamed(n.Name); err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete network namespace %s: %w", n.Name, err)
	}
	return nil
}

// Do runs f with its thread inside the namespace. Sockets that f opens and processes that it
// starts belong there for good; goroutines that it starts run anywhere.
func (n *Namespace) Do(f func() error) error {
	return onThread(func() error {
		if err := netns.Set(n.handle); err != nil {
			return fmt.Errorf("enter network namespace %s: %w", n.Name, err)
		}
		return f()
	})
}

// Start starts cmd inside the namespace.
func (n *Namespace) Start(cmd *exec.Cmd) error { return n.Do(cmd.Start) }

// Run runs cmd inside the namespace, to its end.
func (n *Namespace) Run(cmd *exec.Cmd) error {
	if err := n.Start(cmd); err != nil {
		return err
	}
	return cmd.Wait()
}

// Links calls f with a netlink handle of the namespace.
func (n *Namespace) Links(f func(*netlink.Handle) error) error {
	h, err := netlink.NewHandleAt(n.handle, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("netlink in %s: %w", n.Name, err)
	}
	defer h.Close()
	return f(h)
}

// Sysctl sets a variable under /proc/sys/net of the namespace.
func (n *Namespace) Sysctl(name, value string) error {
	return n.Do(func() error {
		return os.WriteFile(filepath.Join("/proc/sys/net", name), []byte(value), 0)
	})
}

// Processes lists the processes that run in the namespace.
func (n *Namespace) Processes() ([]int, error) {
	var want unix.Stat_t
	if err := unix.Fstat(int(n.handle), &want); err != nil {
		return nil, fmt.Errorf("network namespace %s: %w", n.Name, err)
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		var have unix.Stat_t
		err = unix.Stat(filepath.Join("/proc", e.Name(), "ns/net"), &have)
		if err == nil && have.Ino == want.Ino && have.Dev == want.Dev { // an error: it ended meanwhile
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// onThread runs f on a thread of its own, which ends with it: whatever f does to the
// thread's namespaces can't leak into other goroutines.
//
// The first thread of a process is not used: it does not end before the process, so it
// would keep a namespace alive, and /proc/PID/ns is what it says.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == os.Getpid() {
			done <- onThread(f) // on another one, as this one waits here
			runtime.UnlockOSThread()
			return
		}
		done <- f() // still locked: the runtime ends the thread with the goroutine
	}()
	return <-done
}
