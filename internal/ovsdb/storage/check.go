package storage

import "fmt"

// Check reads the file at path without a lock and without a change. prepare, if
// not nil, judges the content of each record. It returns an error if the file is
// no OVSDB file, is damaged, or holds a record that is refused.
func Check(path string, fs FS, prepare Prepare) error {
	l, err := Open(path, Options{FS: fs, ReadOnly: true})
	if err != nil {
		return err
	}
	defer l.Close()
	if prepare == nil {
		prepare = func([]byte) (func() error, error) { return func() error { return nil }, nil }
	}
	r, err := l.ReplayPrepared(prepare)
	if err != nil {
		return err
	}
	if r != nil {
		return fmt.Errorf("damaged at offset %d, from where on %d bytes are lost: %w", r.Offset, r.Cut, r.Reason)
	}
	return nil
}
