package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
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
	p := parser{src: b}
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
	return Value{doc: &document{src: b, nodes: p.nodes, esc: p.esc}}, nil
}

// ParseString is Parse for a string, which it does not copy.
func ParseString(s string) (Value, error) {
	return Parse(unsafe.Slice(unsafe.StringData(s), len(s)))
}

// longText is the length from which on the nodes are not guessed beforehand, but by those that a part has made.
const longText = 4096

// guessNodes estimates how many nodes b will make, with none too few for a short text:
// every value but the first follows one of four characters.
func guessNodes(b []byte) int {
	if len(b) > longText {
		return longText / 16
	}
	return 1 + countBefore(b)
}

// room makes room for what is left of the text from offset i on. A text may begin with a few rows, and go on with one
// that has most of all values: so it is judged by pieces of it, and by how many of what they count were values until now.
func (p *parser) room(i int) {
	n := float64(len(p.nodes))
	left := n / float64(i) * float64(len(p.src)-i)
	if before := countBefore(p.src[:i]); !p.judged && before > 0 {
		left = n/float64(before)*countAll(p.src) - n
	}
	p.judged = true
	p.nodes = slices.Grow(p.nodes, max(int(left+left/16), len(p.nodes)/4, fewNodes))
}

// countAll estimates countBefore of a long text.
func countAll(b []byte) float64 {
	const sample, pieces = 512, 16
	n := 0
	for i := range pieces {
		piece := b[i*(len(b)/pieces):]
		n += countBefore(piece[:min(len(piece), sample)])
	}
	return float64(n) * float64(len(b)) / (sample * pieces)
}

// fewNodes is how many nodes there mostly are between the end of a value and that of the next one, at most.
const fewNodes = 8

// countBefore counts what values follow.
func countBefore(b []byte) (n int) {
	for _, c := range [...]byte{',', ':', '[', '{'} {
		n += bytes.Count(b, []byte{c})
	}
	return n
}

type parser struct {
	src   []byte
	nodes []node
	esc   []byte
	open  []container // those that have not ended, each in the one before it
	names []uint32    // scratch of dedup
	table []uint32    // scratch of dedup

	judged bool // the text was, by room
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
	i := p.skipSpace(0)
	if i == len(src) {
		return p.fail(i, "empty input stream")
	}
	var err error

value: // a value begins at i
	if i == len(src) {
		return p.fail(i, "unexpected end of input")
	}
	switch c := src[i]; c {
	case '{', '[':
		if len(p.open) == MaxDepth {
			return p.fail(i, "input exceeds maximum nesting depth %d", MaxDepth)
		}
		p.open = append(p.open, container{node: uint32(len(p.nodes))})
		p.nodes = append(p.nodes, node{off: uint32(i)})
		if i = p.skipSpace(i + 1); i == len(src) {
			return p.fail(i, "unexpected end of input")
		}
		if src[i] == c+2 { // the bracket that closes it
			goto closing
		}
		if c == '[' {
			goto value
		}
		goto name
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

next: // a value ended at i
	{
		i = p.skipSpace(i)
		if cap(p.nodes)-len(p.nodes) < min(fewNodes, len(src)-i) && len(src) > longText {
			p.room(i)
		}
		if len(p.open) == 0 {
			if i < len(src) {
				return p.unexpected(i, "trailing garbage at end of input")
			}
			return nil
		}
		if i == len(src) {
			return p.fail(i, "unexpected end of input")
		}
		top := &p.nodes[p.open[len(p.open)-1].node]
		top.x++
		open := src[top.off]
		switch src[i] {
		case ',':
			i = p.skipSpace(i + 1)
			if open == '[' {
				goto value
			}
			goto name
		case open + 2:
			goto closing
		}
		return p.unexpected(i, "syntax error expecting '%c' or ','", open+2)
	}

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

name: // the name of a member begins at i
	if i == len(src) {
		return p.fail(i, "unexpected end of input")
	}
	if src[i] != '"' {
		return p.unexpected(i, "syntax error parsing object expecting string")
	}
	if i, err = p.str(i); err != nil {
		return err
	}
	p.open[len(p.open)-1].name(p)
	if i == len(src) || src[i] != ':' {
		if i = p.skipSpace(i); i == len(src) {
			return p.fail(i, "unexpected end of input")
		}
		if src[i] != ':' {
			return p.unexpected(i, "syntax error parsing object expecting ':'")
		}
	}
	i = p.skipSpace(i + 1)
	goto value
}

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
			return 0, false, p.fail(len(src), "unexpected end of input in quoted string")
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
