package vtepctl

import (
	"bytes"
	"sort"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// object builds a JSON object with sorted members.
type object struct {
	names  []string
	values map[string]jsonValue
}

func newObject() *object { return &object{values: map[string]jsonValue{}} }

func (o *object) member(name string, v jsonValue) {
	if _, ok := o.values[name]; !ok {
		o.names = append(o.names, name)
	}
	o.values[name] = v
}

func (o *object) close() jsonValue {
	sort.Strings(o.names)
	dst := jsonValue{'{'}
	for i, name := range o.names {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(wire.AppendString(dst, name), ':')
		dst = append(dst, o.values[name]...)
	}
	return append(dst, '}')
}

// joinJSON returns a JSON array.
func joinJSON(values []jsonValue) jsonValue {
	raw := make([][]byte, len(values))
	for i, v := range values {
		raw[i] = v
	}
	dst := append(jsonValue{'['}, bytes.Join(raw, []byte{','})...)
	return append(dst, ']')
}

// plainJSON returns a value the way programs like it: an array for a set, an object for a map,
// null or an atom for an optional one, UUIDs as strings.
func plainJSON(d ovsdb.Datum, t *ovsdb.Type) jsonValue {
	atom := func(a ovsdb.Atom, at ovsdb.AtomicType) jsonValue {
		if at == ovsdb.UUIDType {
			return jsonString(a.UUID().String())
		}
		return ovsdb.AppendAtom(nil, a, at)
	}
	switch {
	case t.IsMap():
		o := newObject()
		for k, v := range d.Pairs() {
			name := ovsdb.AppendAtomBare(nil, k, t.Key.Type)
			o.member(string(name), atom(v, t.Value.Type))
		}
		return o.close()
	case t.Max == 1 && d.IsEmpty():
		return jsonValue("null")
	case t.Max == 1:
		return atom(d.Key(0), t.Key.Type)
	}
	var list []jsonValue
	for a := range d.Keys() {
		list = append(list, atom(a, t.Key.Type))
	}
	return joinJSON(list)
}
