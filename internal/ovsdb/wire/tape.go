package wire

import (
	"bytes"
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
func (p *parser) room(i int) {
	n := float64(len(p.nodes))
	left := n / float64(i) * float64(p.whole-i)
	if before := countBefore(p.src[:i]); !p.judged && before > 0 {
		left = n/float64(before)*countAll(p.src)*float64(p.whole)/float64(len(p.src)) - n
	}
	p.judged = true
	p.nodes = grow(p.nodes, max(int(left+left/16), len(p.nodes)/4, fewNodes))
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
// the system takes half as long as to parse the text.
var tapes sync.Pool

// longTape is from how many nodes on they are kept.
const longTape = 1 << 14

// grow makes room for n more nodes.
func grow(nodes []node, n int) []node {
	if need := len(nodes) + n; need >= longTape {
		if kept, _ := tapes.Get().(*[]node); kept != nil && cap(*kept) >= need && cap(*kept) <= 2*need {
			return append((*kept)[:0], nodes...)
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
	if cap(nodes) >= longTape {
		tapes.Put(&nodes)
	}
}
