package server

import (
	"fmt"
	"runtime/debug"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// loading is held while the collector runs at the pace of load.
var loading sync.Mutex

// largeRecord is the size from which on a record may be worth more than one processor.
const largeRecord = 64 << 10

// load reads a log into a database, and says how far it is written.
func (s *Server) load(path string, file *storage.Log) (*db.Database, ovsdb.Position, error) {
	// Nearly all that is allocated here stays: looking for garbage as often as usual would take
	// a good part of the time.
	loading.Lock()
	defer loading.Unlock()
	defer debug.SetGCPercent(debug.SetGCPercent(400))
	var d *db.Database
	var position ovsdb.Position
	recovery, err := file.ReplayPrepared(func(record []byte) (func() error, error) {
		if d != nil && len(record) >= largeRecord {
			if p := d.Prepare(record); p != nil {
				return func() error {
					if err := d.ReplayPrepared(p); err != nil {
						return err
					}
					position = position.After(p.Date())
					return nil
				}, nil
			}
		}
		v, err := wire.Parse(record)
		if err != nil {
			return nil, err
		}
		return func() error {
			if d != nil {
				if err := d.ReplayRecord(v); err != nil {
					return err
				}
				position = position.After(v.Get("_date").Int())
				return nil
			}
			schema, err := ovsdb.SharedSchema(v)
			if err == nil {
				d = db.New(schema)
			}
			return err
		}, nil
	})
	if err != nil {
		return nil, 0, err
	}
	if d == nil {
		return nil, 0, fmt.Errorf("%s: the file is empty", path)
	}
	if recovery != nil {
		s.log.Error("syntax error: " + path + ": " + recovery.Reason.Error())
		s.log.Error(path + ": the file is damaged: " + recovery.String())
		s.mu.Lock()
		s.damage[path] = recovery
		s.mu.Unlock()
	}
	return d, position, nil
}
