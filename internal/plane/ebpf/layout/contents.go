package layout

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// Tables are the maps that the agent writes, by their names.
type Tables struct {
	Switches  *Table[SwitchID, uint32]
	Devices   *Table[uint32, Device]
	Bindings  *Table[BindKey, uint32]
	Members   *Table[uint32, Member]
	Remotes   *Table[MACKey, Remote]
	Decaps    *Table[DecapKey, Decap]
	Peers     *Table[uint32, Peer]
	Addresses *Table[Address, uint32]
	Neighbors *Table[IPKey, Neighbor]
	Ends      *Table[Address, uint64]
	Floods    *Table[MACKey, FloodSet]
	Chunks    *Table[ChunkKey, Chunk]
	Segments  *Table[SegmentKey, uint32]
	Policies  *Table[uint32, uint32]

	Routers    *Table[SwitchID, uint32]
	Gateways   *Table[uint32, Gateway]
	Routes4    *Table[RouteKey4, Way]
	Routes6    *Table[RouteKey6, Way]
	Interfaces *Table[InterfaceKey, uint32]

	all []interface{ Reset() }
}

// NewTables are those of a plane that wants nothing.
func NewTables() Tables {
	var t Tables
	declare(&t, &t.Switches, "switches")
	declare(&t, &t.Devices, "devices")
	declare(&t, &t.Bindings, "bindings")
	declare(&t, &t.Members, "members")
	declare(&t, &t.Remotes, "remotes")
	declare(&t, &t.Decaps, "decaps")
	declare(&t, &t.Peers, "peers")
	declare(&t, &t.Addresses, "addresses")
	declare(&t, &t.Neighbors, "neighbors")
	declare(&t, &t.Ends, "ends")
	declare(&t, &t.Floods, "floods")
	declare(&t, &t.Chunks, "chunks")
	declare(&t, &t.Segments, "segments")
	declare(&t, &t.Policies, "policies")
	declare(&t, &t.Routers, "routers")
	declare(&t, &t.Gateways, "gateways")
	declare(&t, &t.Routes4, "routes4")
	declare(&t, &t.Routes6, "routes6")
	declare(&t, &t.Interfaces, "interfaces")
	return t
}

func declare[K, V comparable](t *Tables, at **Table[K, V], name string) {
	*at = newTable[K, V](name)
	t.all = append(t.all, *at)
}

// reset forgets what is wanted in all of them.
func (t *Tables) reset() {
	for _, w := range t.all {
		w.Reset()
	}
}

// Contents are what is to be in the maps for an intent, and the numbers that are given out for it. What
// they need to know of the machine they are told: the devices of ports (Joiner, SetDevice) and the ways to peers (Unresolved).
type Contents struct {
	Maps Tables
	numbers
	Adopted Adopted // what the maps said when they were read last

	ports    map[string]*Port
	segments map[string]intent.Segment // as the State has them
	Bindings map[intent.BindingKey]*Binding
	BySlot   map[uint32]*Binding
	Unserved map[intent.BindingKey]*Binding // those of bindings without a slot or a port
	dirty    []*Domain                      // those whose flood set of members has to be made anew
	Domains  map[uint32]*Domain             // by bd
	ByUUID   map[intent.SwitchID]*Domain
	lists    map[MACKey]list
	tunnels  tunnels
	Cut      map[MACKey]int // flood sets that are too large, with their sizes
	Routing  routing

	policyOf   map[intent.BindingKey]intent.ACLID
	ACLNumbers map[intent.ACLID]uint32 // of those that are in force, or are about to be
	anyVNI     map[uint32]struct{}     // VNIs that any source may use

	Peers      map[netip.Addr]*PeerUse
	Numbered   map[uint32]*PeerUse  // the same by their numbers
	Nameless   map[any][]netip.Addr // by MACKey or intent.Tunnel: what had no number left for these
	lastPeer   *PeerUse             // that was asked for; nil: none, or it had no number
	idlePeers  []*PeerUse           // whose last user went
	Unresolved []*PeerUse           // whose ways have to be looked up

	// What whoever joins them with the kernel takes note of, and clears.
	Unentered map[uint32]struct{} // slots whose meaning is another now; nil: all
	Unnamed   map[uint32]struct{} // likewise of bds
	Reused    []uint32            // slots whose counters have to be zeroed
	// Numbers of peers, and of ports, whose counters have to be zeroed.
	ReusedPeers []uint32
	ReusedPorts []uint32
	Stale       bool // some learned MACs may be on bindings that have gone
	NewSource   bool // peers send to us that did not, or some do no more
	GonePeers   bool // some peers have gone
}

// markSlot notes that the slot means something else, markSwitch that the bd does.
func (c *Contents) markSlot(slot uint32) {
	if c.Unentered != nil {
		c.Unentered[slot] = struct{}{}
	}
}

func (c *Contents) markSwitch(bd uint32) {
	if c.Unnamed != nil {
		c.Unnamed[bd] = struct{}{}
	}
}
