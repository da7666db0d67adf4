package intent

import "strconv"

// Priority says what priority frames get where they leave: a DSCP in the header of a tunnel, or a
// PCP in the tag of a VLAN. The zero Priority is 0 for all.
type Priority struct {
	From  PriorityFrom
	Value uint8 // with Fixed: the priority itself
}

// PriorityFrom is where a priority is taken from.
type PriorityFrom uint8

const (
	// Fixed is the same for all frames.
	Fixed PriorityFrom = iota
	// Inner is what the IP packet of the frame has in its header. A frame that is none has 0.
	Inner
	// Outer is what was around the frame when it came: the header of its tunnel, or the tag that
	// it was told by. A frame that came without has 0.
	Outer
)

// A DSCP is 6 bits, a PCP 3. One is made of the other by the class selectors of RFC 2474: the PCP
// is the upper bits of the DSCP, and where there is only a PCP, the others are 0.
const (
	MaxDSCP = 1<<6 - 1
	MaxPCP  = 1<<3 - 1
)

// String returns "inner", "outer" or the number.
func (p Priority) String() string {
	switch p.From {
	case Inner:
		return "inner"
	case Outer:
		return "outer"
	}
	return strconv.Itoa(int(p.Value))
}
