package layout

import "github.com/vtep/vtep/internal/intent"

// PriorityFlags is the priority as the programs have it, with the DSCP that a fixed one is.
func PriorityFlags(p intent.Priority, dscp uint8) uint32 {
	if p.From != intent.Fixed {
		dscp = 0
	}
	return uint32(p.From)<<6 | uint32(dscp)
}

// PriorityOf is the reverse of PriorityFlags.
func PriorityOf(flags uint32) intent.Priority {
	return intent.Priority{From: intent.PriorityFrom(flags >> 6 & 3), Value: uint8(flags & 63)}
}
