package acl

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"

	"github.com/vtep/vtep/internal/intent"
)

// Program is the entries of an ACL as tables that are looked at in a number of steps that hardly
// grows with the number of entries. It is a sequence of blocks that refer to each other by their
// numbers, so that it works wherever it is put; all numbers are in the machine's byte order, since
// the dataplane reads them in place. See docs/acl.md.
//
//	block 0      header: 16 numbers of 4 bytes, of which constants here say the places
//	nodes        of diagrams, a block each
//	words        of vectors, 8 in a block
//	dimensions   of ingress, then of egress, 8 in a block: root, what must not be missing
//	entries      likewise: what follows from them, the number of their counters
//	source       what Decode makes the ACL of again
type Program []byte

// BlockLen is the length of a block in bytes.
const BlockLen = 64

// The numbers of the header.
const (
	headFormat = iota
	headBlocks // of the program
	headSource // first block of the source
	headSourceLen
	headIngress  // the first of four: see section
	headEgress   = headIngress + 4
	headerFormat = 2
)

// section is what the header says of a direction: the first blocks of its dimensions and of its
// entries, and how many of them there are. From bit moreShift on the number of dimensions has that of those which
// follow and are only for frames that miss something.
type section struct{ dimensions, nDimensions, entries, nEntries uint32 }

const moreShift = 16

func (s section) count(missing Missing) uint32 {
	n := s.nDimensions & (1<<moreShift - 1)
	if missing != 0 {
		n += s.nDimensions >> moreShift
	}
	return n
}

func headOf(d intent.Direction) int { return headIngress + int(d)*(headEgress-headIngress) }

func (p Program) u32(at uint32) uint32 { return binary.NativeEndian.Uint32(p[at:]) }
func (p Program) u64(at uint32) uint64 { return binary.NativeEndian.Uint64(p[at:]) }

func (p Program) section(d intent.Direction) section {
	at := uint32(headOf(d) * 4)
	return section{p.u32(at), p.u32(at + 4), p.u32(at + 8), p.u32(at + 12)}
}

// A reference leads to a node, or is a leaf of a diagram.
//
//	branch    kind 0, nibble of the key in 7 bits, block in 23 bits
//	compare   kind 1, window of the key in 7 bits, block in 23 bits
//	leaf      kind 2, first word of the vector in 30 bits
type reference uint32

const (
	kindBranch  = 0
	kindCompare = 1
	kindLeaf    = 2

	maxBlocks = 1 << 23
	windowLen = 16 // bytes of the key that a comparison looks at
)

func branch(nibble, block int) reference { return reference(kindBranch<<30 | nibble<<23 | block) }
func compare(window, block int) reference {
	return reference(kindCompare<<30 | window<<23 | block)
}
func leaf(word int) reference { return reference(kindLeaf<<30 | word) }

func (r reference) kind() uint32  { return uint32(r >> 30) }
func (r reference) where() uint32 { return uint32(r >> 23 & 127) }
func (r reference) block() uint32 { return uint32(r & (maxBlocks - 1)) }
func (r reference) word() uint32  { return uint32(r & (1<<30 - 1)) }

// A comparison has the mask and the value of a window, and where it goes on if they fit and if
// not.
const (
	compareValue = windowLen
	compareYes   = 2 * windowLen
	compareNo    = compareYes + 4
)

// The flags of an entry.
const (
	EntryDeny = 1 << 0
	entryAsks = 8 // from this bit on: Missing
)

// Classify decides as First does.
func (p Program) Classify(d intent.Direction, f *Facts) Verdict {
	s := p.section(d)
	if s.nEntries == 0 {
		return Verdict{Entry: None}
	}
	var vectors []uint32
	left := beginning(s.nEntries)
	for i := range s.count(f.Missing) {
		at := s.dimensions*BlockLen + i*8
		if needs := Missing(p.u32(at + 4)); needs&f.Missing != 0 {
			continue
		}
		word := p.follow(reference(p.u32(at)), &f.Key)
		vectors = append(vectors, word)
		left &= p.u64(word * 8)
	}
	i, ok := bits.TrailingZeros64(left), left != 0
	if s.nEntries > wordBits {
		i, ok = p.firstOf(left, vectors, s.nEntries)
	}
	if !ok {
		return Verdict{Entry: None}
	}
	flags := p.u32(s.entries*BlockLen + uint32(i)*8)
	unreadable := flags>>entryAsks&uint32(f.Missing) != 0
	return Verdict{Entry: i, Deny: flags&EntryDeny != 0 || unreadable, Unreadable: unreadable}
}

// follow goes from the root of a diagram to the vector of the key.
func (p Program) follow(r reference, key *[KeyLen]byte) (word uint32) {
	for {
		at := r.block() * BlockLen
		switch r.kind() {
		case kindLeaf:
			return r.word()
		case kindCompare:
			window := key[r.where()*windowLen:]
			next := uint32(compareYes)
			for i := range uint32(windowLen) {
				if window[i]&p[at+i] != p[at+compareValue+i] {
					next = compareNo
					break
				}
			}
			r = reference(p.u32(at + next))
		default:
			r = reference(p.u32(at + nibble(key, int(r.where()))*4))
		}
	}
}

func nibble(key *[KeyLen]byte, n int) uint32 {
	b := uint32(key[n/2])
	if n%2 == 0 {
		return b >> 4
	}
	return b & 15
}

// firstOf finds the first bit that all vectors have. left are the words in which there may be one.
func (p Program) firstOf(left uint64, vectors []uint32, n uint32) (int, bool) {
	for ; left != 0; left &= left - 1 {
		w := bits.TrailingZeros64(left)
		word := ^uint64(0)
		if uint32(w) == n/wordBits {
			word = 1<<(n%wordBits) - 1
		}
		for _, v := range vectors {
			word &= p.wordOf(v, w)
		}
		if word != 0 {
			return w*wordBits + bits.TrailingZeros64(word), true
		}
	}
	return 0, false
}

// wordOf returns a word of a vector that has several: of those the ones that are not zero follow
// the word that says which they are.
func (p Program) wordOf(vector uint32, w int) uint64 {
	which := p.u64(vector * 8)
	before := bits.OnesCount64(which & (1<<w - 1))
	return p.u64((vector + 1 + uint32(before)) * 8)
}

// beginning is the first word of a vector that has all of n entries.
func beginning(n uint32) uint64 {
	if n > wordBits {
		n = (n + wordBits - 1) / wordBits
	}
	if n == wordBits {
		return ^uint64(0)
	}
	return 1<<n - 1
}

// Open returns the program that begins at a block of memory, if there is a whole one.
func Open(memory []byte, block uint32) (Program, error) {
	if uint64(block+1)*BlockLen > uint64(len(memory)) {
		return nil, fmt.Errorf("open a program of an ACL: %w", errProgram)
	}
	p := Program(memory[uint64(block)*BlockLen:])
	length := uint64(p.u32(headBlocks*4)) * BlockLen
	if p.u32(headFormat*4) != headerFormat || length < BlockLen || length > uint64(len(p)) {
		return nil, fmt.Errorf("open a program of an ACL: %w", errProgram)
	}
	p = p[:length]
	within := func(block, n uint32, size uint64) bool { return uint64(block)*BlockLen+uint64(n)*size <= length }
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		if s := p.section(d); !within(s.dimensions, s.count(MissingIP), 8) || !within(s.entries, s.nEntries, 8) {
			return nil, fmt.Errorf("open a program of an ACL: %w", errProgram)
		}
	}
	if !within(p.u32(headSource*4), p.u32(headSourceLen*4), 1) {
		return nil, fmt.Errorf("open a program of an ACL: %w", errProgram)
	}
	return p, nil
}

var errProgram = errors.New("there is none")

// Source returns the ACL that p was made from.
func (p Program) Source() (intent.ACL, error) {
	at := p.u32(headSource*4) * BlockLen
	a, err := Decode(p[at : at+p.u32(headSourceLen*4)])
	if err == nil && len(a.Ingress)+len(a.Egress) != len(p.Counters()) {
		err = fmt.Errorf("open a program of an ACL: %w", errProgram)
	}
	return a, err
}

// idAt is where the header has the UUID of the ACL.
const idAt = 48

// SetID notes whose program p is.
func (p Program) SetID(id intent.ACLID) { copy(p[idAt:], id[:]) }

// ID returns what SetID has noted.
func (p Program) ID() intent.ACLID { return intent.ACLID(p[idAt : idAt+16]) }

// SetCounters gives the entries numbers that they are counted by, those of ingress first.
func (p Program) SetCounters(numbers []uint32) {
	p.counters(func(i int, number []byte) { binary.NativeEndian.PutUint32(number, numbers[i]) })
}

// Counters returns what SetCounters has given.
func (p Program) Counters() (numbers []uint32) {
	p.counters(func(_ int, number []byte) { numbers = append(numbers, binary.NativeEndian.Uint32(number)) })
	return numbers
}

func (p Program) counters(f func(i int, number []byte)) {
	i := 0
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		s := p.section(d)
		for n := range s.nEntries {
			f(i, p[s.entries*BlockLen+n*8+4:])
			i++
		}
	}
}
