package storage

import "fmt"

// Check reads the file at path without a lock and without a change. apply, if
// not nil, judges the content of each record. It returns an error if the file is
// no OVSDB file, is damaged, or holds a record that apply refuses.
func Check(path string, fs FS, apply func(record []byte) error) error {
	l, err := Open(path, Options{FS: fs, ReadOnly: true})
	if err != nil {
		return err
	}
	defer l.Close()
	if apply == nil {
		apply = func([]byte) error { return nil }
	}
	r, err := l.Replay(apply)
	if err != nil {
		return err
	}
	if r != nil {
		return fmt.Errorf("damaged at offset %d, from where on %d bytes are lost: %w", r.Offset, r.Cut, r.Reason)
	}
	return nil
}
