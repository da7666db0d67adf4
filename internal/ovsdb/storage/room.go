package storage

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"hash"
	"sync"
)

// Room is what the end of a file has that is written and synced record by record: space for the next ones. A sync after
// a write into it has nothing but that to bring to the disk, whereas a file that grows has its new size to be recorded,
// for which a file system mostly writes a journal.
//
// It has the form of a record, so that whatever reads OVSDB files can read this one at any time:
//
//	OVSDB JSON 65478 <sha1>\n
//	{                       }\n
//
// A record is written where the room begins, and the header of what is left of the room behind it, with one write. If
// that is torn by a loss of power, the record before is the last good one, as with a file that grows.
//
// An object without members changes nothing. So the room may stay, and does after a crash: this package uses it
// again, and other programs write behind it. Close gives it back.
const (
	roomSize   = 64 << 10
	leastRoom  = 256           // less is not worth a record
	roomFor    = roomSize / 16 // what is written at once, at most, for there to be new room
	roomHabit  = 64            // appends, each of them synced, after which there is: a file of fewer reads as others write it
	roomHeader = len(lead+magic) + 1 + 5 + 1 + 2*sha1.Size + 1
)

// blank is an object without members, but for its end.
var blank = sync.OnceValue(func() []byte { return append([]byte{'{'}, bytes.Repeat([]byte{' '}, roomSize)...) })

const blankEnd = "}\n"

// appendRoom appends the beginning of n bytes of room; what it is filled with follows.
func appendRoom(dst []byte, n int) []byte {
	n -= roomHeader
	sum := blankSum(n)
	dst = fmt.Appendf(dst, lead+magic+" %05d ", n)
	dst = hex.AppendEncode(dst, sum[:])
	return append(dst, '\n', '{')
}

// appendWholeRoom appends n bytes of room.
func appendWholeRoom(dst []byte, n int) []byte {
	end := len(dst) + n
	dst = appendRoom(dst, n)
	dst = append(dst, blank()[1:1+end-len(dst)-len(blankEnd)]...)
	return append(dst, blankEnd...)
}

// blankStep is how much of blank is hashed for a sum, at most.
const blankStep = 4 << 10

// blankHashes are the hashes of the first 0, 1, 2... steps of blank.
var blankHashes = sync.OnceValue(func() (all []hash.Cloner) {
	h := sha1.New().(hash.Cloner)
	for at := 0; at < roomSize; at += blankStep {
		c, _ := h.Clone() // SHA-1 can
		all = append(all, c)
		h.Write(blank()[at : at+blankStep])
	}
	return all
})

// blankSum is the SHA-1 of the data line of n bytes that room has.
func blankSum(n int) (sum [sha1.Size]byte) {
	n -= len(blankEnd)
	done := n / blankStep
	h, _ := blankHashes()[done].Clone()
	h.Write(blank()[done*blankStep : n])
	h.Write([]byte(blankEnd))
	h.Sum(sum[:0])
	return sum
}

// isRoom says whether data is that of room.
func isRoom(data []byte) bool {
	inner, ok := bytes.CutPrefix(data, []byte{'{'})
	if !ok {
		return false
	}
	inner, ok = bytes.CutSuffix(inner, []byte(blankEnd))
	return ok && len(inner) > 0 && len(bytes.Trim(inner, " ")) == 0
}

// fit returns buf, the records to be written, with the room behind them, and how much of that there will be.
func (l *Log) fit(buf []byte) ([]byte, int) {
	n := len(buf)
	switch left := l.room - n; {
	case left >= leastRoom:
		return appendRoom(buf, left), left
	case left > 0, l.habit >= roomHabit && n <= roomFor:
		return appendWholeRoom(buf, roomSize), roomSize
	}
	return buf, 0
}

// giveBack cuts off the room, unless another program wrote behind it.
func (l *Log) giveBack() error {
	if l.room == 0 || l.err != nil || l.opts.ReadOnly {
		return nil
	}
	if err := l.checkEnd(l.size.Load() + int64(l.room)); err != nil {
		return err
	}
	l.room = 0
	return l.file.Truncate(l.size.Load())
}

// written is how much of what is cut off a damaged file has been written, rather than left of room.
func (l *Log) written(r *Recovery) (int64, error) {
	end := make([]byte, min(r.Cut, roomSize))
	if n, err := l.file.ReadAt(end, r.Offset+r.Cut-int64(len(end))); n < len(end) {
		return 0, noEOF(err)
	}
	whole, ok := bytes.CutSuffix(end, []byte(blankEnd))
	rest := bytes.TrimRight(whole, " ")
	if !ok || len(whole)-len(rest) < leastRoom-roomHeader-len(blankEnd)-1 {
		return r.Cut, nil
	}
	if line, ok := bytes.CutSuffix(rest, []byte{'{'}); ok {
		if i := bytes.LastIndex(line, []byte(lead)); i >= 0 {
			if _, ok := parseHeader(string(line[i:])); ok {
				rest = line[:i]
			}
		}
	}
	return r.Cut - int64(len(end)-len(rest)), nil
}
