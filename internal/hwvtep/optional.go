package hwvtep

// Optional is the value of a column that may be empty. The zero Optional is
// empty. Optionals can be compared with ==.
type Optional[T comparable] struct {
	value   T
	present bool
}

// Some returns an Optional that holds value.
func Some[T comparable](value T) Optional[T] { return Optional[T]{value, true} }

// Get returns the value and whether there is one.
func (o Optional[T]) Get() (T, bool) { return o.value, o.present }

// Present reports whether there is a value.
func (o Optional[T]) Present() bool { return o.present }
