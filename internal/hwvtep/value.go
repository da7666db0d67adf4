package hwvtep

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// appendFunc appends one atom in the notation of RFC 7047.
type appendFunc[T any] func([]byte, T) []byte

// appendSet appends a set; one element is a bare atom, which some NVCs rely on.
func appendSet[T any](dst []byte, elems []T, one appendFunc[T]) []byte {
	if len(elems) == 1 {
		return one(dst, elems[0])
	}
	dst = append(dst, `["set",[`...)
	for i, e := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = one(dst, e)
	}
	return append(dst, "]]"...)
}

// appendMap appends a map in the order of its keys, so that equal transactions
// are equal texts.
func appendMap[K cmp.Ordered, V any](dst []byte, m map[K]V, key appendFunc[K], value appendFunc[V]) []byte {
	dst = append(dst, `["map",[`...)
	for i, k := range slices.Sorted(maps.Keys(m)) {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(key(append(dst, '['), k), ',')
		dst = append(value(dst, m[k]), ']')
	}
	return append(dst, "]]"...)
}

// appendKeys appends the keys of m as a set.
func appendKeys[K cmp.Ordered, V any](dst []byte, m map[K]V, key appendFunc[K]) []byte {
	return appendSet(dst, slices.Sorted(maps.Keys(m)), key)
}

func appendOptional[T comparable](dst []byte, o Optional[T], one appendFunc[T]) []byte {
	if !o.present {
		return append(dst, `["set",[]]`...)
	}
	return one(dst, o.value)
}

// appendEnum appends a value of an enumeration, of which "" is none.
func appendEnum(dst []byte, value string) []byte {
	return appendOptional(dst, Optional[string]{value, value != ""}, wire.AppendString)
}

// closeObject ends an object whose members were each appended with a comma.
func closeObject(dst []byte) []byte {
	if n := len(dst) - 1; dst[n] == ',' {
		dst[n] = '}'
		return dst
	}
	return append(dst, '}')
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
