package storage

import (
	"errors"
	"fmt"
)

// Compaction replaces the content of a log by a shorter one that means the same.
//
//	StartCompact    the owner, who takes a snapshot of the database with it
//	Write           any goroutine: the snapshot goes to PATH.tmp, and most of
//	                what the log receives meanwhile after it
//	Finish          the owner: the rest is copied, the file synced and renamed
//	Close           any goroutine: the old file goes
//
// Until the rename the log is as it was, whatever fails.
type Compaction struct {
	log  *Log
	cuts int    // log.cuts at the start
	tmp  string // name of the new file
	buf  []byte // where Write and Finish collect and copy

	file    File
	size    int64 // of the new file
	flushed int64 // the new file up to here has been handed to the disk
	base    int64 // of that, the snapshot
	copied  int64 // the log up to here is in the new file
	records int   // log.records at the start
	written bool  // Write has succeeded
	old     File  // that has been replaced, and has no name any more; nil: none
}

// StartCompact begins a compaction. What is in the log by now is what Write has
// to write.
func (l *Log) StartCompact() (*Compaction, error) {
	switch {
	case l.opts.ReadOnly:
		return nil, ErrReadOnly
	case !l.replayed:
		return nil, ErrNotReplayed
	case l.lock == nil:
		return nil, fmt.Errorf("compact %s: log is closed", l.path)
	case l.compact != nil:
		return nil, fmt.Errorf("compact %s: already under way", l.path)
	}
	l.compact = &Compaction{
		log:     l,
		cuts:    l.cuts,
		tmp:     l.real + ".tmp",
		copied:  l.size.Load(),
		records: l.records,
	}
	return l.compact, nil
}

// Write writes the records: the schema, then what makes the state at StartCompact.
func (c *Compaction) Write(records ...Record) error {
	if err := c.write(records); err != nil {
		return fmt.Errorf("compact %s: %w", c.log.path, err)
	}
	return nil
}

func (c *Compaction) write(records []Record) (err error) {
	fs := c.log.opts.FS
	if err := fs.Remove(c.tmp); err != nil {
		return err
	}
	if c.file, err = fs.Create(c.tmp); err != nil {
		return err
	}
	for _, record := range records {
		if err := c.add(record); err != nil {
			return err
		}
	}
	c.base = c.size
	c.buf = make([]byte, copyBuffer)
	if err := c.catchUp(smallTail); err != nil {
		return err
	}
	// Nearly everything is synced here, so that the sync in Finish is short.
	if err := c.file.Sync(); err != nil {
		return err
	}
	c.written = true
	return nil
}

// add writes a record.
func (c *Compaction) add(record Record) error {
	head, n := appendHeader(c.buf[:0], record)
	c.buf = head
	if err := checkLength(n); err != nil {
		return err
	}
	if err := c.put(head); err != nil {
		return err
	}
	end := c.size + n
	for part := range record {
		if err := c.put(part); err != nil {
			return err
		}
	}
	if c.size != end {
		return fmt.Errorf("a record of %d bytes has become one of %d", n, n+c.size-end)
	}
	return c.put([]byte{'\n'})
}

// writeBehind is how much of the new file may wait to be written: what is synced for a
// transaction meanwhile should not have to wait for much of it.
const writeBehind = 2 << 20

// put writes b behind what is in the new file.
func (c *Compaction) put(b []byte) error {
	if err := writeAt(c.file, b, c.size); err != nil {
		return err
	}
	c.size += int64(len(b))
	if n := c.size - c.flushed; n >= writeBehind {
		if f, ok := c.file.(flusher); ok {
			if err := f.Flush(c.flushed, n); err != nil {
				return err
			}
		}
		c.flushed = c.size
	}
	return nil
}

// flusher is a File that can have a part of it written to the disk without what Sync does beside.
type flusher interface {
	Flush(off, n int64) error
}

// smallTail is how much of the log Write leaves to Finish.
const smallTail = 64 << 10

// catchUp copies what the log has received since, until less than left is missing.
func (c *Compaction) catchUp(left int64) error {
	for {
		end := c.log.size.Load()
		n := end - c.copied
		if n <= 0 || n < left {
			return nil
		}
		if err := copyRange(c.file, c.size, c.log.file, c.copied, n, c.buf); err != nil {
			return err
		}
		c.size += n
		c.copied = end
	}
}

// Finish ends the compaction. On success the log is the new file, all of it
// durable, and a broken log is whole again.
func (c *Compaction) Finish() error {
	l := c.log
	if l.compact != c {
		return fmt.Errorf("compact %s: no longer under way", l.path)
	}
	replaced, err := c.finish()
	if !replaced {
		c.Abort()
	}
	if err != nil {
		err = fmt.Errorf("compact %s: %w", l.path, err)
		if replaced {
			l.err = err
		}
		return err
	}
	return nil
}

// finish reports, besides its error, whether the log is the new file.
func (c *Compaction) finish() (replaced bool, err error) {
	l := c.log
	switch {
	case !c.written:
		return false, errors.New("the new file has not been written")
	case l.cuts != c.cuts:
		return false, errors.New("the log lost records meanwhile")
	}
	if err := c.catchUp(0); err != nil {
		return false, err
	}
	if err := c.file.Sync(); err != nil {
		return false, err
	}
	if err := l.opts.FS.Rename(c.tmp, l.real); err != nil {
		return false, err
	}
	c.old = l.file
	l.file, l.err, l.compact = c.file, nil, nil
	l.size.Store(c.size)
	l.prev, l.base, l.room = c.size, c.base, 0
	l.records -= c.records
	// If this fails, a power cut could bring the old file back, without
	// anything that is appended from now on.
	return true, l.opts.FS.SyncDir(l.real)
}

// Close closes the file that Finish has replaced, which may take a while if that was large: any
// goroutine may do it, once.
func (c *Compaction) Close() {
	if c.old != nil {
		c.old.Close() // an error concerns nobody
		c.old = nil
	}
}

// Abort gives the compaction up and removes the new file. Write must not be
// running. After Finish it does nothing.
func (c *Compaction) Abort() {
	if c.log.compact != c {
		return
	}
	c.log.compact = nil
	if c.file != nil {
		c.file.Close()
		c.log.opts.FS.Remove(c.tmp) // Write removes what is left here, too
	}
}

// Compact replaces the content of the log by records, at once. It also serves
// to change the schema.
func (l *Log) Compact(records ...Record) error {
	c, err := l.StartCompact()
	if err != nil {
		return err
	}
	if err := c.Write(records...); err != nil {
		c.Abort()
		return err
	}
	defer c.Close()
	return c.Finish()
}
