package wire

import (
	"bytes"
	"math/bits"
	"slices"
	"sync"
)

// longText is the length from which on the nodes are not guessed beforehand, but by those that a part has made.
const longText = 4096

// guessNodes estimates how many nodes b will make, with none too few for a short text:
// every value but the first follows one of four characters.
func guessNodes(b []byte) int {
	if len(b) > longText {
		return longText / 16
	}
	return 1 + countBefore(b)
}

// room makes room for what is left of the text from offset i on. A text may begin with a few rows, and go on with one
// that has most of all values: so it is judged by pieces of it, and by how many of what they count were values until now.
// Where one that still comes ends nobody knows: behind it there may be many others. It is taken to be as long as is expected,
// and then to be some times as long as what was parsed. False: it may not have more nodes before it is here.
func (p *parser) room(i int) bool {
	src, whole := p.src, p.whole
	if p.more {
		whole = min(whole, max(p.expect, 4*i))
		src = src[:min(len(src), whole)]
	}
	n := float64(len(p.nodes))
	left := n / float64(i) * float64(whole-i)
	if before := countBefore(src[:i]); !p.judged && before > 0 {
		left = n/float64(before)*countAll(src)*float64(whole)/float64(len(src)) - n
	}
	p.judged = true
	more := max(int(left+left/16), len(p.nodes)/4, fewNodes)
	if p.more {
		if more = min(more, p.most-len(p.nodes)); more < fewNodes {
			return false
		}
	}
	p.nodes = grow(p.nodes, more)
	return true
}

// countAll estimates countBefore of a long text.
func countAll(b []byte) float64 {
	const sample, pieces = 512, 16
	n := 0
	for i := range pieces {
		piece := b[i*(len(b)/pieces):]
		n += countBefore(piece[:min(len(piece), sample)])
	}
	return float64(n) * float64(len(b)) / (sample * pieces)
}

// fewNodes is how many nodes there mostly are between the end of a value and that of the next one, at most.
const fewNodes = 8

// countBefore counts what values follow.
func countBefore(b []byte) (n int) {
	for _, c := range [...]byte{',', ':', '[', '{'} {
		n += bytes.Count(b, []byte{c})
	}
	return n
}

// tapes are the nodes of long texts that nobody needs any more, until the collector takes them: to get as much memory from
// the system takes half as long as to parse the text. They are kept by size: those of peers that send texts of another length
// don't stand in the way.
var tapes [32 * sizes]sync.Pool

// sizes is how many sizes of tapes there are between one and the double of it.
const sizes = 8

// sizeOf is which of tapes n nodes are in.
func sizeOf(n int) int {
	magnitude := bits.Len32(uint32(n)) - bits.Len(sizes)
	return magnitude*sizes + n>>magnitude%sizes
}

// longTape is from how many nodes on they are kept.
const longTape = 1 << 14

// keepTape takes nodes that nobody needs any more.
func keepTape(nodes []node) {
	if cap(nodes) >= longTape {
		tapes[sizeOf(cap(nodes))].Put(&nodes)
	}
}

// keptTape returns one with room for need nodes, and not for many more; nil: there is none.
func keptTape(need int) []node {
	for size := sizeOf(need); size <= sizeOf(need)+1; size++ {
		kept, _ := tapes[size].Get().(*[]node)
		if kept != nil && cap(*kept) >= need {
			return *kept
		}
		if kept != nil {
			tapes[size].Put(kept)
		}
	}
	return nil
}

// grow makes room for n more nodes. Nobody else may have them.
func grow(nodes []node, n int) []node {
	if need := len(nodes) + n; need >= longTape {
		if kept := keptTape(need); kept != nil {
			grown := append(kept[:0], nodes...)
			keepTape(nodes)
			return grown
		}
	}
	return slices.Grow(nodes, n)
}

// Release says that nobody will use v any more, nor any other Value of its text: their memory serves the next long text.
// Strings and Raw that were taken from them stay.
func (v Value) Release() {
	if v.doc == nil {
		return
	}
	nodes := v.doc.nodes
	v.doc.nodes = nil // whoever uses one after all fails, and sees no other text
	keepTape(nodes)
}
