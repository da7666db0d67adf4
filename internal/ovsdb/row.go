package ovsdb

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"sync/atomic"
	"unsafe"
)

// Row is one row of a table at one version. It does not change once it is published: a change
// makes a new Row. What is read from it, like a string, shares its memory.
//
// A row is made by NewRow, or by Draft and Seal, and must not be copied: its values follow it
// in memory. A database has many rows, most of them of a few short strings and references, so
// they are packed, without a pointer: the collector has nothing to follow.
//
//	UUID, version, n
//	n slots of 16 bits: of each column the kind of its value, and where that ends
//	the values, one behind the other: characters; the 16 bytes of a UUID; the low bytes of a
//	number that are not 0
//
// A row with a set of several elements or a map, or one that is too long, is a wideRow.
type Row struct {
	UUID    UUID
	version [5]byte // 0: none
	n       uint8   // columns; isWide or isDraft: it is the head of a wideRow
}

const (
	headSize = int(unsafe.Sizeof(Row{}))
	slotSize = 2
	isWide   = 255
	isDraft  = 254
	maxEnd   = 1<<13 - 1 // what a slot has room for
)

// kind is what a slot says of the value: the top bits.
type kind uint16

const (
	kindEmpty  kind = iota << 13 // no element
	kindNumber                   // an Integer, Real or Boolean, or an empty string
	kindString
	kindUUID
	kindMask = 7 << 13
)

// wideRow is a row that is not packed.
type wideRow struct {
	Row
	fields []Datum
}

// NewRow returns a row, without a version, that has the given values by ColumnSchema.Index. Of
// the memory of values it shares only that of sets and maps.
func NewRow(id UUID, values []Datum) *Row {
	size, ok := packedSize(values)
	if !ok {
		w := &wideRow{Row{UUID: id, n: isWide}, make([]Datum, len(values))}
		for i, d := range values {
			if a, ok := d.inPlace(); ok {
				d = Scalar(a.clone(d))
			}
			w.fields[i] = d
		}
		return &w.Row
	}
	b := make([]byte, size)
	r := (*Row)(unsafe.Pointer(unsafe.SliceData(b)))
	r.UUID, r.n = id, uint8(len(values))
	end := headSize + slotSize*len(values)
	for i, d := range values {
		k := kindEmpty
		switch {
		case d.isPlain():
			k = kindNumber
			for x := d.w; x != 0; x >>= 8 {
				b[end] = byte(x)
				end++
			}
		case d.w == single:
			k = kindUUID
			end += copy(b[end:], (*UUID)(d.p)[:])
		case d.w != 0:
			k = kindString
			end += copy(b[end:], unsafe.String((*byte)(d.p), int(d.w&^single)))
		}
		binary.LittleEndian.PutUint16(b[headSize+slotSize*i:], uint16(k)|uint16(end))
	}
	return r
}

// packedSize returns the size of the row that has these values, if it can be packed.
func packedSize(values []Datum) (int, bool) {
	if len(values) >= isDraft {
		return 0, false
	}
	size := headSize + slotSize*len(values)
	for _, d := range values {
		switch {
		case d.isPlain():
			size += (bits.Len64(d.w) + 7) / 8
		case d.w == single:
			size += len(UUID{})
		case d.w&single != 0:
			size += int(min(d.w&^single, maxEnd))
		case d.p != nil:
			return 0, false
		}
	}
	return size, size <= maxEnd
}

// wide returns r as what it is if n says so.
func (r *Row) wide() *wideRow { return (*wideRow)(unsafe.Pointer(r)) }

// at returns a pointer to byte i of a packed row.
func (r *Row) at(i int) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(r), i) }

func (r *Row) slot(i int) uint16 {
	b := (*[slotSize]byte)(r.at(headSize + slotSize*i))
	return uint16(b[0]) | uint16(b[1])<<8
}

// Len returns the number of columns of which the row has a value.
func (r *Row) Len() int {
	if r.n >= isDraft {
		return len(r.wide().fields)
	}
	return int(r.n)
}

// At returns the value of the column with index i, which is empty if the row has none.
func (r *Row) At(i int) Datum {
	if r.n >= isDraft {
		if f := r.wide().fields; i < len(f) {
			return f[i]
		}
		return Datum{}
	}
	if i >= int(r.n) {
		return Datum{}
	}
	begin := headSize + slotSize*int(r.n)
	if i > 0 {
		begin = int(r.slot(i-1) &^ kindMask)
	}
	s := r.slot(i)
	end := int(s &^ kindMask)
	switch kind(s & kindMask) {
	case kindNumber:
		var x uint64
		for i := end - 1; i >= begin; i-- {
			x = x<<8 | uint64(*(*byte)(r.at(i)))
		}
		return Datum{p: unsafe.Pointer(&plain), w: x}
	case kindString:
		return Datum{p: r.at(begin), w: single | uint64(end-begin)}
	case kindUUID:
		return Datum{p: r.at(begin), w: single}
	}
	return Datum{}
}

// AppendValues appends the values of all columns, by ColumnSchema.Index.
func (r *Row) AppendValues(dst []Datum) []Datum {
	for i := range r.Len() {
		dst = append(dst, r.At(i))
	}
	return dst
}

// Field returns the value of column c, which may be UUIDColumn or VersionColumn.
func (r *Row) Field(c *ColumnSchema) Datum {
	switch c.Index {
	case UUIDColumn.Index:
		return Scalar(RefTo(&r.UUID))
	case VersionColumn.Index:
		return Scalar(UUIDAtom(r.Version()))
	}
	return r.At(c.Index)
}

// AppendField appends the value of column c in the notation of RFC 7047.
func (r *Row) AppendField(dst []byte, c *ColumnSchema) []byte {
	switch c.Index {
	case UUIDColumn.Index:
		return AppendUUID(dst, r.UUID)
	case VersionColumn.Index:
		return AppendUUID(dst, r.Version())
	}
	return AppendDatum(dst, r.At(c.Index), &c.Type)
}

// SameValues reports whether r and other, rows of a table with these columns, have the same values.
func (r *Row) SameValues(other *Row, columns ColumnSet) bool {
	for i, c := range columns {
		if !r.At(i).Equal(other.At(i), &c.Type) {
			return false
		}
	}
	return true
}

// Bytes is about how much memory the row has, which is of a table with these columns. What its
// sets and maps have beside is only counted of the columns that are chosen: rows share it.
func (r *Row) Bytes(columns ColumnSet, chosen func(index int) bool) int {
	if r.n < isDraft {
		if r.n == 0 {
			return headSize
		}
		return int(r.slot(int(r.n)-1) &^ kindMask)
	}
	n := int(unsafe.Sizeof(wideRow{}))
	for i, d := range r.wide().fields {
		n += int(unsafe.Sizeof(d))
		if chosen(i) {
			n += d.Bytes(&columns[i].Type)
		}
	}
	return n
}

// versions counts those that rows have got, and secrets makes UUIDs of the numbers: no two are
// equal, and nobody can tell one from another.
var (
	versions atomic.Uint64
	secrets  = [2]uint64{rand.Uint64(), rand.Uint64()}
)

// Version returns the UUID of the version of the row; the zero UUID: it has none.
func (r *Row) Version() UUID {
	var number [8]byte
	copy(number[:], r.version[:])
	n := binary.LittleEndian.Uint64(number[:])
	if n == 0 {
		return UUID{}
	}
	return randomUUID(scatter(n^secrets[0]), scatter(n^secrets[1]))
}

// scatter is a permutation of the numbers in which neighbours are far apart.
func scatter(x uint64) uint64 {
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// Renew gives a row that is not published yet a new version, and returns it.
func (r *Row) Renew() *Row {
	r.version = [5]byte{}
	for r.version == [5]byte{} { // after 10^12 of them
		var number [8]byte
		binary.LittleEndian.PutUint64(number[:], versions.Add(1))
		r.version = [5]byte(number[:])
	}
	return r
}

// SameVersion reports whether r and other are of the same version.
func (r *Row) SameVersion(other *Row) bool { return r.version == other.version }
