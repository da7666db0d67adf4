package ovsdb

// Row is one row of a table at one version. It does not change once it is
// published: a change makes a new Row.
type Row struct {
	UUID    UUID
	Version UUID
	Fields  []Datum // by ColumnSchema.Index
}

// Field returns the value of column c, which may be UUIDColumn or VersionColumn.
func (r *Row) Field(c *ColumnSchema) Datum {
	switch c.Index {
	case UUIDColumn.Index:
		return Scalar(RefTo(&r.UUID))
	case VersionColumn.Index:
		return Scalar(RefTo(&r.Version))
	}
	return r.Fields[c.Index]
}

// AppendField appends the value of column c in the notation of RFC 7047.
func (r *Row) AppendField(dst []byte, c *ColumnSchema) []byte {
	switch c.Index {
	case UUIDColumn.Index:
		return AppendUUID(dst, r.UUID)
	case VersionColumn.Index:
		return AppendUUID(dst, r.Version)
	}
	return AppendDatum(dst, r.Fields[c.Index], &c.Type)
}
