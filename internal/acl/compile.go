package acl

import (
	"encoding/binary"

	"github.com/vtep/vtep/internal/intent"
)

// dimension is a part of the key that has a diagram of its own.
type dimension struct {
	root  reference
	needs Missing // the diagram tells nothing of frames that miss any of it
}

// Compile makes the Program of an ACL that passes intent's checks.
func Compile(a intent.ACL) Program {
	var ns nodes
	vs := vectors{known: map[string]int{}}
	directions, whole := [2][]dimension{}, [2]int{}
	for d := range directions {
		directions[d], whole[d] = dimensions(a.Entries(intent.Direction(d)), &ns, &vs)
	}

	put := func(b []byte, values ...uint32) []byte {
		for _, v := range values {
			b = binary.NativeEndian.AppendUint32(b, v)
		}
		return b
	}
	place := placement{block: 1, word: (1 + len(ns.all)) * (BlockLen / 8)}
	p := append(make([]byte, BlockLen), ns.bytes(place)...)
	p = append(p, vs.bytes()...)
	head := make([]uint32, BlockLen/4)
	for d, dims := range directions {
		s := head[headOf(intent.Direction(d)):]
		s[0], s[1] = uint32(len(p)/BlockLen), uint32(whole[d]|(len(dims)-whole[d])<<moreShift)
		for _, dim := range dims {
			p = put(p, place.of(dim.root), uint32(dim.needs))
		}
		p = fill(p)
	}
	for d := range directions {
		s := head[headOf(intent.Direction(d)):]
		entries := a.Entries(intent.Direction(d))
		s[2], s[3] = uint32(len(p)/BlockLen), uint32(len(entries))
		for i := range entries {
			flags := uint32(asks(entries[i].Fields)) << entryAsks
			if entries[i].Deny {
				flags |= EntryDeny
			}
			p = put(p, flags, 0)
		}
		p = fill(p)
	}
	source := Encode(a)
	head[headSource], head[headSourceLen] = uint32(len(p)/BlockLen), uint32(len(source))
	p = fill(append(p, source...))
	head[headFormat], head[headBlocks] = headerFormat, uint32(len(p)/BlockLen)
	copy(p, put(nil, head...))
	return Program(p)
}

// dimensions makes the diagrams of the entries of one direction. Fields that no entry asks for
// have none. Those from the nth on are only for frames that miss something.
func dimensions(entries []intent.ACLEntry, ns *nodes, vs *vectors) (all []dimension, n int) {
	var asked intent.ACLFields
	patterns := make([]pattern, len(entries))
	for i := range entries {
		asked |= entries[i].Fields
		patterns[i] = patternOf(&entries[i])
	}
	add := func(fields intent.ACLFields, needs Missing, nibbles ...[2]int) {
		if asked.Has(fields) {
			all = addDiagrams(all, patterns, needs, expand(nibbles), ns, vs)
		}
	}
	const what = intent.ACLEtherType | intent.ACLProtocol | intent.ACLTransport
	add(what, MissingProtocol, bytesAt(atEtherType, 2), bytesAt(atFamily, 1), bytesAt(atKind, 1), bytesAt(atProtocol, 1))
	// An address without its family: that is in the EtherType, for which each such entry asks.
	add(intent.ACLSrcIP, MissingIP, bytesAt(atSrcIP, 16))
	add(intent.ACLDstIP, MissingIP, bytesAt(atDstIP, 16))
	for _, f := range []struct {
		field intent.ACLFields
		at    int
	}{{intent.ACLDstPorts, atDstPort}, {intent.ACLSrcPorts, atSrcPort}} {
		if asked.Has(f.field) {
			all = append(all, dimension{makePorts(entries, f.field, f.at, ns, vs), MissingTransport})
		}
	}
	add(intent.ACLTCPFlags, MissingTransport, bytesAt(atTCPFlags, 2))
	add(intent.ACLICMP, MissingTransport, bytesAt(atICMPType, 2))
	add(intent.ACLSrcMAC, 0, bytesAt(atSrcMAC, 6))
	add(intent.ACLDstMAC, 0, bytesAt(atDstMAC, 6))
	n = len(all)
	// What of the first dimension can be told of every frame.
	add(what, 0, bytesAt(atEtherType, 2), bytesAt(atFamily, 1))
	return all, n
}

// addDiagrams makes a diagram of the nibbles or, if that were too large, one of each half. All of
// them must say that a frame matches an entry.
func addDiagrams(all []dimension, patterns []pattern, needs Missing, nibbles []int, ns *nodes, vs *vectors) []dimension {
	if root, ok := makeDiagram(patterns, nibbles, ns, vs); ok {
		return append(all, dimension{root, needs})
	}
	half := len(nibbles) / 2
	all = addDiagrams(all, patterns, needs, nibbles[:half], ns, vs)
	return addDiagrams(all, patterns, needs, nibbles[half:], ns, vs)
}

// bytesAt is a range of the key's nibbles.
func bytesAt(at, n int) [2]int { return [2]int{2 * at, 2 * (at + n)} }

func expand(ranges [][2]int) (nibbles []int) {
	for _, r := range ranges {
		for n := r[0]; n < r[1]; n++ {
			nibbles = append(nibbles, n)
		}
	}
	return nibbles
}

var ones = [16]byte{255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255}

// patternOf is all that an entry asks but for its ports.
func patternOf(e *intent.ACLEntry) (p pattern) {
	has := e.Fields.Has
	if has(intent.ACLDstMAC) {
		p.put(atDstMAC, ones[:6], e.DstMAC[:])
	}
	if has(intent.ACLSrcMAC) {
		p.put(atSrcMAC, ones[:6], e.SrcMAC[:])
	}
	if has(intent.ACLEtherType) {
		p.put(atEtherType, ones[:2], binary.BigEndian.AppendUint16(nil, e.EtherType))
	}
	if has(intent.ACLProtocol | intent.ACLTransport) {
		p.put(atFamily, []byte{0b1101}, []byte{4}) // 4 or 6
		kind := kinds(e.Fields)
		p.put(atKind, []byte{kind}, []byte{kind})
	}
	if has(intent.ACLSrcIP) {
		p.put(atSrcIP, e.Src.Mask.AsSlice(), e.Src.IP.AsSlice())
	}
	if has(intent.ACLDstIP) {
		p.put(atDstIP, e.Dst.Mask.AsSlice(), e.Dst.IP.AsSlice())
	}
	if has(intent.ACLProtocol) {
		p.put(atProtocol, ones[:1], []byte{e.Protocol})
	}
	if has(intent.ACLTCPFlags) {
		p.put(atTCPFlags, binary.BigEndian.AppendUint16(nil, e.TCPMask), binary.BigEndian.AppendUint16(nil, e.TCPFlags))
	}
	if has(intent.ACLICMPType) {
		p.put(atICMPType, ones[:1], []byte{e.ICMPType})
	}
	if has(intent.ACLICMPCode) {
		p.put(atICMPCode, ones[:1], []byte{e.ICMPCode})
	}
	return p
}
