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

// Record is the data of a record in parts, each of which may be void when the next comes: so one that is as
// large as the database is never in memory as a whole. It is gone through twice, as its sum precedes it in the
// file, and must be the same both times.
type Record = iter.Seq[[]byte]

// Whole is a Record of one part.
func Whole(data []byte) Record { return slices.Values([][]byte{data}) }

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
	dst, _ = appendHeader(dst, Whole(data))
	return append(append(dst, data...), '\n')
}

// frame is AppendRecord in the memory of data if there is room behind it, as there mostly is: what is long
// is moved in less time than it takes to get as much memory.
func frame(data []byte) []byte {
	var room [maxHeader + 1]byte
	header, n := appendHeader(room[:0], Whole(data))
	if cap(data)-len(data) < len(header)+1 {
		return AppendRecord(nil, data)
	}
	data = data[:len(header)+int(n)+1]
	copy(data[len(header):], data[:n])
	copy(data, header)
	data[len(data)-1] = '\n'
	return data
}

// appendHeader appends the header line of a record, and returns the number of bytes of the data.
func appendHeader(dst []byte, parts Record) ([]byte, int64) {
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
