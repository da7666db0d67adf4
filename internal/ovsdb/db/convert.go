package db

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Convert returns a database with the given schema and the content of d, as
// far as the schema has place for it. It fails if a value does not suit its
// column, or the whole its schema. d remains as it is.
func (d *Database) Convert(schema *ovsdb.DatabaseSchema) (*Database, error) {
	to := New(schema)
	x := to.begin()
	for _, src := range d.sorted {
		dst := to.tables[src.schema.Name]
		if dst == nil {
			continue
		}
		columns := commonColumns(src.schema, dst.schema)
		fields := slices.Clone(dst.defaults)
		for row := range src.All() {
			copy(fields, dst.defaults)
			for _, c := range columns {
				var err error
				if fields[c.to.Index], err = c.convert(row.At(c.from.Index)); err != nil {
					x.abort()
					return nil, err
				}
			}
			x.insertRow(dst, ovsdb.NewRow(row.UUID, fields).Renew())
		}
	}
	if _, err := x.commit(); err != nil {
		return nil, err
	}
	return to, nil
}

// conversion is a column of two schemas.
type conversion struct {
	from, to *ovsdb.ColumnSchema
	same     bool // the types are the same
}

func commonColumns(src, dst *ovsdb.TableSchema) []conversion {
	var columns []conversion
	for _, from := range src.Columns {
		if to := dst.Column(from.Name); to != nil {
			columns = append(columns, conversion{from, to, from.Type.Equal(&to.Type)})
		}
	}
	return columns
}

func (c *conversion) convert(d ovsdb.Datum) (ovsdb.Datum, error) {
	if c.same {
		return d.Clone(&c.to.Type), nil // references must not hold on to the old rows
	}
	v, err := wire.Parse(ovsdb.AppendExactDatum(nil, d, &c.from.Type))
	if err != nil {
		return ovsdb.Datum{}, err
	}
	return ovsdb.ParseDatum(v, &c.to.Type, nil)
}
