package storage

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"

	"github.com/vtep/vtep/internal/ovsdb/storage/disktest"
)

// memFS is a file system in memory that can fail at any edge and lose power.
type memFS struct {
	*disktest.Disk
	locked map[string]bool
	fail   func(edge string) error // asked before each operation; nil: never
	edges  []string                // operations so far
}

func newMemFS() *memFS { return &memFS{Disk: disktest.New(), locked: map[string]bool{}} }

var errPower = errors.New("no power")

func (m *memFS) edge(format string, args ...any) error {
	e := fmt.Sprintf(format, args...)
	m.edges = append(m.edges, e)
	if m.fail != nil {
		return m.fail(e)
	}
	return nil
}

func (m *memFS) Open(name string, _ bool) (File, error) {
	if err := m.edge("open %s", name); err != nil {
		return nil, err
	}
	ino, err := m.Disk.Open(name)
	if err != nil {
		return nil, err
	}
	return &memFile{m, name, ino}, nil
}

func (m *memFS) Create(name string) (File, error) {
	if err := m.edge("create %s", name); err != nil {
		return nil, err
	}
	return &memFile{m, name, m.Disk.Create(name)}, nil
}

func (m *memFS) Exists(name string) (bool, error) { return m.Names[name] != nil, nil }

func (m *memFS) Rename(old, new string) error {
	if err := m.edge("rename %s", old); err != nil {
		return err
	}
	m.Disk.Rename(old, new)
	return nil
}

func (m *memFS) Remove(name string) error {
	if err := m.edge("remove %s", name); err != nil {
		return err
	}
	m.Disk.Remove(name)
	return nil
}

func (m *memFS) SyncDir(name string) error {
	if err := m.edge("syncdir %s", name); err != nil {
		return err
	}
	m.Disk.SyncDir()
	return nil
}

func (m *memFS) Resolve(name string) (string, error) { return name, nil }

func (m *memFS) Lock(name string) (io.Closer, error) {
	if m.locked[name] {
		return nil, &LockedError{Lock: name, Own: true}
	}
	m.locked[name] = true
	return closer(func() { delete(m.locked, name) }), nil
}

type closer func()

func (c closer) Close() error { c(); return nil }

// powerCut returns what a machine finds after it lost power.
func (m *memFS) powerCut(r *rand.Rand) *memFS {
	after := newMemFS()
	after.Disk = m.PowerCut(r)
	return after
}

// memFile is an open file.
type memFile struct {
	fs   *memFS
	name string
	*disktest.Inode
}

// errShortWrite makes a write stop in the middle.
var errShortWrite = errors.New("no space left on device")

func (f *memFile) WriteAt(b []byte, off int64) (int, error) {
	err := f.fs.edge("write %s", f.name)
	if err == errShortWrite {
		b = b[:len(b)/2]
	} else if err != nil {
		return 0, err
	}
	f.Write(b, off)
	return len(b), err
}

func (f *memFile) Truncate(size int64) error {
	if err := f.fs.edge("truncate %s", f.name); err != nil {
		return err
	}
	f.Inode.Truncate(size)
	return nil
}

func (f *memFile) Sync() error {
	if err := f.fs.edge("sync %s", f.name); err != nil {
		return err
	}
	f.Inode.Sync()
	return nil
}

func (f *memFile) Size() (int64, error) { return int64(len(f.Data)), nil }
func (f *memFile) Close() error         { return nil }
