package simulation

import (
	"hash/fnv"
	"iter"
	"net"
	"sync"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// observer follows a database from within its server, by the oldest of the monitors, in which each update has
// rows as a whole. It shares no code with the replicas of agents and controllers, and sees every commit that
// anybody can see.
type observer struct {
	schema *ovsdb.DatabaseSchema
	rpc    *jsonrpc.Client
	// commit is called after each commit, by the reader, and with what is there at first.
	commit func(o *observer)
	// started is closed when it has read what is there at first, or never will.
	started chan struct{}

	mu   sync.Mutex // guards what follows
	rows map[string]map[ovsdb.UUID]*ovsdb.Row
	sum  uint64 // of the hashes of all rows
	err  error
}

// observe follows the database of a server by a connection to it.
func observe(nc net.Conn, commit func(*observer)) *observer {
	o := &observer{schema: hwvtep.Schema(), commit: commit, started: make(chan struct{}), rows: map[string]map[ovsdb.UUID]*ovsdb.Row{}}
	for name := range o.schema.Tables {
		o.rows[name] = map[ovsdb.UUID]*ovsdb.Row{}
	}
	o.rpc = jsonrpc.NewClient(nc, jsonrpc.Options{}, func(m jsonrpc.Message) {
		if m.Method == "update" {
			o.apply(m.Params.Index(1))
		}
	})
	requests := []byte(`["` + hwvtep.Database + `","observer",{`)
	for i, t := range o.schema.SortedTables() {
		if i > 0 {
			requests = append(requests, ',')
		}
		requests = append(wire.AppendString(requests, t.Name), `:{}`...)
	}
	_ = o.rpc.Go("monitor", append(requests, `}]`...), func(v wire.Value, err error) {
		defer close(o.started)
		if err == nil {
			o.apply(v)
		}
	})
	return o
}

// apply takes an update.
func (o *observer) apply(tables wire.Value) {
	o.mu.Lock()
	for name, rows := range tables.Members() {
		table := o.schema.Tables[name]
		for text, change := range rows.Members() {
			id, _ := ovsdb.ParseUUID(text)
			if old := o.rows[name][id]; old != nil {
				o.sum -= rowHash(table, old)
				delete(o.rows[name], id)
			}
			if after := change.Get("new"); after.Exists() {
				values := make([]ovsdb.Datum, len(table.Columns))
				for _, c := range table.Columns {
					d, err := ovsdb.ParseUnconstrained(after.Get(c.Name), &c.Type)
					if err != nil {
						o.err = err
					}
					values[c.Index] = d
				}
				row := ovsdb.NewRow(id, values)
				o.rows[name][id] = row
				o.sum += rowHash(table, row)
			}
		}
	}
	o.mu.Unlock()
	o.commit(o)
}

// rowHash is of all that a row says.
func rowHash(table *ovsdb.TableSchema, row *ovsdb.Row) uint64 {
	h := fnv.New64a()
	text := make([]byte, 0, 512)
	text = append(append(text, table.Name...), row.UUID[:]...)
	for i := range table.Columns {
		text = append(ovsdb.AppendDatum(text, row.At(i), &table.Columns[i].Type), 0)
	}
	h.Write(text)
	return h.Sum64()
}

// hasher hashes snapshots of a replica. A row that stays is hashed once.
type hasher struct{ known map[*ovsdb.Row]uint64 }

// sum is the sum of the hashes of all rows.
func (h *hasher) sum(s *idl.Snapshot) uint64 {
	known := make(map[*ovsdb.Row]uint64, len(h.known))
	sum := uint64(0)
	for _, t := range s.Schema().Tables {
		for row := range s.Table(t.Name).All() {
			k, ok := h.known[row]
			if !ok {
				k = rowHash(t, row)
			}
			known[row] = k
			sum += k
		}
	}
	h.known = known
	return sum
}

// view shows the rows as they are now. The observer is locked as long as it is used.
func (o *observer) view() *hwvtep.View { return hwvtep.NewView[rowTable](rowSource{o}) }

type rowSource struct{ o *observer }

func (s rowSource) Schema() *ovsdb.DatabaseSchema { return s.o.schema }
func (s rowSource) Table(name string) rowTable    { return s.o.rows[name] }

type rowTable map[ovsdb.UUID]*ovsdb.Row

func (t rowTable) Get(id ovsdb.UUID) *ovsdb.Row { return t[id] }
func (t rowTable) Len() int                     { return len(t) }
func (t rowTable) All() iter.Seq[*ovsdb.Row] {
	return func(yield func(*ovsdb.Row) bool) {
		for _, row := range t {
			if !yield(row) {
				return
			}
		}
	}
}
