package ovsdb

// build merges sorted datums into a new one.
type build struct {
	atoms []Atom
	pairs bool
}

func newBuild(t *Type, n int) *build {
	b := &build{pairs: t.IsMap()}
	if b.pairs {
		n *= 2
	}
	b.atoms = make([]Atom, 0, n)
	return b
}

// add appends element i of d, whose key is above all keys so far.
func (b *build) add(d Datum, i int) {
	b.atoms = append(b.atoms, d.Key(i))
	if b.pairs {
		b.atoms = append(b.atoms, d.Value(i))
	}
}

func (b *build) datum() Datum { return datumOf(b.atoms, b.pairs) }

// side says in which of two datums a key was found.
type side uint8

const (
	inLeft side = iota
	inRight
	inBoth
)

// merge walks the keys of d and e, both of type t, in order. For a key in one
// of them only, the index of the other means nothing.
func merge(d, e Datum, t *Type, visit func(s side, i, j int)) {
	i, j := 0, 0
	for i < d.Len() && j < e.Len() {
		switch c := CompareAtoms(t.Key.Type, d.Key(i), e.Key(j)); {
		case c < 0:
			visit(inLeft, i, j)
			i++
		case c > 0:
			visit(inRight, i, j)
			j++
		default:
			visit(inBoth, i, j)
			i++
			j++
		}
	}
	for ; i < d.Len(); i++ {
		visit(inLeft, i, j)
	}
	for ; j < e.Len(); j++ {
		visit(inRight, i, j)
	}
}

// sameValue reports whether the pairs i of d and j of e have the same value;
// elements of sets do.
func sameValue(d, e Datum, i, j int, t *Type) bool {
	return !t.IsMap() || EqualAtoms(t.Value.Type, d.Value(i), e.Value(j))
}

// edit is what splice does at a key of e.
type edit uint8

const (
	add  edit = 1 << iota // put the element of e into the result
	drop                  // leave the element of d with the same key out
)

// splice returns d edited at the keys of e, both of type t. decide is asked
// once for each element j of e; i is where its key is in d, or would be. The
// elements of d in between are copied as they are, so that a small change of a
// large datum costs little more than the copy, and no change nothing. room is
// how many elements decide may add.
//
// What d has in place may share memory with an Arena, and what NewRow does not
// copy must not: the element is copied. e has memory of its own.
func (d Datum) splice(e Datum, t *Type, room int, decide func(i, j int, found bool) edit) Datum {
	var b *build
	var one [1]Atom
	all, stride := d.slots(&one), d.stride()
	from := 0 // elements of d before it are in the result already
	at := 0
	for j := range e.Len() {
		i, found := d.findFrom(at, e.Key(j), t.Key.Type)
		at = i
		what := decide(i, j, found)
		if what == 0 {
			continue
		}
		if b == nil {
			b = newBuild(t, d.Len()+room)
			if a, ok := d.inPlace(); ok {
				all[0] = a.clone(d)
			}
		}
		b.atoms = append(b.atoms, all[from*stride:i*stride]...)
		from = i
		if what&add != 0 {
			b.add(e, j)
		}
		if what&drop != 0 {
			from++
		}
	}
	if b == nil {
		return d
	}
	b.atoms = append(b.atoms, all[from*stride:]...)
	return b.datum()
}

// findFrom is Find for a key that is not before element from. The nearer it is
// to that, the faster it is found.
func (d Datum) findFrom(from int, key Atom, t AtomicType) (int, bool) {
	n, step := d.Len(), 1
	for from+step < n && CompareAtoms(t, d.Key(from+step), key) < 0 {
		from += step
		step *= 2
	}
	if n <= 1 {
		return d.Find(key, t)
	}
	s, stride := d.many(), d.stride()
	part := datumOf(s[from*stride:min(n, from+step+1)*stride], d.isPairs())
	i, found := part.Find(key, t)
	return from + i, found
}

// Union returns d with the elements of e whose keys d does not have. Both are
// of type t.
func (d Datum) Union(e Datum, t *Type) Datum {
	if d.IsEmpty() {
		return e
	}
	return d.splice(e, t, e.Len(), func(_, _ int, found bool) edit {
		if found {
			return 0
		}
		return add
	})
}

// Subtract returns d, of type t, without the elements of e. e is of type t or,
// if t is a map, may be the set of the keys to go; otherwise pairs must be
// equal in key and value.
func (d Datum) Subtract(e Datum, t *Type) Datum {
	return d.splice(e, t, 0, func(i, j int, found bool) edit {
		if found && (!e.isPairs() || sameValue(d, e, i, j, t)) {
			return drop
		}
		return 0
	})
}

// Diff returns what leads from old to new, both of type t. For a set it holds
// the elements in one of them only; for a map, the pairs with keys in one of
// them only, and new's pair where the values differ. If t is not composite it
// is new itself.
func Diff(old, new Datum, t *Type) Datum {
	if !t.IsComposite() {
		return new
	}
	b := newBuild(t, 0)
	merge(old, new, t, func(s side, i, j int) {
		switch {
		case s == inLeft:
			b.add(old, i)
		case s == inRight, !sameValue(old, new, i, j, t):
			b.add(new, j)
		}
	})
	return b.datum()
}

// ApplyDiff returns what diff leads to from d, both of type t. The number of
// elements must then be one that t allows.
func (d Datum) ApplyDiff(diff Datum, t *Type) (Datum, error) {
	result := diff
	if t.IsComposite() {
		result = d.splice(diff, t, diff.Len(), func(i, j int, found bool) edit {
			switch {
			case !found:
				return add
			case sameValue(d, diff, i, j, t):
				return drop
			}
			return add | drop
		})
	}
	if result.Len() < t.Min || result.Len() > t.Max {
		return Datum{}, NewError("", "Datum crated by diff has size error")
	}
	return result, nil
}

// AddedRemoved returns the elements of new that are not in old, and those of
// old that are not in new; a pair with another value is in both. If t is not
// composite they are new and old.
func AddedRemoved(old, new Datum, t *Type) (added, removed Datum) {
	if !t.IsComposite() {
		return new, old
	}
	a, r := newBuild(t, 0), newBuild(t, 0)
	merge(old, new, t, func(s side, i, j int) {
		if s == inLeft || s == inBoth && !sameValue(old, new, i, j, t) {
			r.add(old, i)
		}
		if s == inRight || s == inBoth && !sameValue(old, new, i, j, t) {
			a.add(new, j)
		}
	})
	return a.datum(), r.datum()
}

// IncludesAll reports whether all elements of e are in d, both of type t.
func (d Datum) IncludesAll(e Datum, t *Type) bool {
	if e.Len() > d.Len() {
		return false
	}
	for j := range e.Len() {
		if !d.has(e, j, t) {
			return false
		}
	}
	return true
}

// ExcludesAll reports whether no element of e is in d, both of type t.
func (d Datum) ExcludesAll(e Datum, t *Type) bool {
	for j := range e.Len() {
		if d.has(e, j, t) {
			return false
		}
	}
	return true
}

func (d Datum) has(e Datum, j int, t *Type) bool {
	i, ok := d.Find(e.Key(j), t.Key.Type)
	return ok && sameValue(d, e, i, j, t)
}

// Filter returns d without the elements for which keep is false.
func (d Datum) Filter(keep func(key, value Atom) bool) Datum {
	var one [1]Atom
	all, stride := d.slots(&one), d.stride()
	var atoms []Atom
	for i := range d.Len() {
		if keep(d.Key(i), d.Value(i)) {
			atoms = append(atoms, all[i*stride:(i+1)*stride]...)
		}
	}
	if len(atoms) == len(all) {
		return d
	}
	return datumOf(atoms, d.isPairs())
}

// Clone returns a copy of d, of type t, that shares no memory with it.
func (d Datum) Clone(t *Type) Datum {
	if d.IsEmpty() {
		return Datum{}
	}
	if a, ok := d.inPlace(); ok {
		return Scalar(a.clone(d))
	}
	atoms := append([]Atom(nil), d.many()...)
	stride := d.stride()
	for i := range atoms {
		typ := t.Key.Type
		if i%stride == 1 {
			typ = t.Value.Type
		}
		switch typ {
		case String:
			atoms[i] = StringAtom(clone(atoms[i].Str()))
		case UUIDType:
			atoms[i] = UUIDAtom(atoms[i].UUID())
		}
	}
	return datumOf(atoms, d.isPairs())
}
