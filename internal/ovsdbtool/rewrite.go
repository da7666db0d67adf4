package ovsdbtool

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
)

// create makes an empty database.
func (t *tool) create(args []string) error {
	schema, err := ReadSchema(word(args, 1, t.Schema))
	if err != nil {
		return err
	}
	path := word(args, 0, t.DB)
	l, err := storage.Create(path, schema.AppendJSON(nil), storage.Options{})
	switch {
	case errors.Is(err, storage.ErrExists):
		return &ovsdb.Error{Tag: "I/O error", Details: path + ": create failed", IOError: "File exists"}
	case errors.Is(err, storage.ErrLocked):
		return openError(path, err)
	case errors.Is(err, os.ErrNotExist): // the directory
		return ioError(err, "%s: failed to lock lockfile", path)
	case err != nil:
		return ioError(err, "%s: create failed", path)
	}
	return l.Close()
}

func (t *tool) compact(args []string) error {
	return t.rewrite(word(args, 0, t.DB), word(args, 1, ""), nil, "compacted by ovsdb-tool (vtep) "+t.Version)
}

func (t *tool) convert(args []string) error {
	schema, err := ReadSchema(word(args, 1, t.Schema))
	if err != nil {
		return err
	}
	return t.rewrite(word(args, 0, t.DB), word(args, 2, ""), schema, "converted by ovsdb-tool (vtep) "+t.Version)
}

// rewrite writes the content of the database at src as one record: in place, or to dst if that
// is not empty. With a schema it is converted.
func (t *tool) rewrite(src, dst string, schema *ovsdb.DatabaseSchema, comment string) error {
	if dst != "" {
		d, err := ReadDatabase(src)
		if err != nil {
			return err
		}
		return t.writeNew(d, dst, schema, comment)
	}
	d, l, err := edit(src)
	if errors.Is(err, storage.ErrLocked) {
		return fmt.Errorf("%s: failed to lock lockfile (Resource temporarily unavailable)", src)
	}
	if err != nil {
		return err
	}
	return errors.Join(t.writeTo(l, d, schema, comment), l.Close())
}

// writeTo makes what is in l the database d.
func (t *tool) writeTo(l *storage.Log, d *db.Database, schema *ovsdb.DatabaseSchema, comment string) error {
	if schema != nil {
		var err error
		if d, err = d.Convert(schema); err != nil {
			return err
		}
	}
	return l.Compact(d.Snapshot().Records(comment, t.Now())...)
}

// writeNew puts d into a file of its own, under the lock of that file. One that exists is
// replaced at the end, whole.
func (t *tool) writeNew(d *db.Database, name string, schema *ovsdb.DatabaseSchema, comment string) error {
	path, err := storage.OS.Resolve(name)
	if err != nil {
		return ioError(err, "%s: create failed", name)
	}
	lock, err := storage.OS.Lock(storage.LockName(path))
	switch {
	case errors.Is(err, os.ErrNotExist): // the directory
		return fmt.Errorf("%s: failed to lock lockfile (%s)", name, reason(err))
	case err != nil:
		return openError(name, err)
	}
	defer lock.Close()
	if err := replaceable(name, path); err != nil {
		return err
	}
	temporary := path + ".tmp"
	defer os.Remove(storage.LockName(temporary))
	if err := storage.OS.Remove(temporary); err != nil {
		return ioError(err, "%s: create failed", temporary)
	}
	l, err := storage.Create(temporary, d.Schema().AppendJSON(nil), storage.Options{})
	if err != nil {
		return ioError(err, "%s: create failed", temporary)
	}
	err = errors.Join(t.writeTo(l, d, schema, comment), l.Close())
	if err == nil {
		err = storage.OS.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, storage.OS.Remove(temporary))
	}
	return storage.OS.SyncDir(path)
}

// replaceable says why the file at path, which was named so, is not to be replaced: one that is no database was not meant.
func replaceable(name, path string) error {
	unexpected := ovsdb.NewError("", "%s: unexpected file format", name)
	fi, err := os.Stat(path)
	switch {
	case errors.Is(err, os.ErrNotExist), err == nil && fi.Mode().IsRegular() && fi.Size() == 0:
		return nil
	case err == nil && fi.IsDir():
		err = syscall.EISDIR
	case err == nil && !fi.Mode().IsRegular():
		return unexpected
	}
	if err != nil {
		return ioError(err, "%s: create or open failed", name)
	}
	l, err := storage.Open(path, storage.Options{ReadOnly: true})
	switch {
	case errors.Is(err, storage.ErrClustered):
		return unexpected
	case err != nil:
		return openError(name, err)
	}
	return l.Close()
}
