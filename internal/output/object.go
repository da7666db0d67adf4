package output

import (
	"bytes"
	"sort"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Object builds a JSON object with sorted members.
type Object struct {
	names  []string
	values map[string]JSONText
}

// NewObject begins an object.
func NewObject() *Object { return &Object{values: map[string]JSONText{}} }

// Member adds a member, or gives it another value.
func (o *Object) Member(name string, v JSONText) {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

// Close returns the object.
func (o *Object) Close() JSONText {
	sort.Strings(o.names)
	dst := JSONText{'{'}
	for i, name := range o.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = append(dst, o.values[name]...)
	}
	return append(dst, '}')
}

// JSONArray returns a JSON array.
func JSONArray(values []JSONText) JSONText {
	raw := make([][]byte, len(values))
	for i, v := range values {
		raw[i] = v
	}
	dst := append(JSONText{'['}, bytes.Join(raw, []byte{','})...)
	return append(dst, ']')
}

// PlainJSON returns a value the way programs like it: an array for a set, an object for a map,
// null or an atom for an optional one, UUIDs as strings.
func PlainJSON(d ovsdb.Datum, t *ovsdb.Type) JSONText {
	atom := func(a ovsdb.Atom, at ovsdb.AtomicType) JSONText {
		if at == ovsdb.UUIDType {
			return JSONString(a.UUID().String())
		}
		return ovsdb.AppendAtom(nil, a, at)
	}
	switch {
	case t.IsMap():
		o := NewObject()
		for k, v := range d.Pairs() {
			name := ovsdb.AppendAtomBare(nil, k, t.Key.Type)
			o.Member(string(name), atom(v, t.Value.Type))
		}
		return o.Close()
	case t.Max == 1 && d.IsEmpty():
		return JSONText("null")
	case t.Max == 1:
		return atom(d.Key(0), t.Key.Type)
	}
	var list []JSONText
	for a := range d.Keys() {
		list = append(list, atom(a, t.Key.Type))
	}
	return JSONArray(list)
}

// JSONString returns a JSON string.
func JSONString(s string) JSONText { return wire.AppendString(nil, s) }

// JSONStrings returns a JSON array of strings.
func JSONStrings(list []string) JSONText {
	values := make([]JSONText, len(list))
	for i, s := range list {
		values[i] = JSONString(s)
	}
	return JSONArray(values)
}
