package ovsdb

// RowDelta is what became of one row: Old is nil for a new one, New for one that
// is gone.
type RowDelta struct {
	UUID     UUID
	Old, New *Row
}
