package ops

import (
	"encoding/binary"
	"strconv"

	"github.com/vtep/vtep/internal/ovsdb"
)

// Refs prints references to rows. It knows the tokens of one transaction: UUIDs
// that stand for the rows that it inserts, until the server gives these their own.
//
// All tokens of a transaction share their first half and count in the second, so
// that telling a token from the UUID of a row takes one comparison and no table.
// The first half is random, and of a UUID version that does not exist. The zero
// Refs has no tokens.
type Refs struct {
	prefix [8]byte
	issued uint64
}

const tokenVersion = 0xf0

// issue returns the next token.
func (r *Refs) issue() ovsdb.UUID {
	if r.issued == 0 {
		random := ovsdb.NewUUID()
		copy(r.prefix[:], random[:])
		r.prefix[6] = tokenVersion
	}
	var u ovsdb.UUID
	copy(u[:8], r.prefix[:])
	binary.BigEndian.PutUint64(u[8:], r.issued)
	r.issued++
	return u
}

// index returns the number of a token, counted from 0; ok is false for other UUIDs.
func (r *Refs) index(u ovsdb.UUID) (n uint64, ok bool) {
	n = binary.BigEndian.Uint64(u[8:])
	return n, n < r.issued && [8]byte(u[:8]) == r.prefix
}

// appendName appends the name of token n, as a JSON string.
func appendName(dst []byte, n uint64) []byte {
	return append(strconv.AppendUint(append(dst, `"r`...), n, 10), '"')
}

// AppendUUID appends a reference to u.
func (r Refs) AppendUUID(dst []byte, u ovsdb.UUID) []byte {
	if n, ok := r.index(u); ok {
		return append(appendName(append(dst, `["named-uuid",`...), n), ']')
	}
	return ovsdb.AppendUUID(dst, u)
}
