package ovsdb

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// DatabaseSchema describes a database.
type DatabaseSchema struct {
	Name    string
	Version string // "x.y.z"; "" in schemas that have none
	Cksum   string // "" in schemas that have none
	Tables  map[string]*TableSchema
}

// ParseSchema parses a <database-schema>. As the server does, it makes every
// table a root if none is, checks that references name tables, and makes
// ephemeral strong references to non-root tables persistent.
func ParseSchema(v wire.Value) (*DatabaseSchema, error) {
	m := NewMembers(v, "database schema")
	name := m.Get("name", OpID)
	version := m.Get("version", OpString|OpOptional)
	cksum := m.Get("cksum", OpString|OpOptional)
	tables := m.Get("tables", OpObject)
	if err := m.Finish(); err != nil {
		return nil, err
	}
	if version.Exists() && !isVersion(version.Str()) {
		return nil, SyntaxError(v, "", `schema version "%s" not in format x.y.z`, version.Str())
	}
	s := &DatabaseSchema{
		Name:    clone(name.Str()),
		Version: clone(version.Str()),
		Cksum:   clone(cksum.Str()),
		Tables:  make(map[string]*TableSchema, tables.Len()),
	}
	for name, t := range tables.Members() {
		if err := checkName(v, name); err != nil {
			return nil, err
		}
		ts, err := parseTable(t, name)
		if err != nil {
			return nil, err
		}
		s.Tables[ts.Name] = ts
	}
	// isRoot came later than schemas did. One without any is of a time when
	// nothing was collected.
	if s.countRoots() == 0 {
		for _, ts := range s.Tables {
			ts.IsRoot = true
		}
	}
	for _, ts := range s.SortedTables() {
		for _, c := range ts.Columns {
			if err := s.resolve(c); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// resolve checks the references of c.
func (s *DatabaseSchema) resolve(c *ColumnSchema) error {
	for _, base := range []struct {
		*BaseType
		name string
	}{{&c.Type.Key, "key"}, {&c.Type.Value, "value"}} {
		if !base.IsRef() {
			continue
		}
		target := s.Tables[base.RefTable]
		if target == nil {
			return SyntaxError(wire.Value{}, "", "column %s %s refers to undefined table %s",
				c.Name, base.name, base.RefTable)
		}
		// If the only reference to a row were not in the log, a replay of the
		// log would collect the row.
		if base.IsStrongRef() && !target.IsRoot {
			c.Persistent = true
		}
	}
	return nil
}

func isVersion(s string) bool {
	parts := strings.Split(s, ".")
	for _, p := range parts {
		if _, err := strconv.ParseUint(p, 10, 32); err != nil {
			return false
		}
	}
	return len(parts) == 3
}

func (s *DatabaseSchema) countRoots() int {
	n := 0
	for _, ts := range s.Tables {
		if ts.IsRoot {
			n++
		}
	}
	return n
}

// SortedTables returns the tables in the order of their names.
func (s *DatabaseSchema) SortedTables() []*TableSchema {
	tables := make([]*TableSchema, 0, len(s.Tables))
	for _, ts := range s.Tables {
		tables = append(tables, ts)
	}
	slices.SortFunc(tables, func(a, b *TableSchema) int { return cmp.Compare(a.Name, b.Name) })
	return tables
}

// AppendJSON appends s as a <database-schema>, with sorted members. isRoot is
// left out if every table is a root.
func (s *DatabaseSchema) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if s.Cksum != "" {
		dst = append(wire.AppendString(append(dst, `"cksum":`...), s.Cksum), ',')
	}
	dst = wire.AppendString(append(dst, `"name":`...), s.Name)
	dst = append(dst, `,"tables":{`...)
	defaultIsRoot := s.countRoots() == len(s.Tables)
	for i, ts := range s.SortedTables() {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, ts.Name), ':')
		dst = ts.AppendJSON(dst, defaultIsRoot)
	}
	dst = append(dst, '}')
	if s.Version != "" {
		dst = wire.AppendString(append(dst, `,"version":`...), s.Version)
	}
	return append(dst, '}')
}

// Equal reports whether s and other are equivalent.
func (s *DatabaseSchema) Equal(other *DatabaseSchema) bool {
	if s == other {
		return true
	}
	return string(s.AppendJSON(nil)) == string(other.AppendJSON(nil))
}
