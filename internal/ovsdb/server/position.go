package server

import (
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Position says how far the file of a database is written; 0: it has none, or there is no such
// database. What a client has seen of the database was written by then.
func (s *Server) Position(name string) ovsdb.Position {
	if d := s.find(name); d != nil {
		return ovsdb.Position(d.position.Load())
	}
	return 0
}

// wrote notes that the file has one more record.
func (d *database) wrote(date time.Time) {
	d.position.Store(uint64(ovsdb.Position(d.position.Load()).After(date.UnixMilli())))
}

// snapshotDate is the date of a record that takes the place of all that are in the file: the
// file must not seem older by it. What is appended meanwhile comes behind it.
func (d *database) snapshotDate() time.Time {
	return ovsdb.Position(d.position.Load()).NextDate(time.Now())
}
