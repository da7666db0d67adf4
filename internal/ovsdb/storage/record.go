package storage

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"strings"
)

// A record is a header line and a data line:
//
//	OVSDB JSON <length> <sha1>\n
//	<JSON object>\n
//
// Length and SHA-1 are those of the data line, its line feed included.
const (
	magic          = "JSON"
	clusteredMagic = "CLUSTER"
	lead           = "OVSDB "
	maxHeader      = 127 // bytes of a header line that ovsdb-server reads
)

// header is a parsed header line.
type header struct {
	magic  string
	length int64
	sum    [sha1.Size]byte
}

// MaxRecord is the length in bytes that the data of a record may have: what package wire
// can read back.
const MaxRecord = 1<<31 - 2

// checkLength returns an ErrTooLong if a record cannot have length bytes of data.
func checkLength(length int64) error {
	if length > MaxRecord {
		return fmt.Errorf("%w: %d bytes, the most is %d", ErrTooLong, length, MaxRecord)
	}
	return nil
}

// AppendRecord appends the record of a file that holds data, a JSON object without a line feed.
func AppendRecord(dst, data []byte) []byte {
	dst = append(appendHeader(dst, data), data...)
	return append(dst, '\n')
}

// appendHeader appends the header line of that record, whose data is given in parts.
func appendHeader(dst []byte, parts ...[]byte) []byte {
	dst, _ = appendHeaderOf(dst, slices.Values(parts))
	return dst
}

// appendHeaderOf is appendHeader, and returns the number of bytes of the data.
func appendHeaderOf(dst []byte, parts iter.Seq[[]byte]) ([]byte, int64) {
	h := sha1.New()
	n := int64(0)
	for part := range parts {
		h.Write(part)
		n += int64(len(part))
	}
	h.Write([]byte{'\n'})
	var sum [sha1.Size]byte
	h.Sum(sum[:0])

	dst = append(dst, lead+magic+" "...)
	dst = strconv.AppendInt(dst, n+1, 10)
	dst = append(dst, ' ')
	dst = hex.AppendEncode(dst, sum[:])
	return append(dst, '\n'), n
}

// parseHeader parses a header line, its line feed included.
func parseHeader(line string) (header, bool) {
	var h header
	rest, ok := strings.CutPrefix(line, lead)
	if !ok {
		return h, false
	}
	if h.magic, rest, ok = strings.Cut(rest, " "); !ok {
		return h, false
	}
	length, rest, ok := strings.Cut(rest, " ")
	if !ok {
		return h, false
	}
	n, err := strconv.ParseUint(length, 10, 63)
	if err != nil || n == 0 {
		return h, false
	}
	h.length = int64(n)
	sum, rest, ok := strings.Cut(rest, "\n")
	if !ok || rest != "" || len(sum) != hex.EncodedLen(sha1.Size) {
		return h, false
	}
	_, err = hex.Decode(h.sum[:], []byte(sum))
	return h, err == nil
}

// checkData checks the data of a record that stands at offset off.
func (h *header) checkData(data []byte, off int64) error {
	if sum := sha1.Sum(data); sum != h.sum {
		return fmt.Errorf("%d bytes starting at offset %d have SHA-1 hash %x but should have hash %x",
			len(data), off, sum, h.sum)
	}
	if len(data) == 0 || data[0] != '{' {
		return fmt.Errorf("%d bytes starting at offset %d are not a JSON object", len(data), off)
	}
	return nil
}
