package ovsdb

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// UUID identifies a row. The zero UUID is the default of its type and names no row.
type UUID [16]byte

// Random is where new UUIDs come from; the runtime seeds this generator from the operating
// system. A simulation that is to be repeated puts another one in its place, before it begins.
var Random = rand.Uint64

// NewUUID returns a random (version 4) UUID.
func NewUUID() UUID {
	high := Random()
	return randomUUID(high, Random())
}

// randomUUID makes a version 4 UUID of random numbers.
func randomUUID(high, low uint64) UUID {
	var u UUID
	binary.BigEndian.PutUint64(u[:8], high)
	binary.BigEndian.PutUint64(u[8:], low)
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	return u
}

// ParseUUID parses the 36 character form.
func ParseUUID(s string) (UUID, bool) {
	var u UUID
	if len(s) != 36 {
		return UUID{}, false
	}
	at := 0
	for i := range u {
		if at == 8 || at == 13 || at == 18 || at == 23 {
			if s[at] != '-' {
				return UUID{}, false
			}
			at++
		}
		hi, lo := unhex[s[at]], unhex[s[at+1]]
		if hi|lo > 15 {
			return UUID{}, false
		}
		u[i] = hi<<4 | lo
		at += 2
	}
	return u, true
}

// unhex gives the value of a hexadecimal digit, 255 for other bytes.
var unhex = func() (t [256]uint8) {
	for i := range t {
		t[i] = 255
	}
	for i := range 10 {
		t['0'+i] = uint8(i)
	}
	for i := range 6 {
		t['a'+i], t['A'+i] = uint8(10+i), uint8(10+i)
	}
	return t
}()

const zeroText = "00000000-0000-0000-0000-000000000000"

// String returns the 36 character form, in lower case.
func (u UUID) String() string { return string(u.AppendText(make([]byte, 0, len(zeroText)))) }

// AppendText appends the 36 character form to dst.
func (u UUID) AppendText(dst []byte) []byte {
	dst = append(dst, zeroText...)
	text := dst[len(dst)-len(zeroText):]
	le := binary.LittleEndian
	le.PutUint64(text, hex(le.Uint32(u[:])))
	digits := hex(le.Uint32(u[4:]))
	le.PutUint32(text[9:], uint32(digits))
	le.PutUint32(text[14:], uint32(digits>>32))
	digits = hex(le.Uint32(u[8:]))
	le.PutUint32(text[19:], uint32(digits))
	le.PutUint32(text[24:], uint32(digits>>32))
	le.PutUint64(text[28:], hex(le.Uint32(u[12:])))
	return dst
}

// hex returns the eight digits of four bytes, the first byte and the first digit being the lowest of each.
func hex(bytes uint32) uint64 {
	const ones = 0x0101010101010101
	w := uint64(bytes)
	w = (w | w<<16) & 0x0000ffff0000ffff
	w = (w | w<<8) & 0x00ff00ff00ff00ff
	w = (w>>4 | w<<8) & (15 * ones)
	letters := (w + 6*ones) >> 4 & ones
	return w + '0'*ones + letters*('a'-'0'-10)
}

// IsZero reports whether u is the zero UUID.
func (u UUID) IsZero() bool { return u == UUID{} }

// Compare orders UUIDs as sets are ordered: it returns -1, 0 or 1.
func (u UUID) Compare(v UUID) int { return bytes.Compare(u[:], v[:]) }
