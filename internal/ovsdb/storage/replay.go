package storage

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Recovery tells what Replay cut off a damaged file.
type Recovery struct {
	Offset  int64  // where the damage begins: the new size of the file
	Cut     int64  // bytes from there on
	Reason  error  // what was found there
	SavedAs string // the file that keeps the cut bytes; "": there is none
	Unsaved error  // why there is none
}

func (r *Recovery) String() string {
	if r.Unsaved != nil {
		return fmt.Sprintf("%d bytes from offset %d on, an incomplete record, were cut off (and not kept: %v): %v", r.Cut, r.Offset, r.Unsaved, r.Reason)
	}
	return fmt.Sprintf("%d bytes from offset %d on were cut off and kept in %s: %v", r.Cut, r.Offset, r.SavedAs, r.Reason)
}

// Prepare looks at a record, which may still turn out to be corrupt, and returns
// what applies it. It changes nothing that matters by itself. The record belongs to it.
type Prepare func(record []byte) (apply func() error, err error)

// Replay calls apply for each record in order; the first is the schema. A
// record belongs to apply. The log ends where the file is damaged, or at a record
// other than the first that apply refuses: what follows is cut off, and the
// Recovery says so. A read-only log is not cut, but the Recovery, without
// SavedAs, tells what would be.
//
// An error means that the file could not be read, or kept in order, or that
// its first record is bad; nothing has been cut then.
func (l *Log) Replay(apply func(record []byte) error) (*Recovery, error) {
	return l.ReplayPrepared(func(record []byte) (func() error, error) {
		return func() error { return apply(record) }, nil
	})
}

// ReplayPrepared is Replay, with the part of the work on large records that prepare does
// beside the reading of them.
func (l *Log) ReplayPrepared(prepare Prepare) (*Recovery, error) {
	r, err := l.replay(prepare)
	if err != nil {
		return nil, fmt.Errorf("read database %s: %w", l.path, err)
	}
	return r, nil
}

// rereads is how often the end of a file that is only read is read anew, if it is damaged.
const rereads = 3

func (l *Log) replay(prepare Prepare) (*Recovery, error) {
	if l.replayed {
		return nil, errors.New("it was read before")
	}
	s, err := newScanner(l.file)
	if err != nil {
		return nil, err
	}
	reason, err := s.run(prepare, func() { l.grow(s) })
	// Who writes a file that is only read here may have written into room of which the beginning had been read.
	for n := 0; n < rereads && l.opts.ReadOnly && err == nil && reason != nil && s.off == l.size.Load(); n++ {
		if err = s.again(l.file); err == nil {
			reason, err = s.run(prepare, func() { l.grow(s) })
		}
	}
	if err != nil {
		return nil, err
	}
	l.replayed = true
	l.prev, l.room = l.size.Load(), s.room
	if reason == nil {
		return nil, nil
	}
	r := &Recovery{Offset: l.prev, Cut: s.size - l.prev, Reason: reason}
	written, err := l.written(r)
	switch {
	case err != nil:
	case l.opts.ReadOnly && written > 0:
		return r, nil
	case l.opts.ReadOnly:
		return nil, nil
	case written == 0:
		r = nil
		err = l.truncate(l.prev)
	default:
		err = l.cutOff(r, written)
	}
	if err != nil {
		l.replayed = false
		return nil, err
	}
	return r, nil
}

// truncate cuts the damaged end of the file off, for good.
func (l *Log) truncate(size int64) error {
	if err := l.file.Truncate(size); err != nil {
		return fmt.Errorf("cut off damaged end of file: %w", err)
	}
	return l.file.Sync()
}

// grow counts the record that s has read last as good.
func (l *Log) grow(s *scanner) {
	l.size.Store(s.off)
	if s.n <= 2 {
		l.base = s.off // the schema, and the snapshot that a compaction wrote
	} else {
		l.records++
	}
}

// run has every record applied, and calls good for those that are accepted. It
// returns the reason why it ended before the end of the file, or an error.
func (s *scanner) run(prepare Prepare, good func()) (reason, err error) {
	for {
		apply, refused, err := s.next(prepare)
		var d damage
		switch {
		case errors.Is(err, io.EOF):
			return nil, nil
		case errors.As(err, &d) && s.n > 0:
			return d.error, nil
		case err != nil:
			return nil, err
		}
		if refused == nil {
			refused = apply()
		}
		if refused != nil {
			if s.n == 1 {
				return nil, refused
			}
			return fmt.Errorf("record at offset %d: %w", s.prev, refused), nil
		}
		good()
	}
}

// cutOff keeps the bytes that r names in a file of their own, then cuts them off. The first so many of them have been
// written.
func (l *Log) cutOff(r *Recovery, written int64) error {
	name := l.real + ".corrupt." + l.opts.Now().UTC().Format("20060102T150405Z")
	free := name
	for i := 1; ; i++ {
		exists, err := l.opts.FS.Exists(free)
		if err != nil {
			return err
		}
		if !exists {
			break
		}
		free = fmt.Sprintf("%s.%d", name, i)
	}
	if err := l.keep(free, r); err == nil {
		r.SavedAs = free
	} else if torn, terr := l.torn(r, written); terr != nil || !torn {
		return fmt.Errorf("keep damaged end of file in %s, which needs room for %d bytes: %w", free, r.Cut, errors.Join(err, terr))
	} else {
		r.Unsaved = err
	}
	return l.truncate(r.Offset)
}

// torn says whether what is cut off is one incomplete record, as a write leaves it that was
// interrupted: nobody was told that it is there. Records behind it might be of value.
func (l *Log) torn(r *Recovery, written int64) (bool, error) {
	first := make([]byte, min(maxHeader, written))
	if n, err := l.file.ReadAt(first, r.Offset); n < len(first) {
		return false, noEOF(err)
	}
	if i := bytes.IndexByte(first, '\n'); i >= 0 {
		if h, ok := parseHeader(string(first[:i+1])); ok && h.length <= written-int64(i+1) {
			return false, nil // all of it is there, but something happened to it
		}
	}
	next := []byte("\nOVSDB ")
	buf := make([]byte, copyBuffer)
	kept := 0 // of the bytes before, which may hold the beginning of next
	for off := r.Offset; off < r.Offset+written; {
		want := buf[kept : kept+int(min(int64(len(buf)-kept), r.Offset+written-off))]
		if n, err := l.file.ReadAt(want, off); n < len(want) {
			return false, noEOF(err)
		}
		off += int64(len(want))
		have := buf[:kept+len(want)]
		if bytes.Contains(have, next) {
			return false, nil
		}
		kept = copy(buf, have[max(0, len(have)-len(next)+1):])
	}
	return true, nil
}

func (l *Log) keep(name string, r *Recovery) (err error) {
	f, err := l.opts.FS.Create(name)
	if err != nil {
		return err
	}
	err = copyRange(f, 0, l.file, r.Offset, r.Cut, make([]byte, copyBuffer))
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err == nil {
		err = l.opts.FS.SyncDir(name)
	}
	if err != nil {
		l.opts.FS.Remove(name) // it is of no use, and the next attempt needs the room
	}
	return err
}

const copyBuffer = 256 << 10

// copyRange copies n bytes of src at from to dst at to.
func copyRange(dst io.WriterAt, to int64, src io.ReaderAt, from, n int64, buf []byte) error {
	for n > 0 {
		b := buf[:min(n, int64(len(buf)))]
		if m, err := src.ReadAt(b, from); m < len(b) {
			return noEOF(err)
		}
		m, err := dst.WriteAt(b, to)
		if err == nil && m < len(b) {
			err = io.ErrShortWrite
		}
		if err != nil {
			return err
		}
		from, to, n = from+int64(m), to+int64(m), n-int64(m)
	}
	return nil
}
