package db

import (
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Loader makes a database of the records of a file, in order: the schema, then transactions.
type Loader struct {
	// ParseSchema makes a schema of the first record; nil: ovsdb.ParseSchema.
	ParseSchema func(wire.Value) (*ovsdb.DatabaseSchema, error)

	database *Database
	position ovsdb.Position
}

// Database returns the database, nil before the first record.
func (l *Loader) Database() *Database { return l.database }

// Position says how far the file has been read.
func (l *Loader) Position() ovsdb.Position { return l.position }

// largeRecord is the size from which on a record may be worth more than one processor.
const largeRecord = 64 << 10

// Prepare reads a record, as storage.Prepare does.
func (l *Loader) Prepare(record []byte) (apply func() error, err error) {
	if l.database != nil && len(record) >= largeRecord {
		if p := l.database.Prepare(record); p != nil {
			return func() error { return l.replayed(l.database.ReplayPrepared(p), p.Date()) }, nil
		}
	}
	v, err := wire.Parse(record)
	if err != nil {
		return nil, err
	}
	return func() error {
		if l.database != nil {
			return l.replayed(l.database.ReplayRecord(v), v.Get("_date").Int())
		}
		parse := l.ParseSchema
		if parse == nil {
			parse = ovsdb.ParseSchema
		}
		schema, err := parse(v)
		if err == nil {
			l.database = New(schema)
		}
		return err
	}, nil
}

func (l *Loader) replayed(err error, date int64) error {
	if err == nil {
		l.position = l.position.After(date)
	}
	return err
}
