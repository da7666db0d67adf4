package hwvtep

import (
	"slices"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

func appendOptional[T comparable](dst []byte, o Optional[T], one func([]byte, T) []byte) []byte {
	if !o.present {
		return append(dst, `["set",[]]`...)
	}
	return one(dst, o.value)
}

// appendEnum appends a value of an enumeration, of which "" is none.
func appendEnum(dst []byte, value string) []byte {
	return appendOptional(dst, Optional[string]{value, value != ""}, wire.AppendString)
}

// equalSets reports whether a and b have the same elements, duplicates apart.
func equalSets[T comparable](a, b []T, compare func(T, T) int) bool {
	if slices.Equal(a, b) {
		return true
	}
	sorted := func(s []T) []T {
		s = slices.SortedFunc(slices.Values(s), compare)
		return slices.Compact(s)
	}
	return slices.Equal(sorted(a), sorted(b))
}
