package argument

import (
	"errors"
	"fmt"
	"math"
	"sort"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

// The names of tables and columns may be shortened, in any case, with "-" for "_".

// score says how well s, which a user wrote, matches name: 0 not at all, more is better.
func score(name, s string) int {
	if name == s {
		return math.MaxInt
	}
	if len(s) > len(name) || !strings.EqualFold(name[:len(s)], strings.ReplaceAll(s, "-", "_")) {
		return 0
	}
	if len(s) == len(name) {
		return math.MaxInt - 1
	}
	return len(s)
}

// best returns the names that match s best, sorted.
func best(names []string, s string) []string {
	var found []string
	top := 0
	for _, name := range names {
		n := score(name, s)
		if n == 0 || n < top {
			continue
		}
		if n > top {
			found, top = nil, n
		}
		found = append(found, name)
	}
	sort.Strings(found)
	return found
}

// FindTable finds the table that name stands for.
func FindTable(name string) (*ovsdb.TableSchema, error) {
	schema := hwvtep.Schema()
	names := make([]string, 0, len(schema.Tables))
	for n := range schema.Tables {
		names = append(names, n)
	}
	found := best(names, name)
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("unknown table \"%s\"", name)
	case 1:
		return schema.Tables[found[0]], nil
	}
	return nil, fmt.Errorf("\"%s\" matches multiple table names: %s", name, strings.Join(found, ", "))
}

// FindColumn finds the column of table that name stands for.
func FindColumn(table *ovsdb.TableSchema, name string) (*ovsdb.ColumnSchema, error) {
	names := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		names[i] = c.Name
	}
	found := best(names, name)
	switch len(found) {
	case 0:
		return nil, fmt.Errorf("%s does not contain a column whose name matches \"%s\"", table.Name, name)
	case 1:
		return table.Column(found[0]), nil
	}
	return nil, fmt.Errorf("%s contains more than one column whose name matches \"%s\": %s",
		table.Name, name, strings.Join(found, ", "))
}

// IsUUIDColumn says whether name asks for the UUID of a row.
func IsUUIDColumn(name string) bool { return strings.EqualFold(name, "_uuid") }

// FindColumns finds the columns of a --columns option; without one, all of them after the
// UUID.
func FindColumns(table *ovsdb.TableSchema, names string, given bool) ([]*ovsdb.ColumnSchema, error) {
	if !given {
		return append([]*ovsdb.ColumnSchema{ovsdb.UUIDColumn}, table.Columns...), nil
	}
	var columns []*ovsdb.ColumnSchema
	for _, name := range strings.FieldsFunc(names, func(r rune) bool { return r == ',' || r == ' ' }) {
		if IsUUIDColumn(name) {
			columns = append(columns, ovsdb.UUIDColumn)
			continue
		}
		c, err := FindColumn(table, name)
		if err != nil {
			return nil, err
		}
		columns = append(columns, c)
	}
	if len(columns) == 0 {
		return nil, errors.New("must specify at least one column name")
	}
	return columns, nil
}

// nameColumns are the columns by whose value a record of a table may be called.
var nameColumns = map[string]string{
	hwvtep.TableLogicalRouter:  "name",
	hwvtep.TableLogicalSwitch:  "name",
	hwvtep.TableManager:        "target",
	hwvtep.TablePhysicalPort:   "name",
	hwvtep.TablePhysicalSwitch: "name",
}

// NameColumn returns the column that names the records of table, or nil.
func NameColumn(table *ovsdb.TableSchema) *ovsdb.ColumnSchema {
	if name, ok := nameColumns[table.Name]; ok {
		return table.Column(name)
	}
	return nil
}
