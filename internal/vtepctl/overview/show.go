// Package overview has the commands that only look: at all, at tunnels, at changes.
package overview

import (
	"strings"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// shown says what show prints of a table: the column that names a row, and others. Columns
// that refer to rows of a table that is shown print these rows.
type shown struct {
	table   string
	name    string // "": the UUID names a row
	columns []string
}

var shownTables = []shown{
	{hwvtep.TableGlobal, "", []string{"managers", "switches"}},
	{hwvtep.TableManager, "target", []string{"is_connected"}},
	{hwvtep.TablePhysicalSwitch, "name", []string{"management_ips", "tunnel_ips", "ports"}},
	{hwvtep.TablePhysicalPort, "name", []string{"vlan_bindings"}},
	{hwvtep.TableLogicalSwitch, "name", nil},
}

func shownTable(name string) *shown {
	for i := range shownTables {
		if shownTables[i].table == name {
			return &shownTables[i]
		}
	}
	return nil
}

// Commands returns the commands that only look.
func Commands() command.Group {
	return command.Group{
		Title: "Overview",
		Commands: []command.Command{
			{Name: "show", Brief: "print an overview of the database",
				Options: []getopt.Option{{Long: "filter", Arg: getopt.RequiredArg, ArgName: "FILTER", Extra: true,
					Help: "print only what matches: TABLE(TEXT|TEXT...),..."}},
				Text: "FILTER is a list of TABLE(TEXT|TEXT...), separated by commas: of TABLE only those rows are " +
					"printed whose part of the output contains one of the TEXTs, in any case. TEXT alone is about the Global table.",
				Needs: needShow, Run: show},
			listTunnelsCommand(),
			monitorCommand(),
		},
	}
}

func needShow(c *command.Call) error {
	for _, s := range shownTables {
		if s.name != "" {
			c.Needed.Named(s.table, s.name)
		}
		c.Needed.Named(s.table, s.columns...)
	}
	return nil
}

func show(c *command.Call) error {
	s := &shower{c: c, open: map[string]bool{}}
	if text, ok := c.Opt("filter"); ok && text != "" {
		var err error
		if s.filters, err = parseFilters(text); err != nil {
			return err
		}
	}
	var nodes []output.JSONText
	for _, r := range c.X.All(txn.TableNamed(hwvtep.TableGlobal)) {
		if node := s.show(r, 0); node != nil {
			nodes = append(nodes, node)
		}
	}
	c.Out.WriteString(s.b.String())
	c.Value = output.JSONArray(nodes)
	return nil
}

// shower prints rows and those that they refer to.
type shower struct {
	c       *command.Call
	b       truncatable
	open    map[string]bool // tables a row of which is being printed
	filters map[string][]string
}

// truncatable is text whose end can be taken back.
type truncatable struct{ buf []byte }

func (b *truncatable) put(level int, parts ...string) {
	b.buf = append(b.buf, strings.Repeat(" ", 4*level)...)
	for _, p := range parts {
		b.buf = append(b.buf, p...)
	}
	b.buf = append(b.buf, '\n')
}

func (b *truncatable) String() string { return string(b.buf) }

// show prints a row, and returns it as JSON; nil if a filter left it out.
func (s *shower) show(r *txn.Record, level int) output.JSONText {
	start := len(s.b.buf)
	spec := shownTable(r.Table.Name)
	o := output.NewObject()
	o.Member("_uuid", output.JSONString(r.UUID.String()))
	if spec == nil || spec.name == "" {
		s.b.put(level, r.UUID.String())
	} else {
		c := r.Table.Column(spec.name)
		s.b.put(level, r.Table.Name, " ", ovsdb.FormatDatum(r.Get(c), &c.Type))
		o.Member(spec.name, ovsdb.AppendDatum(nil, r.Get(c), &c.Type))
	}
	if spec == nil || s.open[spec.table] {
		return o.Close()
	}
	s.open[spec.table] = true
	for _, name := range spec.columns {
		s.column(r, r.Table.Column(name), level, o)
	}
	delete(s.open, spec.table)
	if !s.passes(spec.table, string(s.b.buf[start:])) {
		s.b.buf = s.b.buf[:start]
		return nil
	}
	return o.Close()
}

func (s *shower) column(r *txn.Record, c *ovsdb.ColumnSchema, level int, o *output.Object) {
	d := r.Get(c)
	if ref := shownTable(c.Type.Key.RefTable); ref != nil {
		var nodes []output.JSONText
		for _, to := range s.c.X.Follow(ref.table, d) {
			if node := s.show(to, level+1); node != nil {
				nodes = append(nodes, node)
			}
		}
		o.Member(c.Name, output.JSONArray(nodes))
		return
	}
	if ref := shownTable(c.Type.Value.RefTable); ref != nil && ref.name != "" {
		s.b.put(level+1, c.Name, ":")
		names := output.NewObject()
		for key, value := range d.Pairs() {
			k := ovsdb.FormatAtom(key, c.Type.Key.Type)
			name, plain := `"<null>"`, output.JSONText("null")
			if to := s.c.X.Find(txn.TableNamed(ref.table), value.UUID()); to != nil {
				nc := to.Table.Column(ref.name)
				name, plain = ovsdb.FormatDatum(to.Get(nc), &nc.Type), ovsdb.AppendDatum(nil, to.Get(nc), &nc.Type)
			}
			s.b.put(level+2, k, "=", name)
			names.Member(k, plain)
		}
		o.Member(c.Name, names.Close())
		return
	}
	o.Member(c.Name, output.PlainJSON(d, &c.Type))
	if !d.IsDefault(&c.Type) {
		s.b.put(level+1, c.Name, ": ", ovsdb.FormatDatum(d, &c.Type))
	}
}

// passes says whether the text of a row passes the filter of its table.
func (s *shower) passes(table, text string) bool {
	words, ok := s.filters[table]
	if !ok {
		return true
	}
	text = strings.ToLower(text)
	for _, w := range words {
		if strings.Contains(text, strings.ToLower(w)) {
			return true
		}
	}
	return false
}
