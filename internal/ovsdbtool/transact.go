package ovsdbtool

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// transaction returns the database and the transaction of the command line.
func (t *tool) transaction(args []string) (path string, txn wire.Value, err error) {
	text := args[len(args)-1]
	path = t.DB
	if len(args) > 1 {
		path = args[0]
	}
	if txn, err = wire.ParseString(text); err != nil {
		err = fmt.Errorf("\"%s\": %w", text, err)
	}
	return path, txn, err
}

func (t *tool) query(args []string) error {
	path, txn, err := t.transaction(args)
	if err != nil {
		return err
	}
	d, err := ReadDatabase(path)
	if err != nil {
		return err
	}
	out, err := t.execute(d, txn)
	if err != nil {
		return err
	}
	if out.Changes != nil {
		out.Reply = db.AppendCommitError(out.Reply, ovsdb.NewError("not supported", "a query changes nothing; use transact"))
	}
	return t.printJSON(out.Reply)
}

func (t *tool) transact(args []string) error {
	path, txn, err := t.transaction(args)
	if err != nil {
		return err
	}
	d, l, err := edit(path)
	if err != nil {
		return err
	}
	return errors.Join(t.transactOn(d, l, txn), l.Close())
}

func (t *tool) transactOn(d *db.Database, l *storage.Log, txn wire.Value) error {
	out, err := t.execute(d, txn)
	if err != nil {
		return err
	}
	if out.Changes != nil {
		if record := out.Changes.AppendRecord(nil, t.Now()); len(record) > 0 {
			err := l.Append(record)
			if err == nil {
				err = l.Sync()
			}
			if err != nil {
				out.Reply = db.AppendCommitError(out.Reply, ovsdb.IOError(err, "%s: write failed", l.Path()))
			}
		}
	}
	return t.printJSON(out.Reply)
}

// execute runs a transaction. Nobody else can make a condition true that it waits for.
func (t *tool) execute(d *db.Database, txn wire.Value) (db.Outcome, error) {
	if txn.Kind() != wire.Array {
		return db.Outcome{Reply: ovsdb.SyntaxError(txn, "", "array expected").AppendJSON(nil)}, nil
	}
	if txn.Index(0).Kind() != wire.String || txn.Index(0).Str() != d.Schema().Name {
		return db.Outcome{Reply: ovsdb.SyntaxError(txn, "", "database name expected as first parameter").AppendJSON(nil)}, nil
	}
	out := d.Transact(txn, &db.Env{NoWait: true})
	if out.Wait != nil {
		return out, errors.New("the transaction waits for a condition, which nobody else can make true")
	}
	return out, nil
}

// printJSON prints a JSON text in canonical form.
func (t *tool) printJSON(text []byte) error {
	v, err := wire.Parse(text)
	if err != nil {
		return err
	}
	t.out.Write(v.AppendTo(nil, true))
	return t.out.WriteByte('\n')
}
