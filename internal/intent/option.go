package intent

import "fmt"

// Flooding says which frames a switch hands to all of its members and peers, of those that have no
// known destination: broadcast, unknown addresses, and groups that have no set of their own.
type Flooding uint8

const (
	// FloodAll is all of them.
	FloodAll Flooding = iota
	// FloodNeighbors is those of ARP and Neighbor Discovery.
	FloodNeighbors
	// FloodNone is none.
	FloodNone
)

// String returns the value that the database has for it.
func (f Flooding) String() string { return [...]string{"all", "arp_nd", "none"}[f] }

// ReservedMACs is a set of the addresses from 01:80:c2:00:00:00 to 0f, bit n for the one that ends
// in n, as in group_fwd_mask of the kernel's bridge.
type ReservedMACs uint16

// Has says whether m, which must be Reserved, is one of r.
func (r ReservedMACs) Has(m MAC) bool { return r>>(m[5]&0xf)&1 != 0 }

// String returns r as a mask, "0x4000".
func (r ReservedMACs) String() string { return fmt.Sprintf("%#04x", uint16(r)) }
