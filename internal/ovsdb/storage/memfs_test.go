package storage

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
)

// memFS is a file system in memory that can fail at any edge and lose power.
//
// What was written but not synced may be on the disk or not, in any part, and
// so may names: a power cut decides.
type memFS struct {
	names map[string]*memInode // as programs see it
	disk  map[string]*memInode // as of the last SyncDir
	moves []func(map[string]*memInode)

	locked map[string]bool
	fail   func(edge string) error // asked before each operation; nil: never
	edges  []string                // operations so far
}

// memInode is a file.
type memInode struct {
	data   []byte
	synced []byte   // what is on the disk for certain
	writes []change // since then
}

// change is a write, or, with nil data, a truncation to off.
type change struct {
	off  int64
	data []byte
}

func newMemFS() *memFS {
	return &memFS{names: map[string]*memInode{}, disk: map[string]*memInode{}, locked: map[string]bool{}}
}

var errPower = errors.New("no power")

func (m *memFS) edge(format string, args ...any) error {
	e := fmt.Sprintf(format, args...)
	m.edges = append(m.edges, e)
	if m.fail != nil {
		return m.fail(e)
	}
	return nil
}

func (m *memFS) move(f func(map[string]*memInode)) {
	f(m.names)
	m.moves = append(m.moves, f)
}

func (m *memFS) Open(name string, write bool) (File, error) {
	if err := m.edge("open %s", name); err != nil {
		return nil, err
	}
	ino := m.names[name]
	if ino == nil {
		return nil, os.ErrNotExist
	}
	return &memFile{m, name, ino}, nil
}

func (m *memFS) Create(name string) (File, error) {
	if err := m.edge("create %s", name); err != nil {
		return nil, err
	}
	ino := &memInode{}
	m.move(func(names map[string]*memInode) { names[name] = ino })
	return &memFile{m, name, ino}, nil
}

func (m *memFS) Exists(name string) (bool, error) { return m.names[name] != nil, nil }

func (m *memFS) Rename(old, new string) error {
	if err := m.edge("rename %s", old); err != nil {
		return err
	}
	ino := m.names[old]
	m.move(func(names map[string]*memInode) {
		delete(names, old)
		names[new] = ino
	})
	return nil
}

func (m *memFS) Remove(name string) error {
	if err := m.edge("remove %s", name); err != nil {
		return err
	}
	m.move(func(names map[string]*memInode) { delete(names, name) })
	return nil
}

func (m *memFS) SyncDir(name string) error {
	if err := m.edge("syncdir %s", name); err != nil {
		return err
	}
	m.disk, m.moves = maps.Clone(m.names), nil
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

// powerCut returns what a machine finds after it lost power: of the names the
// first few unsynced changes, of each file any parts of its unsynced writes.
func (m *memFS) powerCut(r *rand.Rand) *memFS {
	after := newMemFS()
	names := maps.Clone(m.disk)
	for _, f := range m.moves[:r.IntN(len(m.moves)+1)] {
		f(names)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		ino := names[name]
		data := slices.Clone(ino.synced)
		for _, c := range ino.writes {
			data = c.torn(data, r)
		}
		after.names[name] = &memInode{data: data, synced: slices.Clone(data)}
	}
	after.disk = maps.Clone(after.names)
	return after
}

// torn applies any part of c to data.
func (c change) torn(data []byte, r *rand.Rand) []byte {
	if r.IntN(3) == 0 {
		return data
	}
	if c.data == nil {
		return resize(data, c.off)
	}
	if r.IntN(2) == 0 {
		return c.apply(data)
	}
	// Only some sectors: the rest of the range keeps what was there, or zeros.
	const sector = 64
	whole := c.apply(slices.Clone(data))
	data = resize(data, max(int64(len(data)), c.off+int64(r.IntN(len(c.data)+1))))
	for at := 0; at < len(data); at += sector {
		if r.IntN(2) == 0 {
			copy(data[at:min(at+sector, len(data))], whole[at:])
		}
	}
	return data
}

func (c change) apply(data []byte) []byte {
	if c.data == nil {
		return resize(data, c.off)
	}
	data = resize(data, max(int64(len(data)), c.off+int64(len(c.data))))
	copy(data[c.off:], c.data)
	return data
}

func resize(data []byte, n int64) []byte {
	for int64(len(data)) < n {
		data = append(data, 0)
	}
	return data[:n:n]
}

// memFile is an open memInode.
type memFile struct {
	fs   *memFS
	name string
	*memInode
}

func (f *memFile) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(f.data)) {
		return 0, io.EOF
	}
	n := copy(b, f.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
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
	f.change(change{off, slices.Clone(b)})
	return len(b), err
}

func (f *memFile) Truncate(size int64) error {
	if err := f.fs.edge("truncate %s", f.name); err != nil {
		return err
	}
	f.change(change{off: size})
	return nil
}

func (f *memFile) change(c change) {
	f.data = c.apply(f.data)
	f.writes = append(f.writes, c)
}

func (f *memFile) Sync() error {
	if err := f.fs.edge("sync %s", f.name); err != nil {
		return err
	}
	f.synced, f.writes = slices.Clone(f.data), nil
	return nil
}

func (f *memFile) Size() (int64, error) { return int64(len(f.data)), nil }
func (f *memFile) Close() error         { return nil }
