package ovsdb

import (
	"cmp"
	"encoding/binary"
	"iter"
	"math"
	"slices"
	"sort"
	"unsafe"
)

// Datum is the value of a column: a set of atoms, or a map from atoms to
// atoms; a scalar is a set of one. Keys are distinct and in ascending order.
// A Datum does not change once it is built, and may share memory with others.
// The zero Datum is the empty set and the empty map.
//
// A Datum does not know its type. Methods that compare take it as argument.
//
// A set of one, which most columns hold, has its atom in place:
//
//	p          w
//	nil        0                         empty
//	&plain     the bits of the atom      one number, boolean, or empty string
//	the atom's single | its length       one string or UUID
//	an *Atom   pairs? | number of keys   others: the keys; in a map each is followed by its value
type Datum struct {
	p unsafe.Pointer
	w uint64
}

const (
	single = 1 << 63
	pairs  = 1 << 32
)

// plain is where atoms without memory of their own seem to be.
var plain byte

// datumOf wraps atoms, already sorted and distinct, without a copy.
func datumOf(atoms []Atom, isMap bool) Datum {
	switch {
	case len(atoms) == 0:
		return Datum{}
	case isMap:
		return Datum{p: unsafe.Pointer(unsafe.SliceData(atoms)), w: pairs | uint64(len(atoms)/2)}
	case len(atoms) == 1:
		return Scalar(atoms[0])
	}
	return Datum{p: unsafe.Pointer(unsafe.SliceData(atoms)), w: uint64(len(atoms))}
}

// Scalar returns the set that holds a alone.
func Scalar(a Atom) Datum {
	if a.p == nil {
		return Datum{p: unsafe.Pointer(&plain), w: a.n}
	}
	return Datum{p: a.p, w: single | a.n}
}

// isPlain reports whether d holds one atom in place, which has no memory of its own.
func (d Datum) isPlain() bool { return d.p == unsafe.Pointer(&plain) }

// inPlace returns the atom that d holds in place, if it does.
func (d Datum) inPlace() (Atom, bool) {
	switch {
	case d.isPlain():
		return Atom{n: d.w}, true
	case d.w&single != 0:
		return Atom{p: d.p, n: d.w &^ single}, true
	}
	return Atom{}, false
}

// clone returns a, which d holds in place, with memory of its own.
func (a Atom) clone(d Datum) Atom {
	switch {
	case d.isPlain():
		return a
	case d.w == single:
		return UUIDAtom(a.UUID())
	}
	return StringAtom(clone(a.Str()))
}

// isPairs reports whether d is a map that is not empty.
func (d Datum) isPairs() bool { return !d.isPlain() && d.w&(single|pairs) == pairs }

// slots returns the atoms as they are stored; the memory of one that is in place is given.
func (d Datum) slots(one *[1]Atom) []Atom {
	if a, ok := d.inPlace(); ok {
		one[0] = a
		return one[:]
	}
	return d.many()
}

// many returns the atoms, which are not in place.
func (d Datum) many() []Atom {
	return unsafe.Slice((*Atom)(d.p), d.stride()*int(uint32(d.w)))
}

// stride is the distance of two keys in slots.
func (d Datum) stride() int {
	if d.isPairs() {
		return 2
	}
	return 1
}

// NewSet returns the set of atoms, which are of type t: sorted, and without
// duplicates. The slice remains the caller's.
func NewSet(t AtomicType, atoms ...Atom) Datum {
	if len(atoms) == 0 {
		return Datum{}
	}
	own := append(make([]Atom, 0, len(atoms)), atoms...)
	sortAtoms(own, 1, t)
	return datumOf(dedup(own, 1, t), false)
}

// NewMap returns the map of kv, which alternates keys of type kt and values of
// type vt. Of pairs with equal keys the first remains. The slice remains the caller's.
func NewMap(kt, vt AtomicType, kv ...Atom) Datum {
	if len(kv) < 2 {
		return Datum{}
	}
	own := append(make([]Atom, 0, len(kv)), kv[:len(kv)&^1]...)
	sortAtoms(own, 2, kt)
	return datumOf(dedup(own, 2, kt), true)
}

// UnionAll returns the union of ds, all of type t. Of pairs with equal keys the first remains.
func UnionAll(ds []Datum, t *Type) Datum {
	if len(ds) == 1 {
		return ds[0]
	}
	stride := 1
	if t.IsMap() {
		stride = 2
	}
	var one [1]Atom
	n := 0
	for _, d := range ds {
		n += stride * d.Len()
	}
	own := make([]Atom, 0, n)
	for _, d := range ds {
		own = append(own, d.slots(&one)...)
	}
	sortAtoms(own, stride, t.Key.Type)
	return datumOf(dedup(own, stride, t.Key.Type), stride == 2)
}

// Default returns the default value of type t: empty if t allows it, else one
// default atom (or pair of them).
func Default(t *Type) Datum {
	switch {
	case t.IsOptional():
		return Datum{}
	case t.Value.Type != Void:
		return datumOf(defaultPair[:], true)
	}
	return Scalar(Atom{})
}

// defaultPair is shared by all default maps.
var defaultPair [2]Atom

// IsDefault reports whether d is the default value of type t.
func (d Datum) IsDefault(t *Type) bool {
	n := d.Len()
	if n != t.Min {
		return false
	}
	if n == 0 {
		return true
	}
	return n == 1 && d.Key(0).IsDefault(t.Key.Type) &&
		(t.Value.Type == Void || d.Value(0).IsDefault(t.Value.Type))
}

// Len returns the number of elements, or of pairs.
func (d Datum) Len() int {
	if d.isPlain() || d.w&single != 0 {
		return 1
	}
	return int(uint32(d.w))
}

// IsEmpty reports whether d has no element.
func (d Datum) IsEmpty() bool { return d.p == nil }

// Key returns element i of a set, or the key of pair i of a map.
func (d Datum) Key(i int) Atom {
	if a, ok := d.inPlace(); ok {
		_ = [1]Atom{}[i]
		return a
	}
	return d.many()[i*d.stride()]
}

// Value returns the value of pair i of a map; the zero Atom for a set.
func (d Datum) Value(i int) Atom {
	if !d.isPairs() {
		return Atom{}
	}
	return d.many()[2*i+1]
}

// Keys yields the elements of a set, or the keys of a map, in order.
func (d Datum) Keys() iter.Seq[Atom] {
	return func(yield func(Atom) bool) {
		var one [1]Atom
		s := d.slots(&one)
		for i := 0; i < len(s); i += d.stride() {
			if !yield(s[i]) {
				return
			}
		}
	}
}

// Pairs yields the keys and values of a map in order.
func (d Datum) Pairs() iter.Seq2[Atom, Atom] {
	return func(yield func(Atom, Atom) bool) {
		for i := range d.Len() {
			if !yield(d.Key(i), d.Value(i)) {
				return
			}
		}
	}
}

// Find returns the index of key, of type t, and whether it is there; if it is
// not, the index at which it would be.
func (d Datum) Find(key Atom, t AtomicType) (int, bool) {
	var one [1]Atom
	s, stride := d.slots(&one), d.stride()
	lo, hi := 0, len(s)/stride
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		switch c := CompareAtoms(t, s[mid*stride], key); {
		case c < 0:
			lo = mid + 1
		case c > 0:
			hi = mid
		default:
			return mid, true
		}
	}
	return lo, false
}

// Bytes is about how much memory d, of type t, has beside itself: shared memory counts too.
func (d Datum) Bytes(t *Type) int {
	var one [1]Atom
	s, n := d.slots(&one), 0
	if _, ok := d.inPlace(); !ok {
		n = len(s) * int(unsafe.Sizeof(Atom{}))
	}
	stride := d.stride()
	for i, a := range s {
		typ := t.Key.Type
		if i%stride == 1 {
			typ = t.Value.Type
		}
		switch typ {
		case String:
			n += int(a.n)
		case UUIDType:
			n += len(UUID{})
		}
	}
	return n
}

// Equal reports whether d and e, both of type t, are equal.
func (d Datum) Equal(e Datum, t *Type) bool {
	if d == e {
		return true
	}
	var oneOfD, oneOfE [1]Atom
	a, b := d.slots(&oneOfD), e.slots(&oneOfE)
	if len(a) != len(b) || d.isPairs() != e.isPairs() {
		return false
	}
	stride := d.stride()
	for i := 0; i < len(a); i += stride {
		if !EqualAtoms(t.Key.Type, a[i], b[i]) {
			return false
		}
		if stride == 2 && !EqualAtoms(t.Value.Type, a[i+1], b[i+1]) {
			return false
		}
	}
	return true
}

// Compare orders d and e, both of type t: the shorter first, then by their
// keys, then by their values. It returns -1, 0 or 1.
func (d Datum) Compare(e Datum, t *Type) int {
	if c := cmp.Compare(d.Len(), e.Len()); c != 0 {
		return c
	}
	for i := range d.Len() {
		if c := CompareAtoms(t.Key.Type, d.Key(i), e.Key(i)); c != 0 {
			return c
		}
	}
	if t.Value.Type != Void {
		for i := range d.Len() {
			if c := CompareAtoms(t.Value.Type, d.Value(i), e.Value(i)); c != 0 {
				return c
			}
		}
	}
	return 0
}

// AppendKey appends a binary form of d, of type t, that is equal exactly for
// equal datums and is no prefix of another: to build map keys from.
func (d Datum) AppendKey(dst []byte, t *Type) []byte {
	dst = binary.AppendUvarint(dst, uint64(d.Len()))
	for i := range d.Len() {
		dst = d.Key(i).AppendKey(dst, t.Key.Type)
		if d.isPairs() {
			dst = d.Value(i).AppendKey(dst, t.Value.Type)
		}
	}
	return dst
}

// sortAtoms sorts the keys of atoms, which stand stride apart, and moves the
// values along. It is stable as far as that can be seen.
func sortAtoms(atoms []Atom, stride int, t AtomicType) {
	n := len(atoms) / stride
	sorted := true
	for i := 1; i < n && sorted; i++ {
		sorted = CompareAtoms(t, atoms[(i-1)*stride], atoms[i*stride]) < 0
	}
	if sorted {
		return
	}
	if stride == 1 && t == UUIDType {
		sortUUIDs(atoms)
		return
	}
	if stride == 1 && t != Real { // equal ones are the same, but for 0 and -0
		slices.SortFunc(atoms, func(a, b Atom) int { return CompareAtoms(t, a, b) })
		return
	}
	sort.Stable(&atomSorter{atoms, stride, t})
}

// sortUUIDs sorts a set of UUIDs. While it does the beginning of each stands in the atom itself: it mostly says which of
// two comes first, and to look for it where the UUID is takes longer than all else.
func sortUUIDs(atoms []Atom) {
	was := atoms[0].n
	for i := range atoms {
		u := atoms[i].UUID()
		atoms[i].n = binary.BigEndian.Uint64(u[:8])
	}
	slices.SortFunc(atoms, func(a, b Atom) int {
		if a.n != b.n {
			return cmp.Compare(a.n, b.n)
		}
		return CompareAtoms(UUIDType, a, b)
	})
	for i := range atoms {
		atoms[i].n = was
	}
}

type atomSorter struct {
	atoms  []Atom
	stride int
	t      AtomicType
}

func (s *atomSorter) Len() int { return len(s.atoms) / s.stride }
func (s *atomSorter) Less(i, j int) bool {
	return CompareAtoms(s.t, s.atoms[i*s.stride], s.atoms[j*s.stride]) < 0
}
func (s *atomSorter) Swap(i, j int) {
	for k := range s.stride {
		a, b := i*s.stride+k, j*s.stride+k
		s.atoms[a], s.atoms[b] = s.atoms[b], s.atoms[a]
	}
}

// dedup drops, in place, all but the first of equal keys of sorted atoms.
func dedup(atoms []Atom, stride int, t AtomicType) []Atom {
	out := stride
	for i := stride; i < len(atoms); i += stride {
		if EqualAtoms(t, atoms[out-stride], atoms[i]) {
			continue
		}
		copy(atoms[out:out+stride], atoms[i:i+stride])
		out += stride
	}
	return atoms[:min(out, len(atoms))]
}

// Unlimited is the Max of a Type, the MaxLen of a string and the MaxRows of a
// table that has no limit. It is also the highest of each that a schema can name.
const Unlimited = math.MaxUint32
