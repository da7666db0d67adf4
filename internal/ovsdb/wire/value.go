package wire

import (
	"iter"
	"math"
	"unsafe"
)

// Kind is the type of a JSON value.
type Kind uint8

// The kinds. Numbers are split as OVSDB splits them.
const (
	Invalid Kind = iota // the zero Value: absent
	Null
	False
	True
	Integer
	Real
	String
	Array
	Object
)

// String returns the name that OVSDB error messages use for k.
func (k Kind) String() string {
	switch k {
	case Null:
		return "null"
	case False:
		return "false"
	case True:
		return "true"
	case Integer, Real:
		return "number"
	case String:
		return "string"
	case Array:
		return "array"
	case Object:
		return "object"
	}
	return "<invalid>"
}

// document is a parsed text. It is constant once Parse has returned.
type document struct {
	src   []byte
	nodes []node
	esc   []byte // the decoded text of strings that hold escapes
}

// node is one value on the tape. The members of an object follow it as name,
// value, name, value...; the elements of an array follow in order. Its kind is
// told by the first byte of its text, and flag.
type node struct {
	off uint32 // first byte in src
	end uint32 // one past the last byte in src; the top bit is flag
	// x depends on the kind. Integer: the value. Real: its bits. String with
	// flag: offset<<32 | length in esc. Array and Object: size<<32 | count,
	// where size is the number of nodes that follow and belong to it (so the
	// next sibling is at index+1+size) and count that of elements or members.
	x uint64
}

const nodeSize = int(unsafe.Sizeof(node{}))

// flag in node.end marks a number as real, and a string as holding escapes.
const flag = 1 << 31

// Value is a view of one value of a parsed document. The zero Value is absent:
// its kind is Invalid, and every getter returns the zero of its type.
type Value struct {
	doc *document
	i   uint32
}

var kindOf = [256]Kind{
	'n': Null, 'f': False, 't': True, '"': String, '[': Array, '{': Object,
	'-': Integer, '0': Integer, '1': Integer, '2': Integer, '3': Integer, '4': Integer,
	'5': Integer, '6': Integer, '7': Integer, '8': Integer, '9': Integer,
}

// Kind returns the kind of v.
func (v Value) Kind() Kind {
	if v.doc == nil {
		return Invalid
	}
	n := &v.doc.nodes[v.i]
	k := kindOf[v.doc.src[n.off]]
	if k == Integer && n.end&flag != 0 {
		return Real
	}
	return k
}

// Exists reports whether v is present.
func (v Value) Exists() bool { return v.doc != nil }

// Bool reports whether v is true.
func (v Value) Bool() bool { return v.Kind() == True }

// Int returns the value of an Integer, and 0 for anything else.
func (v Value) Int() int64 {
	if v.Kind() != Integer {
		return 0
	}
	return int64(v.doc.nodes[v.i].x)
}

// Real returns the value of a Real or an Integer, and 0 for anything else.
func (v Value) Real() float64 {
	switch v.Kind() {
	case Real:
		return math.Float64frombits(v.doc.nodes[v.i].x)
	case Integer:
		return float64(int64(v.doc.nodes[v.i].x))
	}
	return 0
}

// Str returns the text of a String, and "" for anything else. The result
// shares memory with the document.
func (v Value) Str() string {
	if v.Kind() != String {
		return ""
	}
	return v.doc.str(v.i)
}

func (d *document) str(i uint32) string {
	n := &d.nodes[i]
	if n.end&flag != 0 {
		off, size := n.x>>32, n.x&math.MaxUint32
		return view(d.esc[off : off+size])
	}
	return view(d.src[n.off+1 : n.end-1])
}

func view(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// Len returns the number of elements of an Array or members of an Object, and
// 0 for anything else. Members with equal names count once.
func (v Value) Len() int {
	if k := v.Kind(); k != Array && k != Object {
		return 0
	}
	return int(v.doc.nodes[v.i].x & math.MaxUint32)
}

// next returns the index of the node after the value at i.
func (d *document) next(i uint32) uint32 {
	n := &d.nodes[i]
	switch d.src[n.off] {
	case '[', '{':
		return i + 1 + uint32(n.x>>32)
	}
	return i + 1
}

// Elems yields the elements of an Array in order, and nothing for anything else.
func (v Value) Elems() iter.Seq[Value] {
	return func(yield func(Value) bool) {
		if v.Kind() != Array {
			return
		}
		end := v.doc.next(v.i)
		for i := v.i + 1; i < end; i = v.doc.next(i) {
			if !yield(Value{v.doc, i}) {
				return
			}
		}
	}
}

// Index returns element i of an Array, or the zero Value. It walks from the
// first element: use Elems for a loop.
func (v Value) Index(i int) Value {
	if v.Kind() != Array || i < 0 || i >= v.Len() {
		return Value{}
	}
	at := v.i + 1
	for ; i > 0; i-- {
		at = v.doc.next(at)
	}
	return Value{v.doc, at}
}

// Members yields the members of an Object as they stood in the text (the last
// of those with equal names), and nothing for anything else.
func (v Value) Members() iter.Seq2[string, Value] {
	return func(yield func(string, Value) bool) {
		if v.Kind() != Object {
			return
		}
		end := v.doc.next(v.i)
		for i := v.i + 1; i < end; i = v.doc.next(i + 1) {
			if !yield(v.doc.str(i), Value{v.doc, i + 1}) {
				return
			}
		}
	}
}

// Get returns the member called name of an Object, or the zero Value.
func (v Value) Get(name string) Value {
	if v.Kind() != Object {
		return Value{}
	}
	end := v.doc.next(v.i)
	for i := v.i + 1; i < end; i = v.doc.next(i + 1) {
		if v.doc.str(i) == name {
			return Value{v.doc, i + 1}
		}
	}
	return Value{}
}

// Raw returns the bytes that v was parsed from. It shares memory with the
// document; the caller must not change it.
func (v Value) Raw() []byte {
	if v.doc == nil {
		return nil
	}
	n := &v.doc.nodes[v.i]
	end := n.end &^ flag
	return v.doc.src[n.off:end:end]
}
