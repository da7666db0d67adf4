package db

import (
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Env is what a transaction depends on beside the database. The zero Env is
// that of a session which may do everything, and has no locks.
type Env struct {
	// ReadOnly refuses every operation that could change something.
	ReadOnly bool
	// Internal allows changes of a database whose name begins with "_", which
	// belongs to the server itself.
	Internal bool
	// HasLock reports whether the session owns a lock; nil: it owns none.
	HasLock func(name string) bool
	// Permit, if not nil, is asked before the commit about each row that the
	// operations have inserted, deleted, or left with other values. It is not
	// asked about what the database then does by itself, as collecting garbage.
	// d shows the outcome of the operations. An error, best an
	// ovsdb.PermissionError, refuses the transaction.
	Permit func(d *Database, table *ovsdb.TableSchema, row *RowChange) error
	// Role restricts the transaction to what the database says a role may do, and Client is
	// whom the rows must belong to; "" is nobody. An empty Role restricts nothing.
	Role, Client string
	// Cascade has rows deleted together with those they refer to. Permit is not asked about
	// them.
	Cascade []Cascade
	// Elapsed is the time since the request arrived: what "wait" compares its
	// timeout with.
	Elapsed time.Duration
	// NoWait makes a "wait" that is not met fail at once.
	NoWait bool
	// Rehearse changes nothing: of a transaction that would be committed and could change
	// something, the outcome is Forward.
	Rehearse bool
}

// Outcome is what became of a transaction.
//
//	Wait     Reply   Changes
//	not nil  nil     nil      a "wait" is not met: run the same request again
//	nil      set     nil      it failed, or changed nothing
//	nil      set     not nil  it is committed
//	nil      nil     nil      Forward: it is for another server to execute
type Outcome struct {
	Reply   []byte     // the result of "transact", as JSON
	Changes *ChangeSet // what was changed
	Durable bool       // a "commit" asked for durability
	Failed  bool       // some operation, or the commit, failed
	Forward bool       // see Env.Rehearse
	Wait    *Wait
}

// Wait tells when a transaction that waits has to be run again.
type Wait struct {
	// Tables are those that the operations name, up to the one that waits. A
	// commit that changes none of them changes nothing for the transaction.
	Tables []*ovsdb.TableSchema
	// Timeout is the time after the arrival of the request at which it has to
	// be run whatever happens, because it will fail then; below 0: never.
	Timeout time.Duration
}

// AppendCommitError returns a copy of the reply to a transaction whose
// operations went well, but whose commit failed: because of err, after all.
func AppendCommitError(reply []byte, err *ovsdb.Error) []byte {
	dst := make([]byte, 0, len(reply)+128)
	dst = append(dst, reply[:len(reply)-1]...)
	if len(reply) > 2 {
		dst = append(dst, ',')
	}
	return append(err.AppendJSON(dst), ']')
}

// execution is a transaction under way.
type execution struct {
	*txn
	env     *Env
	syms    ovsdb.SymbolTable
	tables  []*ovsdb.TableSchema // named so far
	timeout time.Duration        // the shortest of the waits; below 0: none
	durable bool
	writes  bool // some operation could change something
	reply   []byte
	last    *Table        // that was named last
	members ovsdb.Members // memory for those of an operation

	gathered gathered // see gather.go
}

// operation is one operation being executed.
type operation struct {
	*execution
	*ovsdb.Members
	json wire.Value
}

// errWait is returned by an operation that waits.
var errWait = ovsdb.NewError("not supported", "triggers not supported")

// Transact executes the params of a "transact" request: the name of the
// database, then the operations. It commits if all of them succeed.
func (d *Database) Transact(params wire.Value, env *Env) Outcome {
	if err := d.checkParams(params); err != nil {
		return Outcome{Reply: err.AppendJSON(nil), Failed: true}
	}
	const perResult = 64 // what that of an insert has
	x := &execution{txn: d.begin(), env: env, timeout: -1, reply: make([]byte, 1, perResult*params.Len())}
	x.permit, x.cascades = env.Permit, env.Cascade
	x.reply[0] = '['
	err := x.execute(params)
	if err == errWait && !env.NoWait {
		x.abort()
		return Outcome{Wait: &Wait{Tables: x.tables, Timeout: x.timeout}}
	}
	if err != nil {
		x.abort()
		return Outcome{Reply: append(x.reply, ']'), Durable: x.durable, Failed: true}
	}
	x.settle()
	if env.Rehearse && x.writes {
		x.determineChanges()
		err := x.askPermission() // which nobody else asks for
		x.abort()
		if err == nil {
			return Outcome{Forward: true}
		}
		x.separate()
		return Outcome{Reply: append(ovsdb.AsError(err).AppendJSON(x.reply), ']'), Failed: true}
	}
	changes, err := x.commit()
	if err != nil {
		x.separate()
		x.reply = ovsdb.AsError(err).AppendJSON(x.reply)
	}
	return Outcome{Reply: append(x.reply, ']'), Changes: changes, Durable: x.durable, Failed: err != nil}
}

func (d *Database) checkParams(params wire.Value) *ovsdb.Error {
	if params.Kind() != wire.Array {
		return ovsdb.SyntaxError(params, "", "array expected")
	}
	if name := params.Index(0); name.Kind() != wire.String || name.Str() != d.schema.Name {
		return ovsdb.SyntaxError(params, "", "database name expected as first parameter")
	}
	return nil
}

// separate makes room for the next result in the reply.
func (x *execution) separate() {
	if len(x.reply) > 1 {
		x.reply = append(x.reply, ',')
	}
}

// mostExpected is for how many rows with names a transaction takes the memory at once.
const mostExpected = 1 << 16

// execute runs the operations. The reply holds the result of each; after an
// error, which is returned, null for those that were not run.
func (x *execution) execute(params wire.Value) error {
	n := params.Len() - 1
	x.syms.Expect(min(n, mostExpected))
	i := 0
	var failed error
	for op := range params.Elems() {
		if i++; i == 1 {
			continue // the name of the database
		}
		x.separate()
		if failed != nil {
			x.reply = append(x.reply, "null"...)
			continue
		}
		start := len(x.reply)
		if failed = x.operate(op, i-1, n); failed == errWait && !x.env.NoWait {
			return failed
		}
		if failed != nil {
			x.reply = ovsdb.AsError(failed).AppendJSON(x.reply[:start])
		}
	}
	return failed
}

// operate runs operation i of n and appends its result.
func (x *execution) operate(op wire.Value, i, n int) error {
	o := operation{execution: x, json: op, Members: &x.members}
	o.Begin(op, "ovsdb operation", i, n)
	name := o.Get("op", ovsdb.OpID).Str()
	var err error
	writes := false
	switch name {
	case "select", "update", "delete", "wait":
		o.settle()
	}
	switch name {
	case "":
	case "insert":
		writes, err = true, o.insert()
	case "select":
		err = o.selectRows()
	case "update":
		writes, err = true, o.update()
	case "mutate":
		writes, err = true, o.mutate()
	case "delete":
		writes, err = true, o.delete()
	case "wait":
		err = o.wait()
	case "commit":
		writes, err = true, o.commitDurable()
	case "abort":
		err = ovsdb.NewError("aborted", "aborted by request")
	case "comment":
		err = o.comment()
	case "assert":
		err = o.assert()
	default:
		o.Raise(`No operation "%s"`, name)
	}
	// A parse error overrides any other.
	if perr := o.Finish(); perr != nil {
		return perr
	}
	switch {
	case err != nil || !writes:
		return err
	case x.env.ReadOnly:
		return ovsdb.NewError("not allowed",
			"%s operation not allowed when database server is in read only mode", name)
	case x.db.schema.Name[0] == '_' && !x.env.Internal:
		return ovsdb.NewError("not allowed",
			"%s operation not allowed on table in reserved database %s", name, x.db.schema.Name)
	}
	x.writes = true
	return nil
}

// table returns the table that the operation names, or nil, with an error noted.
func (o *operation) table() *Table {
	name := o.Get("table", ovsdb.OpID)
	if !name.Exists() {
		return nil
	}
	if o.last != nil && o.last.schema.Name == name.Str() {
		return o.last
	}
	t := o.db.tables[name.Str()]
	if t == nil {
		o.Raise("No table named %s.", name.Str())
		return nil
	}
	o.named(t)
	o.last = t
	return t
}

// named notes that an operation names t.
func (x *execution) named(t *Table) {
	for i := len(x.tables) - 1; i >= 0; i-- {
		if x.tables[i] == t.schema {
			return
		}
	}
	x.tables = append(x.tables, t.schema)
}

// count appends the result of an operation on n rows.
func (x *execution) count(n int) {
	x.reply = wire.AppendInt(append(x.reply, `{"count":`...), int64(n))
	x.reply = append(x.reply, '}')
}

// done appends the result of an operation that has none.
func (x *execution) done() { x.reply = append(x.reply, "{}"...) }

func (o *operation) commitDurable() error {
	if o.Get("durable", ovsdb.OpBoolean).Bool() {
		o.durable = true
	}
	o.done()
	return nil
}

func (o *operation) comment() error {
	comment := o.Get("comment", ovsdb.OpString)
	if comment.Exists() {
		if o.txn.comment != "" {
			o.txn.comment += "\n"
		}
		o.txn.comment += comment.Str()
	}
	o.done()
	return nil
}

func (o *operation) assert() error {
	lock := o.Get("lock", ovsdb.OpID)
	if lock.Exists() && (o.env.HasLock == nil || !o.env.HasLock(lock.Str())) {
		return ovsdb.NewError("not owner", "Asserted lock %s not held.", lock.Str())
	}
	o.done()
	return nil
}
