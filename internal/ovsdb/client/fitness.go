package client

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A server tells about its databases in the database _Server. What counts there is
// whether it is fit to serve: a member of a cluster may be cut off from the others.

// ErrSelf is why a session ends that came out at the very server that must not be followed.
var ErrSelf = errors.New("the server is this one itself")

// UnfitError says why a server was left or is not used although it answers.
type UnfitError string

func (e UnfitError) Error() string { return string(e) }

// database is what _Server says of one: what counts of a row.
type database struct {
	name, model       string
	connected, leader bool
	cluster           string // UUID
	index             int64  // of the last log entry of a cluster that the member has
}

// catalog is the table Database of _Server, by the UUIDs of the rows.
type catalog map[string]database

// catalogColumns are the columns that are asked for, as far as the server has them.
var catalogColumns = []string{"name", "model", "connected", "leader", "cid", "index"}

// apply applies <table-updates2>.
func (c catalog) apply(updates wire.Value) error {
	if updates.Kind() != wire.Object {
		return fmt.Errorf("table updates are %s, not an object", updates.Kind())
	}
	for id, update := range updates.Get("Database").Members() {
		for kind, columns := range update.Members() {
			var d database
			switch kind {
			case "modify":
				d = c[id]
			case "delete":
				delete(c, id)
				continue
			}
			if columns.Kind() != wire.Object {
				return fmt.Errorf("row %s: columns are %s, not an object", id, columns.Kind())
			}
			d.set(columns)
			c[id] = d
		}
	}
	return nil
}

// set takes over the columns given. They hold one value at most, so that even a difference is
// the new value.
func (d *database) set(columns wire.Value) {
	for name, v := range columns.Members() {
		switch name {
		case "name":
			d.name = string([]byte(v.Str()))
		case "model":
			d.model = string([]byte(v.Str()))
		case "connected":
			d.connected = v.Bool()
		case "leader":
			d.leader = v.Bool()
		case "cid":
			d.cluster = ""
			if v.Index(0).Str() == "uuid" {
				d.cluster = string([]byte(v.Index(1).Str()))
			}
		case "index":
			d.index = v.Int() // of an empty set 0
		}
	}
}

func (s *Session) gotServerSchema(result wire.Value, refused *jsonrpc.RemoteError) error {
	if refused != nil {
		return s.use() // of a time before _Server
	}
	schema, err := ovsdb.SharedSchema(result)
	if err != nil {
		return fmt.Errorf("schema of %s: %w", serverDatabase, err)
	}
	var have []string
	for _, name := range catalogColumns {
		if t := schema.Tables["Database"]; t != nil && t.Column(name) != nil {
			have = append(have, name)
		}
	}
	params := []byte(`["_Server","_Server",{"Database":[{"columns":`)
	params = append(appendParams(params, have...), `}]}]`...)
	return s.Go(Version(2).Method(), params, func(result wire.Value, refused *jsonrpc.RemoteError) error {
		if refused != nil {
			return s.use()
		}
		s.following = true
		// What becomes of other databases of the server does not end the session then.
		ignore := func(wire.Value, *jsonrpc.RemoteError) error { return nil }
		if err := s.Go("set_db_change_aware", []byte("[true]"), ignore); err != nil {
			return err
		}
		return s.serverUpdated(result)
	})
}

// serverUpdated applies an update of _Server. A server that is fit is used; one that is used and
// is not fit any more is given up.
func (s *Session) serverUpdated(updates wire.Value) error {
	if err := s.server.apply(updates); err != nil {
		return fmt.Errorf("database %s: %w", serverDatabase, err)
	}
	var now database
	found := false
	for _, d := range s.server {
		if want := s.client.opts.Cluster; want == "" && d.name == s.client.opts.Database || want != "" && d.cluster == want {
			now, found = d, true
		}
	}
	before := s.state
	s.state = now
	s.relay.Store(now.model == "relay")
	before.index, now.index = 0, 0 // it grows with each transaction
	unfit := s.client.judge(s, s.state, found, s.judged && before != now)
	s.judged = true
	switch {
	case s.client.isChosen(s) && unfit != nil:
		return unfit
	case unfit == nil && !s.client.isChosen(s):
		return s.use()
	}
	return nil
}

// judge says why a server that says this of the database is not fit; nil: it is. news: it has
// said something else before.
func (c *Client) judge(s *Session, d database, found, news bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	why := c.unfit(d, found)
	if why == nil {
		return nil
	}
	if c.chosen != s {
		c.held[s] = why
		c.restless = c.restless || news
		c.poke()
	}
	return why
}

// unfit is judge. The caller holds mu.
func (c *Client) unfit(d database, found bool) error {
	switch {
	case !found && c.opts.Cluster != "":
		return UnfitError("server has no database of cluster " + c.opts.Cluster)
	case !found:
		return UnfitError("server does not have database " + c.opts.Database)
	}
	if why := d.unfit(c.opts.LeaderOnly); why != nil || d.model != "clustered" {
		return why
	}
	// Another cluster counts anew.
	if d.cluster != c.cluster {
		c.cluster, c.index = d.cluster, 0
	}
	if d.index < c.index {
		return UnfitError("clustered database server has stale data")
	}
	c.index = d.index
	return nil
}

// unfit says why a server that says this of a database had better not be used.
func (d database) unfit(leaderOnly bool) error {
	switch {
	case d.model == "relay" && !d.connected:
		return UnfitError("relay database server is disconnected from the relay source")
	case d.model == "relay" && leaderOnly:
		return UnfitError("relay database server cannot be a leader")
	case d.model == "clustered" && !d.connected:
		return UnfitError("clustered database server is disconnected from cluster")
	case d.model == "clustered" && leaderOnly && !d.leader:
		return UnfitError("clustered database server is not cluster leader")
	}
	return nil
}

// Judge says why a server had better not be used for a database, of which row is what "select"
// gives of the table Database of _Server. It is for those that ask once; nil: it is fit.
func Judge(row wire.Value, leaderOnly bool) error {
	var d database
	d.set(row)
	return d.unfit(leaderOnly)
}

// AppendQuery appends the parameters of the "transact" that selects the row for Judge.
func AppendQuery(dst []byte, database string) []byte {
	dst = append(dst, `["_Server",{"op":"select","table":"Database","where":[["name","==",`...)
	return append(wire.AppendString(dst, database), "]]}]"...)
}
