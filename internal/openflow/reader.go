package openflow

import (
	"encoding/binary"
	"errors"
)

var errShort = errors.New("message is too short for what it says it holds")

// reader takes big-endian fields off the front of a message. After the first that is not
// there it returns zeros, and err says so.
type reader struct {
	b   []byte
	err error
}

func (r *reader) take(n int) []byte {
	if n < 0 || n > len(r.b) {
		r.err = errShort
		r.b = nil
		return make([]byte, max(n, 0))[:0]
	}
	b := r.b[:n]
	r.b = r.b[n:]
	return b
}

func (r *reader) skip(n int) { r.take(n) }

func (r *reader) u8() uint8 {
	if b := r.take(1); len(b) == 1 {
		return b[0]
	}
	return 0
}

func (r *reader) u16() uint16 {
	if b := r.take(2); len(b) == 2 {
		return binary.BigEndian.Uint16(b)
	}
	return 0
}

func (r *reader) u32() uint32 {
	if b := r.take(4); len(b) == 4 {
		return binary.BigEndian.Uint32(b)
	}
	return 0
}

func (r *reader) u64() uint64 {
	if b := r.take(8); len(b) == 8 {
		return binary.BigEndian.Uint64(b)
	}
	return 0
}

// rest returns a copy of what is left.
func (r *reader) rest() []byte {
	b := append([]byte(nil), r.b...)
	r.b = nil
	return b
}

var be = binary.BigEndian

func zeros(b []byte, n int) []byte {
	for range n {
		b = append(b, 0)
	}
	return b
}

// pad8 appends zeros until what was appended since start is a multiple of 8 bytes.
func pad8(b []byte, start int) []byte { return zeros(b, (8-(len(b)-start)%8)%8) }
