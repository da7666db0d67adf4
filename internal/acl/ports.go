package acl

import (
	"cmp"
	"maps"
	"slices"

	"github.com/vtep/vtep/internal/intent"
)

// intervals are the ports in parts, in each of which all have the same entries.
type intervals struct {
	begins []int       // the first port of each; begins[0] is 0
	leaves []reference // the entries of each
}

// makePorts makes the diagram of one of the two ports, at the key's byte at.
func makePorts(entries []intent.ACLEntry, field intent.ACLFields, at int, ns *nodes, vs *vectors) reference {
	r := func(e *intent.ACLEntry) intent.PortRange {
		if field == intent.ACLSrcPorts {
			return e.SrcPorts
		}
		return e.DstPorts
	}
	come, go_ := map[int][]int{}, map[int][]int{}
	v := newVector(len(entries))
	for i := range entries {
		if e := &entries[i]; !e.Fields.Has(field) {
			v.set(i)
		} else {
			come[int(r(e).Min)] = append(come[int(r(e).Min)], i)
			go_[int(r(e).Max)+1] = append(go_[int(r(e).Max)+1], i)
		}
	}
	bounds := slices.Collect(maps.Keys(come))
	bounds = slices.AppendSeq(append(bounds, 0), maps.Keys(go_))
	slices.Sort(bounds)
	var parts intervals
	for _, port := range slices.Compact(bounds) {
		if port > 0xffff {
			break
		}
		for _, i := range go_[port] {
			v.unset(i)
		}
		for _, i := range come[port] {
			v.set(i)
		}
		l := leaf(vs.add(v))
		if n := len(parts.leaves); n == 0 || parts.leaves[n-1] != l {
			parts.begins, parts.leaves = append(parts.begins, port), append(parts.leaves, l)
		}
	}
	return parts.diagram(0, 1<<16, at, 0, ns)
}

// diagram is that of the ports from low up to, not including, high, which is all of them that
// have the first digits, as hexadecimal numbers, in common.
func (p *intervals) diagram(low, high, at, digits int, ns *nodes) reference {
	first, found := slices.BinarySearch(p.begins, low)
	if !found {
		first--
	}
	last, _ := slices.BinarySearchFunc(p.begins, high, cmp.Compare[int])
	switch part := p.begins[first:last]; {
	case len(part) == 1:
		return p.leaves[first]
	case len(part) <= 3 && p.leaves[first] == p.leaves[last-1], len(part) == 2:
		if r, ok := p.compare(first, last, low, high, at, ns); ok {
			return r
		}
	}
	var to [16]reference
	step := (high - low) / 16
	for i := range to {
		to[i] = p.diagram(low+i*step, low+(i+1)*step, at, digits+1, ns)
	}
	return ns.branch(2*at+digits, to)
}

// compare makes a comparison if the ports from low to high are of two kinds, and a mask can tell
// which.
func (p *intervals) compare(first, last, low, high, at int, ns *nodes) (reference, bool) {
	// The middle one of three, or either of two.
	for i := first; i < last; i++ {
		begin, end := max(p.begins[i], low), high
		if i+1 < last {
			end = p.begins[i+1]
		}
		size := end - begin
		if size&(size-1) != 0 || begin%size != 0 || last-first == 3 && i != first+1 {
			continue
		}
		other := p.leaves[first]
		if i == first {
			other = p.leaves[last-1]
		}
		var pat pattern
		mask := uint16(0xffff &^ (size - 1))
		pat.put(at, []byte{byte(mask >> 8), byte(mask)}, []byte{byte(begin >> 8), byte(begin)})
		window := at / windowLen
		from := window * windowLen
		return ns.compare(window, [windowLen]byte(pat.mask[from:]), [windowLen]byte(pat.value[from:]), p.leaves[i], other), true
	}
	return 0, false
}
