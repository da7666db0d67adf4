package server

import (
	_ "embed"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// catalogName is the database that tells clients which databases there are.
const catalogName = "_Server"

//go:embed server.ovsschema
var catalogSchema []byte

func newCatalog(srv *Server) (*database, error) {
	v, err := wire.Parse(catalogSchema)
	if err != nil {
		return nil, fmt.Errorf("parse the schema of %s: %w", catalogName, err)
	}
	schema, err := ovsdb.SharedSchema(v)
	if err != nil {
		return nil, fmt.Errorf("parse the schema of %s: %w", catalogName, err)
	}
	d := newDatabase(srv, "", nil, db.New(schema))
	d.readOnly = true
	return d, nil
}

// catalogAdd appends the operation that enters d into the catalog.
func catalogAdd(dst []byte, d *database) []byte {
	dst = append(dst, `{"op":"insert","table":"Database","row":{"name":`...)
	dst = wire.AppendString(dst, d.name)
	return append(d.appendState(append(dst, ',')), `}}`...)
}

// appendState appends the columns that say how a database is served.
func (d *database) appendState(dst []byte) []byte {
	if d.relay {
		dst = wire.AppendBool(append(dst, `"model":"relay","leader":false,"connected":`...), d.connected.Load())
	} else {
		dst = append(dst, `"model":"standalone","leader":true,"connected":true`...)
	}
	if schema := d.schemaJSON(); schema != nil {
		dst = wire.AppendString(append(dst, `,"schema":`...), string(schema))
	}
	return dst
}

// catalogUpdate appends the operation that enters the new schema or state of d.
func catalogUpdate(dst []byte, d *database) []byte {
	dst = append(dst, `{"op":"update","table":"Database","where":[["name","==",`...)
	dst = wire.AppendString(dst, d.name)
	return append(d.appendState(append(dst, `]],"row":{`...)), `}}`...)
}

// catalogRemove appends the operation that takes d off the catalog.
func catalogRemove(dst []byte, d *database) []byte {
	dst = append(dst, `{"op":"delete","table":"Database","where":[["name","==",`...)
	dst = wire.AppendString(dst, d.name)
	return append(dst, `]]}`...)
}

// internal executes operations of the server itself: it may change what clients may not.
// ops are JSON, without the brackets. done is told how it ended; it may be nil.
func (d *database) internal(ops []byte, done func(error)) {
	params := append(wire.AppendString([]byte{'['}, d.name), ',')
	params = append(append(params, ops...), ']')
	run := func(b *batch) {
		err := d.executeInternal(params, b, done)
		if err != nil && done != nil {
			done(err)
		} else if err != nil {
			d.log.Warn("an update by the server itself failed", "err", err)
		}
	}
	if !d.queue.put(job{run: run}) && done != nil {
		done(errRemoved)
	}
}

func (d *database) executeInternal(params []byte, b *batch, done func(error)) error {
	v, err := wire.Parse(params)
	if err != nil {
		return err
	}
	result := d.db.Transact(v, &db.Env{Internal: true, NoWait: true})
	if result.Failed {
		return fmt.Errorf("transaction failed: %s", result.Reply)
	}
	b.add(outcome{results: result.Reply, changes: result.Changes, done: done})
	return nil
}
