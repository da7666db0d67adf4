package ovsdbclient

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/ovsdbtool"
	"golang.org/x/sys/unix"
)

// backup prints a database file with the present content.
func (c *client) backup([]string) error {
	if isTerminal(c.Stdout) {
		return errors.New("not writing backup to a terminal; please redirect stdout to a file")
	}
	schema, err := c.schema()
	if err != nil {
		return err
	}
	// A table without persistent columns counts too: others may refer to its rows.
	var wanted []selection
	for _, table := range schema.SortedTables() {
		s := selection{table, ovsdb.ColumnSet{ovsdb.UUIDColumn}}
		for _, column := range table.Columns {
			if column.Persistent {
				s.columns = append(s.columns, column)
			}
		}
		wanted = append(wanted, s)
	}
	results, err := c.fetch(wanted)
	if err != nil {
		return err
	}
	c.out.Write(storage.AppendRecord(nil, schema.AppendJSON(nil)))
	record := []byte{'{'}
	for i, s := range wanted {
		if record, err = s.appendRows(record, results.Index(i).Get("rows")); err != nil {
			return err
		}
	}
	record = fmt.Appendf(record, `"_date":%d,"_comment":"produced by \"ovsdb-client backup\""}`, time.Now().UnixMilli())
	_, err = c.out.Write(storage.AppendRecord(nil, record))
	return err
}

// appendRows appends the rows of a table as a record of a file has them.
func (s selection) appendRows(dst []byte, rows wire.Value) ([]byte, error) {
	if rows.Len() == 0 {
		return dst, nil
	}
	dst = append(wire.AppendString(dst, s.table.Name), ":{"...)
	n := 0
	for row := range rows.Elems() {
		id := uuidText(row.Get("_uuid"))
		if id == "" {
			return nil, fmt.Errorf("%s table reply row lacks _uuid member: %s", s.table.Name, row.AppendTo(nil, false))
		}
		if n++; n > 1 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, id), ":{"...)
		members := 0
		for name, v := range row.Members() {
			if name == "_uuid" {
				continue
			}
			if members++; members > 1 {
				dst = append(dst, ',')
			}
			dst = v.AppendTo(append(wire.AppendString(dst, name), ':'), false)
		}
		dst = append(dst, '}')
	}
	return append(dst, "},"...), nil
}

// restore replaces the content of the database by that of a file on standard input.
func (c *client) restore([]string) error {
	if isTerminal(c.Stdin) {
		return errors.New("not reading backup from a terminal; please redirect stdin from a file")
	}
	saved, err := readBackup(c.Stdin)
	if err != nil {
		return err
	}
	online, err := c.schema()
	if err != nil {
		return err
	}
	if why := difference(saved.Schema(), online); why != "" {
		if !c.force {
			return fmt.Errorf("%s (use --force to override differences, or \"ovsdb-client convert\" to change the schema)", why)
		}
		c.log.Info(why)
	}
	results, err := c.call("transact", restoring(saved))
	if err != nil {
		return err
	}
	return checkResults(results)
}

func difference(saved, online *ovsdb.DatabaseSchema) string {
	switch {
	case saved.Equal(online):
		return ""
	case saved.Version != online.Version:
		return fmt.Sprintf("backup schema has version \"%s\" but database schema has version \"%s\"", saved.Version, online.Version)
	}
	return fmt.Sprintf("backup schema and database schema are both version %s but still differ", saved.Version)
}

// readBackup reads a database file, which may come through a pipe.
func readBackup(in io.Reader) (*db.Database, error) {
	f, err := os.CreateTemp("", "ovsdb-client-restore-*")
	if err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	defer os.Remove(f.Name())
	defer f.Close()
	if _, err := io.Copy(f, in); err != nil {
		return nil, fmt.Errorf("read backup: %w", err)
	}
	return ovsdbtool.ReadNamed("/dev/stdin", f.Name())
}

// restoring returns the transaction that makes a database what d is. Rows get new UUIDs.
func restoring(d *db.Database) []byte {
	txn := [][]byte{wire.AppendString(nil, d.Schema().Name)}
	for _, t := range d.Tables() {
		ts := t.Schema()
		txn = append(txn, append(wire.AppendString([]byte(`{"op":"delete","where":[],"table":`), ts.Name), '}'))
		for row := range t.All() {
			op := wire.AppendString([]byte(`{"op":"insert","table":`), ts.Name)
			op = append(wire.AppendString(append(op, `,"uuid-name":`...), rowName(row.UUID)), `,"row":{`...)
			n := 0
			for _, column := range ts.Columns {
				v := row.At(column.Index)
				if !column.Persistent || v.IsDefault(&column.Type) {
					continue
				}
				if n++; n > 1 {
					op = append(op, ',')
				}
				op = appendNamed(append(wire.AppendString(op, column.Name), ':'), v, &column.Type)
			}
			txn = append(txn, append(op, "}}"...))
		}
	}
	return array(txn...)
}

// rowName is what a row is called within the transaction that makes it again.
func rowName(id ovsdb.UUID) string {
	name := []byte("row" + id.String())
	for i, b := range name {
		if b == '-' {
			name[i] = '_'
		}
	}
	return string(name)
}

// appendNamed appends a value in which references are to rows of the same transaction.
func appendNamed(dst []byte, d ovsdb.Datum, t *ovsdb.Type) []byte {
	if !t.Key.IsRef() && !t.Value.IsRef() {
		return ovsdb.AppendExactDatum(dst, d, t)
	}
	atom := func(a ovsdb.Atom, b *ovsdb.BaseType) {
		if b.IsRef() {
			dst = append(wire.AppendString(append(dst, `["named-uuid",`...), rowName(a.UUID())), ']')
			return
		}
		dst = ovsdb.AppendAtom(dst, a, b.Type)
	}
	if !t.IsMap() {
		dst = append(dst, `["set",[`...)
		for i := range d.Len() {
			if i > 0 {
				dst = append(dst, ',')
			}
			atom(d.Key(i), &t.Key)
		}
		return append(dst, "]]"...)
	}
	dst = append(dst, `["map",[`...)
	for i := range d.Len() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, '[')
		atom(d.Key(i), &t.Key)
		dst = append(dst, ',')
		atom(d.Value(i), &t.Value)
		dst = append(dst, ']')
	}
	return append(dst, "]]"...)
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
