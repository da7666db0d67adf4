package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"unsafe"
)

// MaxDepth is the deepest nesting of arrays and objects that Parse accepts.
const MaxDepth = 1000

// MaxText is the number of bytes that a text may have.
const MaxText = flag - 1

// SyntaxError says where a text is not JSON, in the words of the C tools.
// Lines and columns count from 0.
type SyntaxError struct {
	Line, Column, Offset int
	Msg                  string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("line %d, column %d, byte %d: %s", e.Line, e.Column, e.Offset, e.Msg)
}

// Parse parses b, which must hold exactly one JSON value, possibly with white
// space around it. It may be of any kind, though the C tools take only arrays
// and objects. b must not be changed afterwards. The error is a *SyntaxError.
func Parse(b []byte) (Value, error) {
	p := parser{src: b, whole: len(b)}
	if len(b) > MaxText {
		return Value{}, p.fail(0, "input is too long")
	}
	var open [8]container // enough for most texts
	var names [8]uint32
	p.open, p.names = open[:0], names[:0]
	p.nodes = make([]node, 0, guessNodes(b))
	if err := p.parse(); err != nil {
		return Value{}, err
	}
	return p.value(b), nil
}

// value is what has been parsed, of the text b.
func (p *parser) value(b []byte) Value {
	return Value{doc: &document{src: b, nodes: p.nodes, esc: p.esc}}
}

// ParseString is Parse for a string, which it does not copy.
func ParseString(s string) (Value, error) {
	return Parse(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// parser parses a text that is here as a whole, or one that still comes: then what is here is parsed up to the token with
// which it ends, and goes on from there when there is more.
type parser struct {
	src   []byte
	nodes []node
	esc   []byte
	open  []container // those that have not ended, each in the one before it
	names []uint32    // scratch of dedup
	table []uint32    // scratch of dedup

	judged bool // the text was, by room
	whole  int  // how long it is, or at most is if it still comes

	more   bool // the text still comes, and others may be behind it
	step   step // where to go on
	at     int  // up to where it has been parsed
	expect int  // about how long it is
	most   int  // how many nodes it may have until it is here
}

// step is what comes next in a text.
type step uint8

const (
	atStart step = iota
	atValue
	atFirst // of a container: a member, an element, or the end
	atName
	atColon
	atNext // a value has ended
)

// errMore is of a text that still comes: what is here is right, and ends before the text does.
var errMore = errors.New("the text goes on")

// errDense is of a text that still comes, and has too many values for what is here of it.
var errDense = errors.New("the text has too many values to be parsed as it comes")

// memory is how much p has for what it has parsed.
func (p *parser) memory() int {
	if p == nil {
		return 0
	}
	return nodeSize*cap(p.nodes) + cap(p.esc) + int(unsafe.Sizeof(uint32(0)))*(cap(p.names)+cap(p.table))
}

// short returns the error for when the text ends at offset at, where it can't.
func (p *parser) short(at int, msg string) error {
	if p.more {
		return errMore
	}
	return p.fail(at, "%s", msg)
}

// container is an array or object that is being parsed.
type container struct {
	node  uint32
	alike bool   // two of the names may be equal
	seen  uint64 // of the names, see name
}

// name takes the last node for the name of a member. Names mostly differ in their lengths or first bytes.
func (c *container) name(p *parser) {
	n := &p.nodes[len(p.nodes)-1]
	bit := uint64(1) << ((n.end - n.off + 7*uint32(p.src[n.off+1])) % 64)
	c.alike = c.alike || n.end&flag != 0 || c.seen&bit != 0
	c.seen |= bit
}

// fail returns the error msg at offset at.
func (p *parser) fail(at int, format string, args ...any) error {
	before := p.src[:at]
	return &SyntaxError{
		Line:   bytes.Count(before, []byte{'\n'}),
		Column: at - 1 - bytes.LastIndexByte(before, '\n'),
		Offset: at,
		Msg:    fmt.Sprintf(format, args...),
	}
}

func (p *parser) skipSpace(i int) int {
	for i < len(p.src) && isSpace(p.src[i]) {
		i++
	}
	return i
}

func (p *parser) parse() error {
	src := p.src
	i := p.skipSpace(p.at)
	var err error
	switch p.step {
	case atFirst:
		goto first
	case atName:
		goto name
	case atColon:
		goto colon
	case atNext:
		goto next
	case atStart:
		if i == len(src) {
			return p.fail(i, "empty input stream")
		}
	}

value:
	if p.step, p.at = atValue, i; i == len(src) {
		return p.short(i, endOfInput)
	}
	switch c := src[i]; c {
	case '{', '[':
		if len(p.open) == MaxDepth {
			return p.fail(i, "input exceeds maximum nesting depth %d", MaxDepth)
		}
		p.open = append(p.open, container{node: uint32(len(p.nodes))})
		p.nodes = append(p.nodes, node{off: uint32(i)})
		i++
		goto first
	case '"':
		if i, err = p.str(i); err != nil {
			return err
		}
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		if i, err = p.number(i); err != nil {
			return err
		}
	case 't', 'f', 'n':
		if i, err = p.keyword(i); err != nil {
			return err
		}
	default:
		if len(p.open) == 0 {
			return p.unexpected(i, "syntax error at beginning of input")
		}
		return p.unexpected(i, "syntax error expecting value")
	}

next:
	p.step, p.at = atNext, i
	i = p.skipSpace(i)
	if cap(p.nodes)-len(p.nodes) < min(fewNodes, len(src)-i) && len(src) > longText {
		if !p.room(i) {
			return errDense
		}
	}
	if len(p.open) == 0 {
		if i < len(src) && !p.more {
			return p.unexpected(i, "trailing garbage at end of input")
		}
		return nil
	}
	if i == len(src) {
		return p.short(i, endOfInput)
	}
	{
		top := &p.nodes[p.open[len(p.open)-1].node]
		open := src[top.off]
		switch src[i] {
		case ',':
			top.x++
			i = p.skipSpace(i + 1)
			if open == '[' {
				goto value
			}
			goto name
		case open + 2: // the bracket that closes it
			top.x++
			goto closing
		}
		return p.unexpected(i, "syntax error expecting '%c' or ','", open+2)
	}

first: // of what is in the container whose bracket is before i
	p.step, p.at = atFirst, i
	if i = p.skipSpace(i); i == len(src) {
		return p.short(i, endOfInput)
	}
	switch open := src[p.nodes[len(p.nodes)-1].off]; {
	case src[i] == open+2:
		goto closing
	case open == '[':
		goto value
	}
	goto name

closing: // the innermost container ends with the byte at i
	{
		ends := &p.open[len(p.open)-1]
		p.open = p.open[:len(p.open)-1]
		i++
		top := &p.nodes[ends.node]
		top.end = uint32(i)
		if ends.alike {
			p.dedup(ends.node, int(top.x))
		}
		top.x |= uint64(len(p.nodes)-int(ends.node)-1) << 32
		goto next
	}

name: // of a member
	if p.step, p.at = atName, i; i == len(src) {
		return p.short(i, endOfInput)
	}
	if src[i] != '"' {
		return p.unexpected(i, "syntax error parsing object expecting string")
	}
	if i, err = p.str(i); err != nil {
		return err
	}
	p.open[len(p.open)-1].name(p)

colon: // after it
	p.step, p.at = atColon, i
	if i == len(src) || src[i] != ':' {
		if i = p.skipSpace(i); i == len(src) {
			return p.short(i, endOfInput)
		}
		if src[i] != ':' {
			return p.unexpected(i, "syntax error parsing object expecting ':'")
		}
	}
	i = p.skipSpace(i + 1)
	goto value
}

const endOfInput = "unexpected end of input"

// str parses the string whose opening quote is at i and returns the offset
// after it.
func (p *parser) str(i int) (int, error) {
	end, escaped, err := p.endOfString(i + 1)
	if err != nil {
		return 0, err
	}
	n := node{off: uint32(i), end: uint32(end + 1)}
	if escaped {
		start := len(p.esc)
		if p.esc, err = Unescape(p.esc, view(p.src[i+1:end])); err != nil {
			return 0, p.fail(end, "%s", err)
		}
		n.end |= flag
		n.x = uint64(start)<<32 | uint64(len(p.esc)-start)
	}
	p.nodes = append(p.nodes, n)
	return end + 1, nil
}

// endOfString returns the offset of the quote that ends a string whose text
// begins at i, and whether there are escapes before it.
func (p *parser) endOfString(i int) (end int, escaped bool, err error) {
	src := p.src
	for {
		// Eight bytes at a time: (x - ones) &^ x has the high bit of the
		// lowest byte of x that is 0 set, and of no byte below it.
		for i+8 <= len(src) {
			w := binary.LittleEndian.Uint64(src[i:])
			quote := w ^ '"'*ones
			slash := w ^ '\\'*ones
			special := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - ' '*ones) &^ w)
			if special &= signs; special != 0 {
				i += bits.TrailingZeros64(special) >> 3
				break
			}
			i += 8
		}
		if i >= len(src) {
			return 0, false, p.short(len(src), endOfInput+" in quoted string")
		}
		switch c := src[i]; {
		case c == '"':
			return i, escaped, nil
		case c == '\\':
			escaped = true
			i += 2
		case c < ' ':
			return 0, false, p.fail(i, "U+%04X must be escaped in quoted string", c)
		default:
			i++
		}
	}
}

// keyword parses true, false or null at i.
func (p *parser) keyword(i int) (int, error) {
	end := i + 1
	for end < len(p.src) && isAlpha(p.src[end]) {
		end++
	}
	if end == len(p.src) && p.more {
		return 0, errMore
	}
	switch view(p.src[i:end]) {
	case "true", "false", "null":
		p.nodes = append(p.nodes, node{off: uint32(i), end: uint32(end)})
		return end, nil
	}
	return 0, p.fail(end, "invalid keyword '%s'", p.src[i:end])
}

// unexpected returns the error for the token at i, which is not one of those
// that may stand there. Should it be no token at all, the error says so.
func (p *parser) unexpected(i int, format string, args ...any) error {
	var err error
	switch c := p.src[i]; {
	case c == '"':
		if i, err = p.str(i); err == nil {
			i-- // the error is noticed at the closing quote
		}
	case c == '-' || c >= '0' && c <= '9':
		i, err = p.number(i)
	case c >= 'a' && c <= 'z':
		i, err = p.keyword(i)
	case isPunct(c):
	case c >= ' ' && c < 0x7f:
		err = p.fail(i, "invalid character '%c'", c)
	default:
		err = p.fail(i, "invalid character U+%04x", c)
	}
	if err != nil {
		return err
	}
	return p.fail(i, format, args...)
}

func isAlpha(c byte) bool { return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' }

func isSpace(c byte) bool { return c <= ' ' && (c == ' ' || c == '\n' || c == '\t' || c == '\r') }

func isPunct(c byte) bool {
	switch c {
	case '{', '}', '[', ']', ':', ',':
		return true
	}
	return false
}
