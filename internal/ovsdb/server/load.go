package server

import (
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/trim"
)

// load reads a log into a database, and says how far it is written.
func (s *Server) load(path string, file *storage.Log) (*db.Database, ovsdb.Position, error) {
	// Nearly all that is allocated here stays: looking for garbage as often as usual would take
	// a good part of the time.
	defer trim.Slow(400)()
	loader := db.Loader{ParseSchema: ovsdb.SharedSchema}
	recovery, err := file.ReplayPrepared(loader.Prepare)
	if err != nil {
		return nil, 0, err
	}
	if loader.Database() == nil {
		return nil, 0, fmt.Errorf("%s: the file is empty", path)
	}
	s.trim.Note(int(file.Size())) // its records were in memory
	if recovery != nil {
		s.log.Error("syntax error: " + path + ": " + recovery.Reason.Error())
		s.log.Error(path + ": the file is damaged: " + recovery.String())
		s.mu.Lock()
		s.damage[path] = recovery
		s.mu.Unlock()
	}
	return loader.Database(), loader.Position(), nil
}
