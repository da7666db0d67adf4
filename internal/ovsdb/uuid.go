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

// String returns the 36 character form, in lower case.
func (u UUID) String() string { return string(u.AppendText(make([]byte, 0, 36))) }

// AppendText appends the 36 character form to dst.
func (u UUID) AppendText(dst []byte) []byte {
	const digits = "0123456789abcdef"
	for i, b := range u {
		if i == 4 || i == 6 || i == 8 || i == 10 {
			dst = append(dst, '-')
		}
		dst = append(dst, digits[b>>4], digits[b&15])
	}
	return dst
}

// IsZero reports whether u is the zero UUID.
func (u UUID) IsZero() bool { return u == UUID{} }

// Compare orders UUIDs as sets are ordered: it returns -1, 0 or 1.
func (u UUID) Compare(v UUID) int { return bytes.Compare(u[:], v[:]) }
