package idl

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A server tells about its databases in the database _Server. What counts there is
// whether it is fit to serve: a member of a cluster may be cut off from the others.

// serverTables is what is replicated of _Server.
var serverTables = map[string][]string{"Database": {"name", "model", "connected", "leader"}}

func (s *session) gotServerSchema(result wire.Value, refused *jsonrpc.RemoteError) error {
	if refused != nil {
		return s.requestSchema() // of a time before _Server
	}
	schema, err := ovsdb.ParseSchema(result)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", serverDatabase, err)
	}
	p := newPlan(schema, serverTables)
	params := append(appendMonitor(nil, serverDatabase, p), ']')
	return s.call(version(2).method(), params, func(result wire.Value, refused *jsonrpc.RemoteError) error {
		if refused != nil {
			return s.requestSchema()
		}
		s.server = newSnapshot(p)
		if err := s.serverUpdated(result); err != nil {
			return err
		}
		return s.requestSchema()
	})
}

// serverUpdated applies an update of _Server, and gives up a server that is not fit.
func (s *session) serverUpdated(updates wire.Value) error {
	d := newDraft(s.server)
	if err := d.apply(updates, 2); err != nil {
		return fmt.Errorf("database %s: %w", serverDatabase, err)
	}
	s.server = d.publish()
	for row := range s.server.Table("Database").All() {
		if field(s.server, row, "name", ovsdb.String).Str() == s.client.opts.Database {
			return s.checkServer(row)
		}
	}
	return fmt.Errorf("server does not have database %s", s.client.opts.Database)
}

func (s *session) checkServer(row *ovsdb.Row) error {
	model := field(s.server, row, "model", ovsdb.String).Str()
	if model != "clustered" && model != "relay" {
		return nil
	}
	if !field(s.server, row, "connected", ovsdb.Boolean).Bool() {
		return fmt.Errorf("%s database server is disconnected from the others", model)
	}
	if s.client.opts.LeaderOnly && !field(s.server, row, "leader", ovsdb.Boolean).Bool() {
		return errors.New("database server is not the leader of its cluster")
	}
	return nil
}

// field returns the first element of a column of Database, or the zero Atom.
func field(s *Snapshot, row *ovsdb.Row, name string, t ovsdb.AtomicType) ovsdb.Atom {
	c := s.Schema().Tables["Database"].Column(name)
	if c == nil || c.Index < 0 || c.Type.Key.Type != t || row.Fields[c.Index].IsEmpty() {
		return ovsdb.Atom{}
	}
	return row.Fields[c.Index].Key(0)
}
