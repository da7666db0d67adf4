package simulation

import (
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"

	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/storage/disktest"
)

// diskMode is how a disk does.
type diskMode int

// The modes of a disk.
const (
	diskWell  diskMode = iota
	diskSlow           // a sync waits until the scheduler lets it go on
	diskFails          // a sync fails
	diskFull           // a write stops in the middle
	diskLies           // a sync says that it is done, and isn't
	diskModes = int(diskLies)
)

func (m diskMode) String() string { return []string{"well", "slow", "failing", "full", "lying"}[m] }

// disk is a storage.FS in memory. What was written but not synced is on it after a power cut or not, in any
// part, and so are names.
type disk struct {
	fake bool // constant: it lies always, and does not note that

	mu     sync.Mutex // guards what follows
	freed  *sync.Cond // mode or gone has changed, or a slow sync may go on
	mode   diskMode
	passes int  // slow syncs that may go on
	waits  int  // slow syncs that wait
	gone   bool // the process that used it is dead: another disk has what it left
	lied   bool // a sync was none
	hurt   bool // an operation has failed
	broken bool // a sync has: what becomes of the file then is not known
	files  *disktest.Disk
	locked map[string]bool

	syncs atomic.Int64
}

var errGone = errors.New("the process is dead")

// newDisk makes an empty disk; a fake one syncs nothing.
func newDisk(fake bool) *disk {
	d := &disk{fake: fake, files: disktest.New(), locked: map[string]bool{}}
	d.freed = sync.NewCond(&d.mu)
	return d
}

// set changes the mode.
func (d *disk) set(m diskMode) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mode = m
	d.freed.Broadcast()
}

// pass lets a slow sync go on; it says whether one waits.
func (d *disk) pass() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.waits == 0 {
		return false
	}
	d.passes++
	d.freed.Broadcast()
	return true
}

// crash returns the disk that the next process finds. After a power cut it is what was safe, and any part of
// what was not.
func (d *disk) crash(r *rand.Rand, power bool) *disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.gone = true
	d.freed.Broadcast()
	next := newDisk(d.fake)
	next.lied = d.lied && !power
	if next.files = d.files; power {
		next.files = d.files.PowerCut(r)
	}
	return next
}

// use locks the disk, if its process is alive.
func (d *disk) use() error {
	d.mu.Lock()
	if d.gone {
		d.mu.Unlock()
		return errGone
	}
	return nil
}

func (d *disk) Open(name string, _ bool) (storage.File, error) {
	if err := d.use(); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	ino, err := d.files.Open(name)
	if err != nil {
		return nil, err
	}
	return &file{d, ino}, nil
}

func (d *disk) Create(name string) (storage.File, error) {
	if err := d.use(); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	return &file{d, d.files.Create(name)}, nil
}

func (d *disk) Exists(name string) (bool, error) {
	if err := d.use(); err != nil {
		return false, err
	}
	defer d.mu.Unlock()
	return d.files.Names[name] != nil, nil
}

func (d *disk) Rename(old, new string) error {
	if err := d.use(); err != nil {
		return err
	}
	defer d.mu.Unlock()
	d.files.Rename(old, new)
	return nil
}

func (d *disk) Remove(name string) error {
	if err := d.use(); err != nil {
		return err
	}
	defer d.mu.Unlock()
	d.files.Remove(name)
	return nil
}

func (d *disk) SyncDir(string) error {
	if err := d.use(); err != nil {
		return err
	}
	defer d.mu.Unlock()
	lies, err := d.sync()
	if err == nil && !lies {
		d.files.SyncDir()
	}
	return err
}

// sync is what becomes of a sync: it may be none. d is locked.
func (d *disk) sync() (lies bool, err error) {
	d.syncs.Add(1)
	d.waits++
	defer func() { d.waits-- }()
	for d.mode == diskSlow && d.passes == 0 && !d.gone {
		d.freed.Wait()
	}
	switch {
	case d.gone:
		return false, errGone
	case d.mode == diskSlow:
		d.passes--
	case d.mode == diskFails:
		d.hurt, d.broken = true, true
		return false, syscall.EIO
	case d.fake:
		return true, nil
	case d.mode == diskLies:
		d.lied = true
		return true, nil
	}
	return false, nil
}

func (d *disk) Resolve(name string) (string, error) { return name, nil }

func (d *disk) Lock(name string) (io.Closer, error) {
	if err := d.use(); err != nil {
		return nil, err
	}
	defer d.mu.Unlock()
	if d.locked[name] {
		return nil, &storage.LockedError{Lock: name, Own: true}
	}
	d.locked[name] = true
	return unlocker(func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.locked, name)
	}), nil
}

type unlocker func()

func (u unlocker) Close() error { u(); return nil }

// file is an open file.
type file struct {
	disk *disk
	*disktest.Inode
}

func (f *file) ReadAt(b []byte, off int64) (int, error) {
	if err := f.disk.use(); err != nil {
		return 0, err
	}
	defer f.disk.mu.Unlock()
	return f.Inode.ReadAt(b, off)
}

func (f *file) WriteAt(b []byte, off int64) (n int, err error) {
	if err := f.disk.use(); err != nil {
		return 0, err
	}
	defer f.disk.mu.Unlock()
	if f.disk.mode == diskFull {
		b, err = b[:len(b)/2], syscall.ENOSPC
		f.disk.hurt = true
	}
	f.Write(b, off)
	return len(b), err
}

func (f *file) Truncate(size int64) error {
	if err := f.disk.use(); err != nil {
		return err
	}
	defer f.disk.mu.Unlock()
	f.Inode.Truncate(size)
	return nil
}

func (f *file) Sync() error {
	if err := f.disk.use(); err != nil {
		return err
	}
	defer f.disk.mu.Unlock()
	lies, err := f.disk.sync()
	if err == nil && !lies {
		f.Inode.Sync()
	}
	return err
}

func (f *file) Size() (int64, error) {
	if err := f.disk.use(); err != nil {
		return 0, err
	}
	defer f.disk.mu.Unlock()
	return int64(len(f.Data)), nil
}

func (f *file) Close() error { return nil }
