package acl

import (
	"encoding/binary"
	"slices"
)

const wordBits = 64

// vector is a set of entries, by their index. Of several words the dataplane has those only that
// are not zero, after a word with a bit for each of these.
type vector []uint64

func newVector(n int) vector { return make(vector, (n+wordBits-1)/wordBits) }

func (v vector) set(i int)   { v[i/wordBits] |= 1 << (i % wordBits) }
func (v vector) unset(i int) { v[i/wordBits] &^= 1 << (i % wordBits) }

// packed is v as the dataplane has it.
func (v vector) packed() []uint64 {
	if len(v) == 1 {
		return v
	}
	words := []uint64{0}
	for i, w := range v {
		if w != 0 {
			words[0] |= 1 << i
			words = append(words, w)
		}
	}
	return words
}

// vectors are those of a Program. Equal ones are there once.
type vectors struct {
	words []uint64
	known map[string]int // by their bytes: the first word
}

// add returns where v is.
func (all *vectors) add(v vector) (word int) {
	packed := v.packed()
	key := make([]byte, 0, 8*len(packed))
	for _, w := range packed {
		key = binary.NativeEndian.AppendUint64(key, w)
	}
	if word, ok := all.known[string(key)]; ok {
		return word
	}
	word = len(all.words)
	all.words = append(all.words, packed...)
	all.known[string(key)] = word
	return word
}

// cut takes away what was added since there were only so many words.
func (all *vectors) cut(words int) {
	for key, word := range all.known {
		if word >= words {
			delete(all.known, key)
		}
	}
	all.words = all.words[:words]
}

// bytes are all words, filled up to whole blocks.
func (all *vectors) bytes() []byte {
	var b []byte
	for _, w := range all.words {
		b = binary.NativeEndian.AppendUint64(b, w)
	}
	return fill(b)
}

// fill makes b end with a block.
func fill(b []byte) []byte {
	if over := len(b) % BlockLen; over != 0 {
		b = append(b, make([]byte, BlockLen-over)...)
	}
	return slices.Clip(b)
}
