package hwvtep

import (
	"sync/atomic"

	"github.com/vtep/vtep/internal/ovsdb"
)

// knownTable and knownColumn describe what the generated code is written for.
type knownTable struct {
	name    string
	columns []knownColumn
}

type knownColumn struct {
	name       string
	key, value ovsdb.AtomicType
}

// Layout says where the columns of hardware_vtep are in the rows of one schema.
type Layout struct {
	schema *ovsdb.DatabaseSchema
	tables [numTables]tableLayout
}

type tableLayout struct {
	exists bool
	have   uint32  // the known columns that the schema has, as bits
	at     []int16 // where each known column is in a Row, or -1
}

// lastLayout saves the work for a view of each new snapshot: their schema is
// nearly always the one before.
var lastLayout atomic.Pointer[Layout]

// NewLayout returns the layout for schema; nil stands for the schema of this package.
func NewLayout(schema *ovsdb.DatabaseSchema) *Layout {
	if schema == nil {
		schema = Schema()
	}
	if l := lastLayout.Load(); l != nil && l.schema == schema {
		return l
	}
	l := &Layout{schema: schema}
	for i := range known {
		l.tables[i] = newTableLayout(schema.Tables[known[i].name], &known[i])
	}
	lastLayout.Store(l)
	return l
}

func newTableLayout(table *ovsdb.TableSchema, k *knownTable) tableLayout {
	t := tableLayout{exists: table != nil, at: make([]int16, len(k.columns))}
	for i, want := range k.columns {
		t.at[i] = -1
		if table == nil {
			continue
		}
		// A column of another type is as good as none: reading it as the type
		// that is expected would be reading garbage.
		c := table.Column(want.name)
		if c == nil || c.Type.Key.Type != want.key || c.Type.Value.Type != want.value {
			continue
		}
		t.at[i] = int16(c.Index)
		t.have |= 1 << i
	}
	return t
}

// Schema returns the schema that l is for.
func (l *Layout) Schema() *ovsdb.DatabaseSchema { return l.schema }

// HasColumn reports whether the schema has the column, with the type known here.
func (l *Layout) HasColumn(table, column string) bool {
	for i := range known {
		if known[i].name != table {
			continue
		}
		for j, c := range known[i].columns {
			if c.name == column {
				return l.tables[i].at[j] >= 0
			}
		}
	}
	return false
}
