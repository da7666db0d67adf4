package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math/bits"
	"slices"
	"sync"
)

// ErrTooLong is returned by Reader.Next for a text longer than the limit.
var ErrTooLong = errors.New("JSON text too long")

// Reader splits a stream of JSON texts, with or without white space between
// them, into single texts.
type Reader struct {
	// Holds, if not nil, is called with the size of the buffer, and with that of the values of a text that is parsed as it comes,
	// each time that they change beyond what short texts need; and with 0 when that text has been handed out or there was an error.
	Holds func(text, values int)

	r    io.Reader
	max  int
	held [2]int // what Holds was last called with

	long int // how long the last text was that was handed over; 0: there was none yet

	store []byte // the memory of buf: small, one of buffers, or its own
	small []byte // for when it waits for the next text
	buf   []byte // what was read and not handed out yet
	at    int    // buf up to here has been scanned

	// The state of the scan of the text at the front of buf, after leading
	// white space was dropped from it.
	started bool
	depth   int
	quoted  bool
	scalar  bool // a number or keyword: white space or punctuation ends it
	refused bool // it begins as no text does, and is taken for one of a byte

	parsing bool    // who reads wants values: long texts are parsed as they come
	ahead   *parser // of the text at the front of buf; nil: it is short, or nothing that Parse takes
	plain   bool    // it is the latter
}

// Sizes of the buffer: what a fresh one has, and from which size on a text is
// handed out with the buffer it is in instead of a copy.
const (
	idleSize   = 2 << 10
	bufferSize = 16 << 10
	handOver   = 64 << 10
	quickly    = 4 << 20 // from this size on the buffer gets four times as large, not twice, up to eight times that: less is copied
)

// aheadFrom is how much of a text is here, and not its end, when it is worth while to parse it before all is. Tests change it.
var aheadFrom = handOver

// buffers are those of bufferSize that no Reader needs now. A Reader that waits for the next text has a small one of its
// own: most connections wait nearly always.
var buffers = sync.Pool{New: func() any { return new([bufferSize]byte) }}

// NewReader returns a Reader of r that refuses texts longer than max bytes.
func NewReader(r io.Reader, max int) *Reader { return &Reader{r: r, max: max} }

// Next returns the next text. The slice is the caller's own. Next only looks
// for the end of the text: whether it is valid is for Parse to say. At the end
// of the stream it returns io.EOF, or io.ErrUnexpectedEOF within a text.
func (r *Reader) Next() ([]byte, error) {
	r.parsing, r.ahead = false, nil
	return r.next()
}

// Value is Next and Parse. A long text is parsed while the rest of it is on its way. The error is a *SyntaxError if it is
// the text that is wrong: the next one may be right.
func (r *Reader) Value() (Value, error) {
	r.parsing, r.ahead = true, nil
	text, err := r.next()
	if err != nil {
		return Value{}, err
	}
	p := r.ahead
	if p == nil {
		return Parse(text)
	}
	r.ahead = nil
	if nodes := p.nodes; len(nodes) < cap(nodes)/4 {
		p.nodes = slices.Clone(nodes) // as in take
		keepTape(nodes)
	}
	return p.value(text), nil
}

func (r *Reader) next() ([]byte, error) {
	for {
		if r.scan() {
			if r.at > r.max {
				return nil, r.fail(ErrTooLong)
			}
			return r.take(), nil
		}
		if r.started && len(r.buf) > r.max {
			return nil, r.fail(ErrTooLong)
		}
		if err := r.fill(); err != nil {
			if err != io.EOF || !r.started {
				return nil, r.fail(err)
			}
			if r.scalar {
				return r.take(), nil
			}
			return nil, r.fail(io.ErrUnexpectedEOF)
		}
	}
}

// Buffered is how many bytes were read and not handed out.
func (r *Reader) Buffered() int { return len(r.buf) }

// fail tells that nothing is held any more.
func (r *Reader) fail(err error) error {
	r.hold(0, 0)
	return err
}

func (r *Reader) hold(text, values int) {
	if text <= handOver {
		text, values = 0, 0
	}
	if held := [2]int{text, values}; r.Holds != nil && held != r.held {
		r.held = held
		r.Holds(text, values)
	}
}

// fill reads more bytes.
func (r *Reader) fill() error {
	if len(r.buf) == 0 {
		if r.small == nil {
			r.small = make([]byte, idleSize)
		}
		r.use(r.small)
		r.hold(0, 0) // it may have had several texts
	}
	if len(r.buf) == cap(r.buf) {
		if 2*len(r.buf) >= len(r.store) {
			size := 2 * len(r.store)
			if quickly < size && size <= 8*quickly {
				size *= 2
			}
			if expect := r.long + r.long/16; size > bufferSize && size < expect && len(r.buf) >= min(expect/8, handOver) {
				size = expect // whoever sends many rows most likely sends as many again
			}
			if most := r.max + bufferSize; len(r.store) < most {
				size = min(size, most)
			}
			r.hold(size, r.ahead.memory())
			if size <= bufferSize {
				r.use(buffers.Get().(*[bufferSize]byte)[:])
			} else {
				r.use(make([]byte, size))
			}
		} else {
			r.buf = r.store[:copy(r.store, r.buf)]
		}
	}
	for range 100 {
		n, err := r.r.Read(r.buf[len(r.buf):cap(r.buf)])
		r.buf = r.buf[:len(r.buf)+n]
		if n > 0 {
			return nil // an error will come again
		}
		if err != nil {
			return err
		}
	}
	return io.ErrNoProgress
}

// use moves what is in the buffer to other memory.
func (r *Reader) use(store []byte) {
	old := r.store
	r.buf = store[:copy(store, r.buf)]
	r.store = store
	if len(old) == bufferSize {
		buffers.Put((*[bufferSize]byte)(old))
	}
}

// take hands out the text that ends at r.at.
func (r *Reader) take() []byte {
	text, rest := r.buf[:r.at:r.at], r.buf[r.at:]
	long := len(text) >= handOver
	part := len(text) < len(r.store)/4 // of the buffer: with it the room for a longer text would be kept
	if !long || part {
		text = bytes.Clone(text)
	}
	if long {
		r.long = len(text)
	}
	switch {
	case !long || part && len(rest) >= len(r.store)/4: // else many such texts would each have all behind it moved
		r.buf = rest
	case len(rest) > 0:
		r.store = make([]byte, max(bufferSize, len(rest)))
		r.buf = r.store[:copy(r.store, rest)]
	default:
		r.buf, r.store = nil, nil
	}
	if long {
		r.hold(len(r.store), 0)
	}
	r.at, r.started, r.scalar, r.refused, r.plain = 0, false, false, false, false
	return text
}

// scan goes on to look for the end of the text at the front of buf. It reports
// whether it was found: then it is at r.at.
func (r *Reader) scan() bool {
	if !r.started && !r.start() {
		return false
	}
	if r.scalar {
		for ; r.at < len(r.buf); r.at++ {
			if c := r.buf[r.at]; isSpace(c) || isPunct(c) || c == '"' {
				return true
			}
		}
		return false
	}
	if r.refused {
		return true
	}
	if r.parsing && !r.plain {
		if r.ahead == nil {
			first := r.buf[:min(len(r.buf), aheadFrom)]
			if r.find(first) {
				return true
			}
			if len(first) < aheadFrom {
				return false
			}
		}
		if r.parseAhead() {
			r.at = r.ahead.at
			return true
		}
		if r.ahead != nil {
			return false
		}
	}
	return r.find(r.buf)
}

// find is scan in b, which buf begins with.
func (r *Reader) find(b []byte) bool {
	for r.at < len(b) {
		r.leap(b)
		for end := min(r.at+wordSize, len(b)); r.at < end; r.at++ {
			switch c := b[r.at]; {
			case r.quoted && c == '\\':
				if r.at+1 == len(b) {
					return false // come back with the byte after it
				}
				r.at++
			case c == '"':
				r.quoted = !r.quoted
			case r.quoted:
				continue
			case c == '{', c == '[':
				r.depth++
			case c == '}', c == ']':
				r.depth--
			default:
				continue
			}
			if r.depth == 0 && !r.quoted {
				r.at++
				return true
			}
		}
	}
	return r.depth > MaxDepth // Parse will go no further
}

// parseAhead parses what is here of the text at the front of buf, and says whether that is all of it. Where it gives up, the
// end is found as that of any text, and Parse says what is wrong.
func (r *Reader) parseAhead() (whole bool) {
	p := r.ahead
	if p == nil {
		p = &parser{more: true, nodes: make([]node, 0, longText/16)}
		r.ahead = p
	}
	p.src, p.whole = r.buf, len(r.store)
	p.expect = max(aheadFrom, r.long+r.long/16)
	p.most = perByte * max(len(r.store), handOver) / nodeSize
	err := p.parse()
	if err == nil {
		return true
	}
	// A token may be so long that to begin it again and again would take time.
	if err != errMore || len(r.buf)-p.at > handOver || len(r.buf) > MaxText {
		keepTape(p.nodes)
		r.ahead, r.plain = nil, true
	}
	r.hold(len(r.store), r.ahead.memory())
	return false
}

// perByte is how many bytes of nodes a text that still comes may have for one of its buffer. Rows have one or two; the nodes of
// shorter values take much more memory than the text, of which perhaps never comes more.
const perByte = 2

const wordSize = 8

// leap goes on by words, up to one in which the text may end or a string has an escape.
func (r *Reader) leap(b []byte) {
	i, depth, inside := r.at, r.depth, uint64(0) // inside: the sign of each byte is set if we are in a string
	if r.quoted {
		inside = signs
	}
	for ; i+wordSize <= len(b); i += wordSize {
		w := binary.LittleEndian.Uint64(b[i:])
		if equal(w, '\\') != 0 {
			break
		}
		quotes := equal(w, '"')
		if quotes == 0 && inside != 0 {
			continue
		}
		// Of each byte, whether it is within a string: whether so many quotes are before it, with it, that one is open.
		within := quotes ^ quotes<<8
		within ^= within << 16
		within ^= within << 32
		within ^= inside
		opened := equal(w|' '*ones, '{') &^ within // '[' differs from '{' by the bit of ' ' alone, and ']' from '}'
		closed := equal(w|' '*ones, '}') &^ within
		if depth <= bits.OnesCount64(closed) {
			break
		}
		depth += bits.OnesCount64(opened) - bits.OnesCount64(closed)
		inside = -(within >> 63) & signs
	}
	r.at, r.depth, r.quoted = i, depth, inside != 0
}

const (
	ones  = 0x0101010101010101
	signs = 0x80 * ones
)

// equal sets the sign of each byte of the result for which that of w is c, and nothing else.
func equal(w uint64, c byte) uint64 {
	w ^= uint64(c) * ones
	return ^((w&^signs + ^uint64(signs)) | w | ^uint64(signs))
}

// start drops white space from the front of buf and sees how a text begins.
func (r *Reader) start() bool {
	i := 0
	for i < len(r.buf) && isSpace(r.buf[i]) {
		i++
	}
	if r.buf = r.buf[i:]; len(r.buf) == 0 {
		return false
	}
	r.started, r.depth, r.quoted, r.at = true, 0, false, 0
	switch c := r.buf[0]; {
	case c == '{' || c == '[' || c == '"':
	case 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-':
		r.scalar = true
	default:
		// No text begins so: one byte will do for Parse to say it, and who sent it may send no more.
		r.refused, r.at = true, 1
	}
	return true
}
