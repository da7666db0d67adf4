package vtepctl

import (
	"errors"
	"fmt"
	"io/fs"
	"regexp"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/physical"
	"github.com/vtep/vtep/internal/vtepctl/session"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// hint is what to do about an error, in a line of its own behind that of the error. Of an unknown
// command, or a server that was named and does not answer, only a person is told more: whoever
// wrote a script knows what it says, and test suites compare the text.
func (t *tool) hint(err error) string {
	var unknown *command.UnknownCommand
	var conn *session.ConnectionError
	var bound *physical.AlreadyBound
	var refused *txn.RefusedError
	switch {
	case errors.As(err, &unknown):
		if near := suggest(t.seen.Groups, unknown.Name); t.Terminal && len(near) > 0 {
			return "did you mean " + strings.Join(near, " or ") + "?"
		}
	case errors.As(err, &conn):
		return t.connectionHint(conn)
	case errors.As(err, &bound):
		return fmt.Sprintf("to bind the VLAN to another logical switch: unbind-ls %s %s %s -- bind-ls %s %s %s %s",
			bound.PS, bound.Port, bound.VLAN, bound.PS, bound.Port, bound.VLAN, bound.LS)
	case errors.As(err, &refused):
		return t.referrersHint(refused.Text)
	}
	return ""
}

func (t *tool) connectionHint(conn *session.ConnectionError) string {
	if t.dbGiven && !t.Terminal {
		return ""
	}
	if errors.Is(conn, fs.ErrPermission) {
		return "only root, and the group that the socket belongs to, may use it: try as root."
	}
	at := conn.Target
	if !t.dbGiven && t.OtherRunDir != "" && t.OtherRunDir != t.RunDir {
		at += ", and there is none at unix:" + t.OtherRunDir + "/db.sock, where \"vtep run\" has it"
	}
	return "no database server answers at " + at + ". Is it running? Name another with --db=SERVER, " +
		"for example --db=unix:/run/vtep/db.sock or --db=tcp:192.0.2.1:6640, or set OVS_RUNDIR."
}

// stillReferred is how the server says that a row is in use.
var stillReferred = regexp.MustCompile(`cannot delete (\w+) row ([0-9a-f-]{36}) because`)

// namedAtMost is how many of the rows that use another one a hint names.
const namedAtMost = 5

// referrersHint says what refers to the row that the server would not delete.
func (t *tool) referrersHint(refusal string) string {
	m := stillReferred.FindStringSubmatch(refusal)
	if m == nil {
		return ""
	}
	id, ok := ovsdb.ParseUUID(m[2])
	if !ok {
		return ""
	}
	s, err := t.connect()
	if err != nil {
		return ""
	}
	defer s.Close()
	var users []string
	for _, ts := range hwvtep.Schema().SortedTables() {
		for _, c := range ts.Columns {
			if c.Type.Key.RefTable != m[1] && c.Type.Value.RefTable != m[1] {
				continue
			}
			rows, err := referrers(s, ts, c, id)
			if err != nil {
				continue // a database of an older schema
			}
			for row := range rows {
				users = append(users, ts.Name+" "+row)
			}
		}
	}
	if len(users) == 0 {
		return ""
	}
	more := ""
	if n := len(users) - namedAtMost; n > 0 {
		users, more = users[:namedAtMost], fmt.Sprintf(", and %d more", n)
	}
	remedy := ""
	if m[1] == hwvtep.TableLogicalSwitch {
		remedy = ". Bindings go with unbind-ls, MACs with clear-remote-macs and clear-local-macs"
	}
	return "it is used by " + strings.Join(users, ", ") + more + remedy
}

// referrers yields, for each row of a table whose column refers to a row, how to call it.
func referrers(s *session.Session, ts *ovsdb.TableSchema, c *ovsdb.ColumnSchema, id ovsdb.UUID) (func(func(string) bool), error) {
	columns := []string{"_uuid", c.Name}
	for _, name := range []string{"name", "MAC", "src_mac"} {
		if ts.Column(name) != nil {
			columns = append(columns, name)
		}
	}
	params := append(wire.AppendString([]byte{'['}, hwvtep.Database), `,{"op":"select","table":`...)
	params = append(wire.AppendString(params, ts.Name), `,"where":[],"columns":[`...)
	for i, name := range columns {
		if i > 0 {
			params = append(params, ',')
		}
		params = wire.AppendString(params, name)
	}
	result, err := s.Call("transact", append(params, "]}]"...))
	if err != nil {
		return nil, err
	}
	if e := result.Index(0).Get("error"); e.Exists() {
		return nil, errors.New(e.Str())
	}
	return func(yield func(string) bool) {
		for row := range result.Index(0).Get("rows").Elems() {
			d, err := ovsdb.ParseDatum(row.Get(c.Name), &c.Type, nil)
			if err != nil || !refers(d, c, id) {
				continue
			}
			name := row.Get("_uuid").Index(1).Str()
			if len(columns) > 2 {
				name = row.Get(columns[2]).Str()
			}
			if !yield(name) {
				return
			}
		}
	}, nil
}

func refers(d ovsdb.Datum, c *ovsdb.ColumnSchema, id ovsdb.UUID) bool {
	if c.Type.Key.Type == ovsdb.UUIDType && slices.ContainsFunc(slices.Collect(d.Keys()), func(a ovsdb.Atom) bool { return a.UUID() == id }) {
		return true
	}
	if c.Type.Value.Type != ovsdb.UUIDType {
		return false
	}
	for i := range d.Len() {
		if d.Value(i).UUID() == id {
			return true
		}
	}
	return false
}
