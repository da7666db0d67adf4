package storage

import (
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"
)

// Options configure Open and Create. The zero Options are right for a server.
type Options struct {
	FS       FS               // nil: OS
	ReadOnly bool             // take no lock, change nothing, cut nothing
	Now      func() time.Time // names the files that keep cut bytes; nil: time.Now
}

func (o *Options) fill() {
	if o.FS == nil {
		o.FS = OS
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Log is an OVSDB log file.
type Log struct {
	opts Options   // constant after Open
	path string    // as the caller named it, for messages; constant after Open
	real string    // with symbolic links followed; constant after Open
	lock io.Closer // nil: read-only

	file     File
	replayed bool
	err      error // not nil: broken, by this
	buf      []byte

	size    atomic.Int64 // end of the last record; a Compaction reads it
	room    int          // bytes behind that
	habit   int          // the last so many Appends, but for one that was not yet, were each synced
	prev    int64        // size before the last Append
	base    int64        // size of the schema and the snapshot that began the file
	records int          // transactions after that
	cuts    int          // number of times that records were cut off again
	compact *Compaction  // the one under way, or nil
}

// Open opens the log at path and locks it.
func Open(path string, opts Options) (*Log, error) {
	l, err := open(path, opts)
	if err != nil {
		return nil, fmt.Errorf("open database %s: %w", path, err)
	}
	return l, nil
}

func open(path string, opts Options) (l *Log, err error) {
	l, err = prepare(path, opts)
	if err != nil {
		return nil, err
	}
	locked := l
	defer func() {
		if err != nil {
			locked.Close()
		}
	}()
	if l.file, err = l.opts.FS.Open(l.real, !opts.ReadOnly); err != nil {
		return nil, err
	}
	return l, identify(l.file)
}

// prepare follows the symbolic links of path and locks it.
func prepare(path string, opts Options) (*Log, error) {
	opts.fill()
	real, err := opts.FS.Resolve(path)
	if err != nil {
		return nil, err
	}
	l := &Log{opts: opts, path: path, real: real}
	if !opts.ReadOnly {
		if l.lock, err = opts.FS.Lock(LockName(real)); err != nil {
			return nil, err
		}
	}
	return l, nil
}

// ErrExists is returned by Create if there is a file already.
var ErrExists = errors.New("file exists")

// Create makes a new log at path, which holds schema as its only record, and
// opens it. The file appears whole, with its schema on the disk, or not at all.
func Create(path string, schema []byte, opts Options) (*Log, error) {
	l, err := create(path, schema, opts)
	if err != nil {
		return nil, fmt.Errorf("create database %s: %w", path, err)
	}
	return l, nil
}

func create(path string, schema []byte, opts Options) (l *Log, err error) {
	if opts.ReadOnly {
		return nil, ErrReadOnly
	}
	l, err = prepare(path, opts)
	if err != nil {
		return nil, err
	}
	locked := l
	defer func() {
		if err != nil {
			locked.Close()
		}
	}()
	switch exists, err := l.opts.FS.Exists(l.real); {
	case err != nil:
		return nil, err
	case exists:
		return nil, ErrExists
	}
	l.replayed = true
	if err := l.Compact(Whole(schema)); err != nil {
		return nil, err
	}
	return l, nil
}

// Append writes records, JSON objects without line feeds, with one write.
// On an error none of them is in the log. Their memory is changed, and may be kept if it is short.
func (l *Log) Append(records ...[]byte) error {
	switch {
	case l.opts.ReadOnly:
		return ErrReadOnly
	case !l.replayed:
		return ErrNotReplayed
	case l.err != nil:
		return l.broken()
	}
	if err := l.append(records); err != nil {
		return fmt.Errorf("append to %s: %w", l.path, err)
	}
	return nil
}

func (l *Log) append(records [][]byte) error {
	at := l.size.Load()
	if err := l.checkEnd(at + int64(l.room)); err != nil {
		return err
	}
	if l.prev != at {
		l.habit = 0
	}
	for _, r := range records {
		if err := checkLength(int64(len(r))); err != nil {
			return err
		}
	}
	buf := l.buf[:0]
	if len(records) == 1 && len(records[0]) > maxKeptBuffer {
		buf = frame(records[0])
	} else {
		for _, r := range records {
			buf = AppendRecord(buf, r)
		}
	}
	n := len(buf)
	buf, room := l.fit(buf)
	err := writeAt(l.file, buf, at)
	if err != nil && room == roomSize { // it may be that which the disk has no space for
		if l.cut(at, err); l.err == nil {
			l.habit, room = 0, 0
			err = writeAt(l.file, buf[:n], at)
		}
	}
	if err != nil {
		l.cut(at, err)
		return err
	}
	l.prev, l.room = at, room
	l.size.Store(at + int64(n))
	l.records += len(records)
	if l.buf = buf; cap(buf) > maxKeptBuffer {
		l.buf = nil
	}
	return nil
}

// maxKeptBuffer is the most memory that stays with a Log between appends.
const maxKeptBuffer = 16 << 10

// checkEnd checks that the file ends where it should: what another program wrote behind the last
// record, or an error in counting, must not cost records that were acknowledged. If it does not,
// the log is broken.
func (l *Log) checkEnd(at int64) error {
	switch size, err := l.file.Size(); {
	case err != nil:
		return err
	case size != at:
		l.err = fmt.Errorf("the file ends at %d, not at %d: something else writes to it", size, at)
		return l.err
	}
	return nil
}

// writeAt writes all of b at off.
func writeAt(f File, b []byte, off int64) error {
	n, err := f.WriteAt(b, off)
	if err == nil && n < len(b) {
		err = io.ErrShortWrite
	}
	return err
}

// cut cuts the file off at size again, because of err. If it cannot, the log is broken.
func (l *Log) cut(size int64, err error) {
	l.room = 0
	if terr := l.file.Truncate(size); terr != nil {
		l.err = errors.Join(err, fmt.Errorf("cut off what was written: %w", terr))
	}
}

// Sync makes all records durable. If it fails, the records of the last Append
// are cut off as well as can be, and the log is broken: whether they, or those
// of earlier Appends since the last Sync, come back when the file is opened
// again is unknown.
func (l *Log) Sync() error {
	switch {
	case l.opts.ReadOnly:
		return ErrReadOnly
	case l.err != nil:
		return l.broken()
	}
	if err := l.file.Sync(); err != nil {
		err = fmt.Errorf("sync %s: %w", l.path, err)
		l.err = err
		l.cut(l.prev, err)
		l.size.Store(l.prev)
		l.cuts++
		return err
	}
	if end := l.size.Load(); l.prev != end {
		l.prev = end
		l.habit++
	}
	return nil
}

func (l *Log) broken() error { return fmt.Errorf("%s: %w: %w", l.path, ErrBroken, l.err) }

// Err returns the error that broke the log, or nil.
func (l *Log) Err() error { return l.err }

// Path returns the name under which the log was opened.
func (l *Log) Path() string { return l.path }

// Lost says whether the name of the log is no longer that of its file, as after somebody has deleted or replaced
// that: who opens the log next will not find what is written now. A compaction gives it the name again.
func (l *Log) Lost() bool {
	p, ok := l.opts.FS.(placer)
	if !ok {
		return false
	}
	named, err := p.Names(l.real, l.file)
	return err == nil && !named // what can't be asked for is not known to be lost
}

// Size returns the size of the file in bytes, without the room at its end.
func (l *Log) Size() int64 { return l.size.Load() }

// minCompactSize is the size below which a compaction is not worth while.
const minCompactSize = 10 << 20

// ShouldCompact reports whether the log has grown enough for a compaction to
// be worth while: to more than 10 MB, twice the size after the last one, with
// at least 100 records.
func (l *Log) ShouldCompact() bool {
	size := l.size.Load()
	return l.records >= 100 && size > minCompactSize && size/2 > l.base
}

// Close closes the file and gives the lock back. It does not sync. A compaction
// under way is given up.
func (l *Log) Close() error {
	var errs []error
	if l.compact != nil {
		l.compact.Abort()
	}
	if l.file != nil {
		errs = append(errs, l.giveBack(), l.file.Close())
		l.file = nil
	}
	if l.lock != nil {
		errs = append(errs, l.lock.Close())
		l.lock = nil
	}
	if l.err == nil {
		l.err = errors.New("closed")
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("close %s: %w", l.path, err)
	}
	return nil
}
