package web

import (
	"errors"
	"fmt"
	"net/http"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

var (
	errNoRows  = errors.New("the database has not been read yet")
	errNoTrace = errors.New("this VTEP can't trace frames")
)

// tableRow is a table of the database as the list of them shows it.
type tableRow struct {
	Name string
	Rows int
}

func (s *site) tables(*http.Request) (view, error) {
	snapshot := s.source.Rows()
	if snapshot == nil {
		return view{}, errNoRows
	}
	data := struct {
		Name, Version string
		Tables        []tableRow
	}{Name: snapshot.Schema().Name, Version: snapshot.Schema().Version}
	for _, t := range snapshot.Schema().SortedTables() {
		data.Tables = append(data.Tables, tableRow{t.Name, snapshot.Table(t.Name).Len()})
	}
	return view{Template: "tables.html", Title: "Database", Data: data}, nil
}

// tableOf is the table of a request.
func tableOf(r *http.Request, s *idl.Snapshot) (*ovsdb.TableSchema, error) {
	if s == nil {
		return nil, errNoRows
	}
	t := s.Schema().Tables[r.PathValue("table")]
	if t == nil {
		return nil, notFound{errors.New("the database has no such table")}
	}
	return t, nil
}

// rowLine is a row as the list of a table shows it.
type rowLine struct {
	UUID  string
	Label string
	Cells []cell
}

func (s *site) table(r *http.Request) (view, error) {
	snapshot := s.source.Rows()
	t, err := tableOf(r, snapshot)
	if err != nil {
		return view{}, err
	}
	q := queryOf(r)
	data := struct {
		list[rowLine]
		Name    string
		Columns []string
		Live    bool
	}{Name: t.Name}
	for _, c := range t.Columns {
		data.Columns = append(data.Columns, c.Name)
	}
	type candidate struct {
		row   *ovsdb.Row
		label string
	}
	var found []candidate
	for row := range snapshot.Table(t.Name).All() {
		if q.Text == "" || rowMatches(&q, t, row) {
			found = append(found, candidate{row, rowLabel(t, row)})
		}
		if r.Context().Err() != nil {
			return view{}, r.Context().Err()
		}
	}
	slices.SortStableFunc(found, func(a, b candidate) int { return natural(a.label, b.label) })
	all := snapshot.Table(t.Name).Len()
	part, p := cut(&q, found, all, "rows", "text of a column, or UUID")
	data.list, data.Live = list[rowLine]{paging: p}, all <= steady
	for _, c := range part {
		line := rowLine{UUID: c.row.UUID.String(), Label: c.label}
		for _, column := range t.Columns {
			line.Cells = append(line.Cells, cellOf(snapshot, column, c.row, briefElements))
		}
		data.Rows = append(data.Rows, line)
	}
	return view{Template: "table.html", Title: t.Name, Data: data}, nil
}

func rowMatches(q *query, t *ovsdb.TableSchema, row *ovsdb.Row) bool {
	if q.matches(row.UUID.String()) {
		return true
	}
	for _, c := range t.Columns {
		d := row.Field(c)
		for i := range d.Len() {
			if q.matches(atomText(c.Type.Key.Type, d.Key(i))) || c.Type.IsMap() && q.matches(atomText(c.Type.Value.Type, d.Value(i))) {
				return true
			}
		}
	}
	return false
}

// column is one column of a row.
type column struct {
	Name string
	cell
}

// referrer is a row that refers to another one.
type referrer struct{ Table, UUID, Label, Column string }

// mostReferrers bounds how many of them a row shows.
const mostReferrers = 100

func (s *site) row(r *http.Request) (view, error) {
	snapshot := s.source.Rows()
	t, err := tableOf(r, snapshot)
	if err != nil {
		return view{}, err
	}
	id, ok := ovsdb.ParseUUID(r.PathValue("uuid"))
	row := snapshot.Table(t.Name).Get(id)
	if !ok || row == nil {
		return view{}, notFound{fmt.Errorf("%s has no such row: it may have been deleted", t.Name)}
	}
	data := struct {
		Table, UUID, Label string
		Columns            []column
		Referrers          []referrer
		More               int
	}{Table: t.Name, UUID: id.String(), Label: rowLabel(t, row)}
	for _, c := range t.Columns {
		data.Columns = append(data.Columns, column{c.Name, cellOf(snapshot, c, row, allElements)})
	}
	data.Referrers, data.More = referrers(snapshot, t.Name, id)
	return view{Template: "row.html", Title: t.Name + " " + data.Label, Data: data}, nil
}

// referrers finds the rows that refer to one, and says how many more they are than it returns.
func referrers(s *idl.Snapshot, table string, id ovsdb.UUID) (list []referrer, more int) {
	for _, t := range s.Schema().SortedTables() {
		for _, c := range t.Columns {
			key, value := c.Type.Key.RefTable == table, c.Type.IsMap() && c.Type.Value.RefTable == table
			if !key && !value {
				continue
			}
			for row := range s.Table(t.Name).All() {
				d := row.Field(c)
				for i := range d.Len() {
					if key && d.Key(i).UUID() == id || value && d.Value(i).UUID() == id {
						if len(list) == mostReferrers {
							more++
						} else {
							list = append(list, referrer{t.Name, row.UUID.String(), rowLabel(t, row), c.Name})
						}
						break
					}
				}
			}
		}
	}
	return list, more
}
