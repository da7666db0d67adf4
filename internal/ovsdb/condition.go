package ovsdb

import (
	"cmp"
	"slices"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Function is what a clause asks of a column. Their order is that in which
// they are evaluated: those first that leave fewest rows.
type Function uint8

// The functions.
const (
	FuncFalse Function = iota
	FuncTrue
	FuncEqual
	FuncIncludes
	FuncLessEqual
	FuncLess
	FuncGreaterEqual
	FuncGreater
	FuncExcludes
	FuncNotEqual
)

var functionNames = [...]string{"false", "true", "==", "includes", "<=", "<", ">=", ">", "excludes", "!="}

// String returns the notation of f.
func (f Function) String() string { return functionNames[f] }

// ParseFunction returns the function called name. FuncTrue and FuncFalse have
// none: they are written as booleans in place of a clause.
func ParseFunction(name string) (Function, error) {
	for f := FuncEqual; f <= FuncNotEqual; f++ {
		if functionNames[f] == name {
			return f, nil
		}
	}
	return 0, SyntaxError(wire.Value{}, "unknown function", "No function named %s.", name)
}

// Clause is a condition on one column. For FuncTrue and FuncFalse the column
// is UUIDColumn and means nothing.
type Clause struct {
	Function Function
	Column   *ColumnSchema
	Arg      Datum
}

// Condition is a list of clauses, in the order in which they are best evaluated.
type Condition []Clause

// ParseCondition parses an array of <condition> of RFC 7047, or booleans, on
// the columns of ts.
func ParseCondition(v wire.Value, ts *TableSchema, syms *SymbolTable) (Condition, error) {
	if v.Kind() != wire.Array {
		return nil, SyntaxError(v, "", "array expected")
	}
	c := make(Condition, 0, v.Len())
	for e := range v.Elems() {
		clause, err := parseClause(e, ts, syms)
		if err != nil {
			return nil, err
		}
		c = append(c, clause)
	}
	slices.SortStableFunc(c, compareClauses)
	return c, nil
}

func parseClause(v wire.Value, ts *TableSchema, syms *SymbolTable) (Clause, error) {
	switch v.Kind() {
	case wire.True:
		return Clause{Function: FuncTrue, Column: UUIDColumn, Arg: Default(&UUIDColumn.Type)}, nil
	case wire.False:
		return Clause{Function: FuncFalse, Column: UUIDColumn, Arg: Default(&UUIDColumn.Type)}, nil
	}
	if v.Kind() != wire.Array || v.Len() != 3 ||
		v.Index(0).Kind() != wire.String || v.Index(1).Kind() != wire.String {
		return Clause{}, SyntaxError(v, "", "Parse error in condition.")
	}
	name := v.Index(0).Str()
	column := ts.Column(name)
	if column == nil {
		return Clause{}, SyntaxError(v, "unknown column", "No column %s in table %s.", name, ts.Name)
	}
	f, err := ParseFunction(v.Index(1).Str())
	if err != nil {
		return Clause{}, err
	}
	t := column.Type
	switch f {
	case FuncLess, FuncLessEqual, FuncGreater, FuncGreaterEqual:
		// An optional column will do: the answer is false if it is empty.
		if !t.IsScalar() && !t.IsOptionalScalar() || t.Key.Type != Integer && t.Key.Type != Real {
			return Clause{}, typeMismatch(v, f.String(), column)
		}
		t.Min = 1
	case FuncIncludes:
		if !t.IsScalar() {
			t.Min = 0
		}
	case FuncExcludes:
		if !t.IsScalar() {
			t.Min, t.Max = 0, Unlimited
		}
	}
	arg, err := ParseDatum(v.Index(2), &t, syms)
	if err != nil {
		return Clause{}, err
	}
	return Clause{Function: f, Column: column, Arg: arg}, nil
}

func typeMismatch(v wire.Value, operator string, c *ColumnSchema) error {
	return SyntaxError(v, "", `Type mismatch: "%s" operator may not be applied to column %s of type %s.`,
		operator, c.Name, c.Type.English())
}

func compareClauses(a, b Clause) int {
	if c := cmp.Compare(a.Function, b.Function); c != 0 {
		return c
	}
	// Columns are sorted by name, with _uuid and _version before them.
	if c := cmp.Compare(a.Column.Index, b.Column.Index); c != 0 {
		return c
	}
	return a.Arg.Compare(b.Arg, &a.Column.Type)
}

// Matches reports whether r meets every clause: the meaning of a condition in
// the operations of a transaction. The empty condition matches every row.
func (c Condition) Matches(r *Row) bool {
	for i := range c {
		if !c[i].Matches(r) {
			return false
		}
	}
	return true
}

// MatchesAny reports whether r meets any clause: the meaning of a condition in
// monitors. The empty condition matches every row.
func (c Condition) MatchesAny(r *Row) bool {
	for i := range c {
		if c[i].Matches(r) {
			return true
		}
	}
	return len(c) == 0
}

// IsTrue reports whether MatchesAny is true for any row.
func (c Condition) IsTrue() bool {
	return len(c) == 0 || slices.ContainsFunc(c, func(cl Clause) bool { return cl.Function == FuncTrue })
}

// IsFalse reports whether MatchesAny is false for any row.
func (c Condition) IsFalse() bool {
	return len(c) > 0 && !slices.ContainsFunc(c, func(cl Clause) bool { return cl.Function != FuncFalse })
}

// Equal reports whether c and d have the same clauses.
func (c Condition) Equal(d Condition) bool {
	return slices.EqualFunc(c, d, func(a, b Clause) bool { return compareClauses(a, b) == 0 })
}

// Matches reports whether r meets the clause.
func (c *Clause) Matches(r *Row) bool {
	switch c.Function {
	case FuncTrue:
		return true
	case FuncFalse:
		return false
	}
	if c.Column == UUIDColumn && c.Arg.Len() == 1 { // no need of a Datum
		equal := r.UUID == c.Arg.Key(0).UUID()
		switch c.Function {
		case FuncEqual, FuncIncludes:
			return equal
		case FuncNotEqual, FuncExcludes:
			return !equal
		}
	}
	return c.MatchesDatum(r.Field(c.Column))
}

// MatchesDatum reports whether a row with the value d in c.Column meets the clause.
func (c *Clause) MatchesDatum(d Datum) bool {
	t := &c.Column.Type
	switch c.Function {
	case FuncTrue:
		return true
	case FuncFalse:
		return false
	case FuncEqual:
		return d.Equal(c.Arg, t)
	case FuncNotEqual:
		return !d.Equal(c.Arg, t)
	case FuncIncludes:
		return d.IncludesAll(c.Arg, t)
	case FuncExcludes:
		return d.ExcludesAll(c.Arg, t)
	}
	if d.Len() != 1 || c.Arg.Len() != 1 {
		return false
	}
	order := CompareAtoms(t.Key.Type, d.Key(0), c.Arg.Key(0))
	switch c.Function {
	case FuncLess:
		return order < 0
	case FuncLessEqual:
		return order <= 0
	case FuncGreater:
		return order > 0
	}
	return order >= 0
}

// AppendJSON appends c as an array of clauses.
func (c Condition) AppendJSON(dst []byte) []byte {
	dst = append(dst, '[')
	for i := range c {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = c[i].AppendJSON(dst)
	}
	return append(dst, ']')
}

// AppendJSON appends the clause as an array of column, function and argument,
// or as a boolean.
func (c *Clause) AppendJSON(dst []byte) []byte {
	switch c.Function {
	case FuncTrue, FuncFalse:
		return wire.AppendBool(dst, c.Function == FuncTrue)
	}
	dst = wire.AppendString(append(dst, '['), c.Column.Name)
	dst = wire.AppendString(append(dst, ','), c.Function.String())
	dst = AppendDatum(append(dst, ','), c.Arg, &c.Column.Type)
	return append(dst, ']')
}
