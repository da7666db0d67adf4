package ovsdb

import (
	"math"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Mutator is what a mutation does.
type Mutator uint8

// The mutators.
const (
	MutateAdd Mutator = iota
	MutateSub
	MutateMul
	MutateDiv
	MutateMod
	MutateInsert
	MutateDelete
)

var mutatorNames = [...]string{"+=", "-=", "*=", "/=", "%=", "insert", "delete"}

// String returns the notation of m.
func (m Mutator) String() string { return mutatorNames[m] }

// ParseMutator returns the mutator called name.
func ParseMutator(name string) (Mutator, error) {
	for m, n := range mutatorNames {
		if n == name {
			return Mutator(m), nil
		}
	}
	return 0, SyntaxError(wire.Value{}, "unknown mutator", "No mutator named %s.", name)
}

// Mutation is a change of one column.
type Mutation struct {
	Column  *ColumnSchema
	Mutator Mutator
	Arg     Datum
	ArgType Type // that of Arg: of a map's delete, it may be a set of keys
}

// Mutations are made in order.
type Mutations []Mutation

// ParseMutations parses an array of <mutation> of RFC 7047 on the columns of ts.
func ParseMutations(v wire.Value, ts *TableSchema, syms *SymbolTable) (Mutations, error) {
	if v.Kind() != wire.Array {
		return nil, SyntaxError(v, "", "array expected")
	}
	ms := make(Mutations, 0, v.Len())
	for e := range v.Elems() {
		m, err := parseMutation(e, ts, syms)
		if err != nil {
			return nil, err
		}
		ms = append(ms, m)
	}
	return ms, nil
}

func parseMutation(v wire.Value, ts *TableSchema, syms *SymbolTable) (Mutation, error) {
	if v.Kind() != wire.Array || v.Len() != 3 ||
		v.Index(0).Kind() != wire.String || v.Index(1).Kind() != wire.String {
		return Mutation{}, SyntaxError(v, "", "Parse error in mutation.")
	}
	name := v.Index(0).Str()
	m := Mutation{Column: ts.Column(name)}
	if m.Column == nil {
		return m, SyntaxError(v, "unknown column", "No column %s in table %s.", name, ts.Name)
	}
	if !m.Column.Mutable {
		return m, SyntaxError(v, "constraint violation",
			"Cannot mutate immutable column %s in table %s.", name, ts.Name)
	}
	var err error
	if m.Mutator, err = ParseMutator(v.Index(1).Str()); err != nil {
		return m, err
	}
	m.ArgType = m.Column.Type
	t := &m.ArgType
	switch m.Mutator {
	case MutateInsert, MutateDelete:
		if !t.IsSet() && !t.IsMap() {
			return m, typeMismatch(v, m.Mutator.String(), m.Column)
		}
		t.Min = 0
		if m.Mutator == MutateDelete {
			t.Max = Unlimited
		}
	default:
		if t.IsMap() || t.Key.Type != Integer && t.Key.Type != Real ||
			m.Mutator == MutateMod && t.Key.Type == Real {
			return m, typeMismatch(v, m.Mutator.String(), m.Column)
		}
		*t = ScalarType(t.Key.Type)
	}
	m.Arg, err = ParseDatum(v.Index(2), t, syms)
	if err != nil && m.Mutator == MutateDelete && t.IsMap() {
		t.Value = BaseType{} // not pairs: try keys
		m.Arg, err = ParseDatum(v.Index(2), t, syms)
	}
	return m, err
}

// Apply makes the mutations on fields, which are indexed by
// ColumnSchema.Index. It replaces elements of fields, up to the first error.
func (ms Mutations) Apply(fields []Datum) error {
	for i := range ms {
		m := &ms[i]
		d, err := m.Result(fields[m.Column.Index])
		if err != nil {
			return err
		}
		fields[m.Column.Index] = d
	}
	return nil
}

// Result returns what m makes of d.
func (m *Mutation) Result(d Datum) (Datum, error) {
	t := &m.Column.Type
	switch m.Mutator {
	case MutateInsert:
		d = d.Union(m.Arg, t)
		return d, d.CheckCount(t)
	case MutateDelete:
		d = d.Subtract(m.Arg, t)
		return d, d.CheckCount(t)
	}
	if d.IsEmpty() {
		return d, nil
	}
	arg := m.Arg.Key(0)
	atoms := make([]Atom, 0, d.Len())
	for a := range d.Keys() {
		a, err := m.arithmetic(a, arg)
		if err != nil {
			return Datum{}, err
		}
		atoms = append(atoms, a)
	}
	for _, a := range atoms {
		if err := t.Key.Check(a); err != nil {
			return Datum{}, err
		}
	}
	sortAtoms(atoms, 1, t.Key.Type)
	if len(dedup(atoms, 1, t.Key.Type)) < len(atoms) {
		return Datum{}, ConstraintError(`Result of "%s" operation contains duplicates.`, m.Mutator)
	}
	return datumOf(atoms, false), nil
}

func (m *Mutation) arithmetic(a, arg Atom) (Atom, error) {
	if m.Column.Type.Key.Type == Integer {
		i, err := m.Mutator.onInt(a.Int(), arg.Int())
		return IntAtom(i), err
	}
	f, err := m.Mutator.onReal(a.Real(), arg.Real())
	return RealAtom(f), err
}

func (m Mutator) onInt(x, y int64) (int64, error) {
	switch m {
	case MutateAdd:
		z := x + y
		if (z > x) == (y > 0) || y == 0 {
			return z, nil
		}
	case MutateSub:
		z := x - y
		if (z < x) == (y > 0) || y == 0 {
			return z, nil
		}
	case MutateMul:
		if z, ok := multiply(x, y); ok {
			return z, nil
		}
	case MutateDiv, MutateMod:
		if y == 0 {
			return 0, NewError("domain error", "Division by zero.")
		}
		if x == math.MinInt64 && y == -1 {
			break
		}
		if m == MutateDiv {
			return x / y, nil
		}
		return x % y, nil
	}
	return 0, m.rangeError()
}

// multiply refuses, of positive factors, the largest x for a y although the
// product fits, as ovsdb-server does.
func multiply(x, y int64) (int64, bool) {
	switch {
	case x > 0 && y > 0:
		return x * y, x < math.MaxInt64/y
	case x > 0:
		return x * y, y >= math.MinInt64/x
	case y > 0:
		return x * y, x >= math.MinInt64/y
	case x != 0:
		return x * y, y >= math.MaxInt64/x
	}
	return 0, true
}

func (m Mutator) onReal(x, y float64) (float64, error) {
	switch m {
	case MutateAdd:
		x += y
	case MutateSub:
		x -= y
	case MutateMul:
		x *= y
	case MutateDiv:
		if y == 0 {
			return 0, NewError("domain error", "Division by zero.")
		}
		x /= y
	}
	if !(x >= -math.MaxFloat64 && x <= math.MaxFloat64) {
		return 0, m.rangeError()
	}
	return x, nil
}

func (m Mutator) rangeError() error {
	return NewError("range error", `Result of "%s" operation is out of range.`, m)
}
