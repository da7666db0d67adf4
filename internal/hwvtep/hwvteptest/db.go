package hwvteptest

import (
	"fmt"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// DB is a database with all the rules of a server: references, indexes, and rows that
// go when nothing refers to them.
type DB struct {
	engine *db.Database
	taken  map[string]table // the tables at the last call of Changes
}

// NewDB returns an empty database with the schema of package hwvtep.
func NewDB() *DB {
	return &DB{engine: db.New(hwvtep.Schema()), taken: map[string]table{}}
}

// Transact executes tx. row tells which UUID a row has got that an Insert of tx returned
// a token for.
func (d *DB) Transact(tx *hwvtep.Txn) (row func(token hwvtep.UUID) hwvtep.UUID, err error) {
	params := append([]byte(`["`+hwvtep.Database+`",`), tx.Ops()...)
	if tx.Len() == 0 {
		params = params[:len(params)-1]
	}
	request, err := wire.Parse(append(params, ']'))
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", tx.Ops(), err)
	}
	outcome := d.engine.Transact(request, &db.Env{NoWait: true})
	reply, err := wire.Parse(outcome.Reply)
	if err != nil {
		return nil, fmt.Errorf("parse %s: %w", outcome.Reply, err)
	}
	for result := range reply.Elems() {
		if failure, failed := ovsdb.ParseError(result); failed {
			return nil, failure
		}
	}
	return func(token hwvtep.UUID) hwvtep.UUID {
		op, ok := tx.OpOf(token)
		if !ok {
			return token
		}
		id, _ := ovsdb.ParseUUID(reply.Index(op).Get("uuid").Index(1).Str())
		return id
	}, nil
}

func (d *DB) copy() map[string]table {
	tables := map[string]table{}
	for _, t := range d.engine.Tables() {
		rows := table{}
		for row := range t.All() {
			rows[row.UUID] = row
		}
		tables[t.Schema().Name] = rows
	}
	return tables
}

// View shows the rows as they are now: later changes do not show in it.
func (d *DB) View() *hwvtep.View {
	return hwvtep.NewView(snapshot{d.engine.Schema(), d.copy()})
}

// Changes shows what changed since the call before, or since NewDB.
func (d *DB) Changes() hwvtep.Changes {
	now := d.copy()
	changes := delta{before: d.taken, after: now}
	d.taken = now
	return hwvtep.NewChanges(hwvtep.NewLayout(d.engine.Schema()), changes)
}
