package ovsdb

// Changes are how two states of a database differ, as rows rather than as text. They do not change,
// and may be read by any goroutine.
type Changes interface {
	// EachRow calls visit for every row that differs, once: before is nil for a new one, after for
	// one that is gone. Never both are.
	EachRow(visit func(t *TableSchema, before, after *Row))
}
