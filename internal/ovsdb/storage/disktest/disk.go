// Package disktest has a disk in memory that can lose power, of which tests make file systems that fail as they want.
//
// What was written but not synced is on it after a power cut or not, in any part, and so are names. A Disk takes no lock.
package disktest

import (
	"io"
	"maps"
	"math/rand/v2"
	"os"
	"slices"
)

// Disk is a directory of files.
type Disk struct {
	Names map[string]*Inode // as programs see it

	safe  map[string]*Inode // as of the last SyncDir
	moves []func(map[string]*Inode)
}

// Inode is a file.
type Inode struct {
	Data []byte // as programs see it

	synced []byte   // what is on the disk for certain
	writes []change // since then
}

// change is a write, or, with nil data, a truncation to off.
type change struct {
	off  int64
	data []byte
}

// New returns an empty disk.
func New() *Disk { return &Disk{Names: map[string]*Inode{}, safe: map[string]*Inode{}} }

// PowerCut returns what a machine finds after it lost power: of the names the first few unsynced changes, of each file any
// parts of its unsynced writes.
func (d *Disk) PowerCut(r *rand.Rand) *Disk {
	after := New()
	names := maps.Clone(d.safe)
	for _, f := range d.moves[:r.IntN(len(d.moves)+1)] {
		f(names)
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		data := slices.Clone(names[name].synced)
		for _, c := range names[name].writes {
			data = c.torn(data, r)
		}
		after.Names[name] = &Inode{Data: data, synced: slices.Clone(data)}
	}
	after.safe = maps.Clone(after.Names)
	return after
}

// Open returns a file, or os.ErrNotExist.
func (d *Disk) Open(name string) (*Inode, error) {
	if ino := d.Names[name]; ino != nil {
		return ino, nil
	}
	return nil, os.ErrNotExist
}

// Create makes an empty file, in place of one that there is.
func (d *Disk) Create(name string) *Inode {
	ino := &Inode{}
	d.move(func(names map[string]*Inode) { names[name] = ino })
	return ino
}

// Rename gives a file another name.
func (d *Disk) Rename(old, new string) {
	ino := d.Names[old]
	d.move(func(names map[string]*Inode) {
		delete(names, old)
		names[new] = ino
	})
}

// Remove takes a name away.
func (d *Disk) Remove(name string) {
	d.move(func(names map[string]*Inode) { delete(names, name) })
}

// SyncDir makes the names safe.
func (d *Disk) SyncDir() { d.safe, d.moves = maps.Clone(d.Names), nil }

func (d *Disk) move(f func(map[string]*Inode)) {
	f(d.Names)
	d.moves = append(d.moves, f)
}

// ReadAt implements io.ReaderAt.
func (i *Inode) ReadAt(b []byte, off int64) (int, error) {
	if off >= int64(len(i.Data)) {
		return 0, io.EOF
	}
	n := copy(b, i.Data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// Write writes at an offset.
func (i *Inode) Write(b []byte, off int64) { i.change(change{off, slices.Clone(b)}) }

// Truncate gives the file a size.
func (i *Inode) Truncate(size int64) { i.change(change{off: size}) }

// Sync makes the content safe.
func (i *Inode) Sync() { i.synced, i.writes = slices.Clone(i.Data), nil }

func (i *Inode) change(c change) {
	i.Data = c.apply(i.Data)
	i.writes = append(i.writes, c)
}

// torn applies any part of c to data: of a write, only some sectors.
func (c change) torn(data []byte, r *rand.Rand) []byte {
	switch {
	case r.IntN(3) == 0:
		return data
	case c.data == nil || r.IntN(2) == 0:
		return c.apply(data)
	}
	const sector = 64
	whole := c.apply(slices.Clone(data))
	data = resize(data, max(int64(len(data)), c.off+int64(r.IntN(len(c.data)+1))))
	for at := int(c.off) / sector * sector; at < len(data); at += sector {
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
	if int64(len(data)) < n {
		return append(data, make([]byte, n-int64(len(data)))...)
	}
	return data[:n:n]
}
