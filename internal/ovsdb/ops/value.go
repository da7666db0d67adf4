package ops

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// AppendSet appends a set, of which one appends an element. A single element is a
// bare atom, which some peers rely on.
func AppendSet[T any](dst []byte, elems []T, one func([]byte, T) []byte) []byte {
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

// AppendMap appends a map in the order of its keys, so that equal transactions are
// equal texts.
func AppendMap[K cmp.Ordered, V any](dst []byte, m map[K]V, key func([]byte, K) []byte, value func([]byte, V) []byte) []byte {
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

// AppendKeys appends the keys of m as a set.
func AppendKeys[K cmp.Ordered, V any](dst []byte, m map[K]V, key func([]byte, K) []byte) []byte {
	return AppendSet(dst, slices.Sorted(maps.Keys(m)), key)
}

// Value appends v, whose type is string, bool, int, int64, float64, ovsdb.UUID, a
// slice of string, int64 or ovsdb.UUID, or a map from string or int64 to string, or
// to ovsdb.UUID. A nil slice is the empty set. A v of another type is a mistake in
// the program, and panics.
func Value(v any) AppendFunc {
	return func(dst []byte, refs Refs) []byte {
		switch v := v.(type) {
		case string:
			return wire.AppendString(dst, v)
		case bool:
			return wire.AppendBool(dst, v)
		case int:
			return wire.AppendInt(dst, int64(v))
		case int64:
			return wire.AppendInt(dst, v)
		case float64:
			return wire.AppendReal(dst, v)
		case ovsdb.UUID:
			return refs.AppendUUID(dst, v)
		case []string:
			return AppendSet(dst, v, wire.AppendString)
		case []int64:
			return AppendSet(dst, v, wire.AppendInt)
		case []ovsdb.UUID:
			return AppendSet(dst, v, refs.AppendUUID)
		case map[string]string:
			return AppendMap(dst, v, wire.AppendString, wire.AppendString)
		case map[int64]string:
			return AppendMap(dst, v, wire.AppendInt, wire.AppendString)
		case map[string]ovsdb.UUID:
			return AppendMap(dst, v, wire.AppendString, refs.AppendUUID)
		case map[int64]ovsdb.UUID:
			return AppendMap(dst, v, wire.AppendInt, refs.AppendUUID)
		}
		panic(fmt.Sprintf("ops: a value cannot be a %T", v))
	}
}

// Values are columns by name, with values as Value takes them.
type Values map[string]any

// Append appends the columns. It is an AppendFunc.
func (v Values) Append(dst []byte, refs Refs) []byte {
	for _, name := range slices.Sorted(maps.Keys(v)) {
		dst = append(wire.AppendString(dst, name), ':')
		dst = append(Value(v[name])(dst, refs), ',')
	}
	return dst
}
