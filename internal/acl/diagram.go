package acl

import (
	"encoding/binary"
	"slices"
)

// pattern says what bits of a key a frame must have. What is outside of the mask is zero.
type pattern struct{ mask, value [KeyLen]byte }

func (p *pattern) put(at int, mask, value []byte) {
	for i, m := range mask {
		p.mask[at+i] |= m
		p.value[at+i] |= value[i] & m
	}
}

// only returns what p says of these nibbles.
func (p *pattern) only(nibbles []int) (part pattern) {
	for _, n := range nibbles {
		keep := byte(0xf0)
		if n%2 == 1 {
			keep = 0x0f
		}
		part.mask[n/2] |= p.mask[n/2] & keep
		part.value[n/2] |= p.value[n/2] & keep
	}
	return part
}

// at returns mask and value of a nibble.
func (p *pattern) at(n int) (mask, value uint32) { return nibble(&p.mask, n), nibble(&p.value, n) }

// choice is a pattern with the entries that have it, in one dimension.
type choice struct {
	pattern
	entries []int // their indexes
	last    int   // the position behind the last nibble that it says something of
}

// choices tells the patterns of a dimension apart. Entries that ask nothing there have the
// pattern without a mask, so that each entry is of one choice.
func choices(patterns []pattern, nibbles []int) []choice {
	var all []choice
	known := map[pattern]int{}
	for i := range patterns {
		p := patterns[i].only(nibbles)
		c, ok := known[p]
		if !ok {
			c = len(all)
			known[p] = c
			last := 0
			for at, n := range nibbles {
				if m, _ := p.at(n); m != 0 {
					last = at + 1
				}
			}
			all = append(all, choice{pattern: p, last: last})
		}
		all[c].entries = append(all[c].entries, i)
	}
	return all
}

// diagram is a decision diagram under construction: it looks at nibbles of the key one after
// another, and its leaves are the entries whose patterns the key has.
type diagram struct {
	nibbles []int // in the order in which they are looked at
	choices []choice
	nodes   *nodes
	vectors *vectors
	n       int     // entries
	budget  *budget // nil: as much as it takes
	made    map[string]reference
}

// budget is what a diagram may still cost.
type budget struct {
	nodes, words int // in all that there are
	work         int // looks at choices and entries
}

// What a diagram may cost: some for each choice or entry, and some anyway. Those of prefixes stay far
// below it.
const (
	nodesPerChoice, nodesAnyway = 4, 256
	wordsPerEntry, wordsAnyway  = 16, 1 << 12
	workPerChoice, workAnyway   = 1 << 10, 1 << 16
)

// smallest is the number of nibbles whose diagram is never too large.
const smallest = 2

// makeDiagram makes the diagram of these nibbles, or none if it were too large: masks that are
// not those of prefixes can make it grow without bounds.
func makeDiagram(patterns []pattern, nibbles []int, ns *nodes, vs *vectors) (root reference, ok bool) {
	d := &diagram{nibbles: nibbles, choices: choices(patterns, nibbles), nodes: ns, vectors: vs, n: len(patterns), made: map[string]reference{}}
	hadNodes, hadWords := len(ns.all), len(vs.words)
	if len(nibbles) > smallest {
		d.budget = &budget{hadNodes + nodesPerChoice*len(d.choices) + nodesAnyway, hadWords + wordsPerEntry*d.n + wordsAnyway,
			workPerChoice*len(d.choices) + workAnyway}
	}
	live := make([]int32, len(d.choices))
	for i := range live {
		live[i] = int32(i)
	}
	if root, ok = d.make(live, 0); !ok {
		ns.all = ns.all[:hadNodes]
		vs.cut(hadWords)
	}
	return root, ok
}

// spend says whether the budget allows for so much work more.
func (d *diagram) spend(work int) bool {
	b := d.budget
	if b == nil {
		return true
	}
	b.work -= work
	return b.work >= 0 && len(d.nodes.all) <= b.nodes && len(d.vectors.words) <= b.words
}

// make returns the diagram for keys that have passed all nibbles before the position at, and
// have the patterns of live so far; false: it is too large.
func (d *diagram) make(live []int32, at int) (reference, bool) {
	at = d.skip(live, at)
	if at == len(d.nibbles) {
		return d.leaf(live)
	}
	key := made(live, at)
	if r, ok := d.made[key]; ok {
		return r, true
	}
	if !d.spend(16 * len(live)) {
		return 0, false
	}
	r, ok := d.compare(live, at)
	if !ok {
		r, ok = d.branch(live, at)
	}
	if ok {
		d.made[key] = r
	}
	return r, ok
}

func made(live []int32, at int) string {
	key := binary.NativeEndian.AppendUint32(make([]byte, 0, 4*len(live)+4), uint32(at))
	for _, c := range live {
		key = binary.NativeEndian.AppendUint32(key, uint32(c))
	}
	return string(key)
}

// skip returns the first position from at on of which any of live says something.
func (d *diagram) skip(live []int32, at int) int {
	first := len(d.nibbles)
	for _, c := range live {
		for i := at; i < min(first, d.choices[c].last); i++ {
			if m, _ := d.choices[c].at(d.nibbles[i]); m != 0 {
				first = i
			}
		}
	}
	return first
}

// compare makes a comparison if all of live that say something from at on say the same of more
// than one nibble.
func (d *diagram) compare(live []int32, at int) (reference, bool) {
	var open, done []int32
	for _, c := range live {
		if d.choices[c].last > at {
			open = append(open, c)
		} else {
			done = append(done, c)
		}
	}
	window := d.nibbles[at] / (2 * windowLen)
	one := &d.choices[open[0]].pattern
	end, said := at, 0
	for ; end < len(d.nibbles) && d.nibbles[end]/(2*windowLen) == window; end++ {
		n := d.nibbles[end]
		mask, value := one.at(n)
		if slices.ContainsFunc(open, func(c int32) bool {
			m, v := d.choices[c].at(n)
			return m != mask || v != value
		}) {
			break
		}
		if mask != 0 {
			said++
		}
	}
	if said == 0 || said == 1 && len(open) > 1 {
		return 0, false
	}
	part := one.only(d.nibbles[at:end])
	yes, ok := d.make(live, end)
	if !ok {
		return 0, false
	}
	no, ok := d.make(done, len(d.nibbles))
	if !ok {
		return 0, false
	}
	from := window * windowLen
	return d.nodes.compare(window, [windowLen]byte(part.mask[from:]), [windowLen]byte(part.value[from:]), yes, no), true
}

func (d *diagram) branch(live []int32, at int) (reference, bool) {
	var to [16]reference
	for v := range to {
		fit := make([]int32, 0, len(live))
		for _, c := range live {
			if m, want := d.choices[c].at(d.nibbles[at]); uint32(v)&m == want {
				fit = append(fit, c)
			}
		}
		var ok bool
		if to[v], ok = d.make(fit, at+1); !ok {
			return 0, false
		}
	}
	return d.nodes.branch(d.nibbles[at], to), true
}

func (d *diagram) leaf(live []int32) (reference, bool) {
	v, work := newVector(d.n), 0
	for _, c := range live {
		work += len(d.choices[c].entries)
		for _, i := range d.choices[c].entries {
			v.set(i)
		}
	}
	return leaf(d.vectors.add(v)), d.spend(work)
}
