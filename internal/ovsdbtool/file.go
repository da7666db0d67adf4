package ovsdbtool

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func reason(err error) string { return stream.Reason(err) }

// openError words why a database file cannot be used as the C tool does.
func openError(path string, err error) error {
	var e *os.PathError
	switch {
	case errors.Is(err, storage.ErrLocked):
		return &ovsdb.Error{Tag: "I/O error", Details: path + ": failed to lock lockfile", IOError: "Resource temporarily unavailable"}
	case errors.Is(err, storage.ErrClustered):
		return ovsdb.NewError("", "%s: cannot apply this operation to clustered database file", path)
	case errors.Is(err, storage.ErrUnidentified):
		return ovsdb.NewError("", "%s: cannot identify file type", path)
	case errors.Is(err, storage.ErrNotOVSDB):
		return ovsdb.NewError("", "%s: unexpected file format", path)
	case errors.Is(err, syscall.EISDIR):
		return ioError(err, "%s: read error", path)
	case errors.As(err, &e):
		return ioError(err, "%s: open failed", path)
	}
	return err
}

// open opens a database file; only with write may it be changed, and is locked.
func open(path string, write bool) (*storage.Log, error) {
	l, err := storage.Open(path, storage.Options{ReadOnly: !write})
	if err != nil {
		return nil, openError(path, err)
	}
	return l, nil
}

// replay gives the parsed records of an open file to apply, in order: the schema, then the
// transactions. Damage is an error.
func replay(path string, l *storage.Log, apply func(n int, record wire.Value) error) error {
	n := 0
	recovery, err := l.Replay(parsed(&n, apply))
	switch {
	case err != nil:
		return err
	case recovery != nil:
		return damaged(path, recovery.Reason)
	case n == 0:
		return empty(path)
	}
	return nil
}

// parsed gives the records of a file, of which n came before, to apply.
func parsed(n *int, apply func(n int, record wire.Value) error) func([]byte) error {
	return func(record []byte) error {
		v, err := wire.Parse(record)
		if err != nil {
			return err
		}
		*n++
		return apply(*n-1, v)
	}
}

func empty(path string) error { return ovsdb.NewError("", "%s: the file is empty", path) }

func damaged(path string, reason error) error {
	return ovsdb.NewError("syntax error", "%s: %v", path, reason)
}

// load reads the whole database. A file that is opened for writing has been found whole
// before, because reading it cuts off what is damaged.
func load(path string, l *storage.Log) (*db.Database, error) {
	var loader db.Loader
	recovery, err := l.ReplayPrepared(loader.Prepare)
	switch {
	case err != nil:
		return nil, err
	case recovery != nil:
		return nil, damaged(path, recovery.Reason)
	case loader.Database() == nil:
		return nil, empty(path)
	}
	return loader.Database(), nil
}

// ReadDatabase reads the database in the file at path, and refuses it when it is damaged.
func ReadDatabase(path string) (*db.Database, error) { return ReadNamed(path, path) }

// ReadNamed reads the file at path, which messages call name.
func ReadNamed(name, path string) (*db.Database, error) {
	l, err := storage.Open(path, storage.Options{ReadOnly: true})
	if err != nil {
		return nil, openError(name, err)
	}
	defer l.Close()
	return load(name, l)
}

// edit opens the database at path to change it. The caller closes the log.
func edit(path string) (*db.Database, *storage.Log, error) {
	l, err := open(path, true)
	if err != nil {
		return nil, nil, err
	}
	// Under the lock nobody writes: what is whole now still is when it is read again.
	if _, err := ReadDatabase(path); err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	d, err := load(path, l)
	if err != nil {
		return nil, nil, errors.Join(err, l.Close())
	}
	return d, l, nil
}

// errFound ends the reading of a file early.
var errFound = errors.New("found")

// fileSchema reads the schema of the database at path.
func fileSchema(path string) (*ovsdb.DatabaseSchema, error) {
	l, err := open(path, false)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	var schema *ovsdb.DatabaseSchema
	err = replay(path, l, func(_ int, record wire.Value) error {
		if schema, err = ovsdb.ParseSchema(record); err != nil {
			return err
		}
		return errFound
	})
	if schema != nil {
		return schema, nil
	}
	return nil, err
}

// ReadSchema reads the schema in the file at path.
func ReadSchema(path string) (*ovsdb.DatabaseSchema, error) {
	unreadable := func(why string) error {
		return fmt.Errorf("failed to read schema: %q could not be read as JSON (%s)", path, why)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, unreadable(fmt.Sprintf("error opening %q: %s", path, reason(err)))
	}
	v, err := wire.Parse(text)
	if err != nil {
		return nil, unreadable(err.Error())
	}
	schema, err := ovsdb.ParseSchema(v)
	if err != nil {
		return nil, fmt.Errorf("failed to parse %q as ovsdb schema: %w", path, err)
	}
	return schema, nil
}
