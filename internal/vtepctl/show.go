package vtepctl

import (
	"strings"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
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

func overviewCommands() group {
	return group{
		title: "Overview",
		commands: []command{
			{name: "show", brief: "print an overview of the database",
				options: []getopt.Option{{Long: "filter", Arg: getopt.RequiredArg, ArgName: "FILTER", Extra: true,
					Help: "print only what matches: TABLE(TEXT|TEXT...),..."}},
				text: "FILTER is a list of TABLE(TEXT|TEXT...), separated by commas: of TABLE only those rows are " +
					"printed whose part of the output contains one of the TEXTs, in any case. TEXT alone is about the Global table.",
				needs: needShow, run: show},
			listTunnelsCommand(),
			monitorCommand(),
		},
	}
}

func needShow(c *call) error {
	for _, s := range shownTables {
		if s.name != "" {
			c.needed.named(s.table, s.name)
		}
		c.needed.named(s.table, s.columns...)
	}
	return nil
}

func show(c *call) error {
	s := &shower{c: c, open: map[string]bool{}}
	if text, ok := c.opt("filter"); ok && text != "" {
		var err error
		if s.filters, err = parseFilters(text); err != nil {
			return err
		}
	}
	var nodes []jsonValue
	for _, r := range c.x.all(tableNamed(hwvtep.TableGlobal)) {
		if node := s.show(r, 0); node != nil {
			nodes = append(nodes, node)
		}
	}
	c.out.WriteString(s.b.String())
	c.value = joinJSON(nodes)
	return nil
}

// shower prints rows and those that they refer to.
type shower struct {
	c       *call
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
func (s *shower) show(r *record, level int) jsonValue {
	start := len(s.b.buf)
	spec := shownTable(r.table.Name)
	o := newObject()
	o.member("_uuid", jsonString(r.uuid.String()))
	if spec == nil || spec.name == "" {
		s.b.put(level, r.uuid.String())
	} else {
		c := r.table.Column(spec.name)
		s.b.put(level, r.table.Name, " ", ovsdb.FormatDatum(r.get(c), &c.Type))
		o.member(spec.name, jsonDatum(r.get(c), &c.Type))
	}
	if spec == nil || s.open[spec.table] {
		return o.close()
	}
	s.open[spec.table] = true
	for _, name := range spec.columns {
		s.column(r, r.table.Column(name), level, o)
	}
	delete(s.open, spec.table)
	if !s.passes(spec.table, string(s.b.buf[start:])) {
		s.b.buf = s.b.buf[:start]
		return nil
	}
	return o.close()
}

func (s *shower) column(r *record, c *ovsdb.ColumnSchema, level int, o *object) {
	d := r.get(c)
	if ref := shownTable(c.Type.Key.RefTable); ref != nil {
		var nodes []jsonValue
		for _, to := range s.c.x.follow(ref.table, d) {
			if node := s.show(to, level+1); node != nil {
				nodes = append(nodes, node)
			}
		}
		o.member(c.Name, joinJSON(nodes))
		return
	}
	if ref := shownTable(c.Type.Value.RefTable); ref != nil && ref.name != "" {
		s.b.put(level+1, c.Name, ":")
		names := newObject()
		for key, value := range d.Pairs() {
			k := ovsdb.FormatAtom(key, c.Type.Key.Type)
			name, plain := `"<null>"`, jsonValue("null")
			if to := s.c.x.find(tableNamed(ref.table), value.UUID()); to != nil {
				nc := to.table.Column(ref.name)
				name, plain = ovsdb.FormatDatum(to.get(nc), &nc.Type), jsonDatum(to.get(nc), &nc.Type)
			}
			s.b.put(level+2, k, "=", name)
			names.member(k, plain)
		}
		o.member(c.Name, names.close())
		return
	}
	o.member(c.Name, plainJSON(d, &c.Type))
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
