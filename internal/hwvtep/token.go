package hwvtep

import (
	"encoding/binary"
	"strconv"

	"github.com/vtep/vtep/internal/ovsdb"
)

// tokens are the UUIDs that stand for the rows a transaction inserts, until the
// server gives the rows their own. All of one transaction share their first half
// and count in the second, so that telling a token from the UUID of a row takes
// one comparison and no table. The first half is random, and of a UUID version
// that does not exist. The zero tokens have none.
type tokens struct {
	prefix [8]byte
	issued uint64
}

const tokenVersion = 0xf0

func newTokens() tokens {
	var t tokens
	u := ovsdb.NewUUID()
	copy(t.prefix[:], u[:8])
	t.prefix[6] = tokenVersion
	return t
}

// issue returns the next token.
func (t *tokens) issue() UUID {
	var u UUID
	copy(u[:8], t.prefix[:])
	binary.BigEndian.PutUint64(u[8:], t.issued)
	t.issued++
	return u
}

// index returns the number of a token, counted from 0; ok is false for others' UUIDs.
func (t *tokens) index(u UUID) (uint64, bool) {
	n := binary.BigEndian.Uint64(u[8:])
	return n, n < t.issued && [8]byte(u[:8]) == t.prefix
}

// appendName appends the name of token n, as a JSON string.
func appendName(dst []byte, n uint64) []byte {
	return append(strconv.AppendUint(append(dst, `"r`...), n, 10), '"')
}

// appendUUID appends a reference to u.
func (t tokens) appendUUID(dst []byte, u UUID) []byte {
	if n, ok := t.index(u); ok {
		return append(appendName(append(dst, `["named-uuid",`...), n), ']')
	}
	return append(u.AppendText(append(dst, `["uuid","`...)), `"]`...)
}
