package ebpf

import (
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// mapTables are the maps that the agent writes, joined with what is wanted in them.
type mapTables struct {
	all []kernel.AnyTable

	tSwitches   *kernel.Table[layout.SwitchID, uint32]
	tDevices    *kernel.Table[uint32, layout.Device]
	tBindings   *kernel.Table[layout.BindKey, uint32]
	tMembers    *kernel.Table[uint32, layout.Member]
	tRemotes    *kernel.Table[layout.MACKey, layout.Remote]
	tDecaps     *kernel.Table[layout.DecapKey, layout.Decap]
	tPeers      *kernel.Table[uint32, layout.Peer]
	tAddresses  *kernel.Table[layout.Address, uint32]
	tNeighbors  *kernel.Table[layout.IPKey, layout.Neighbor]
	tEnds       *kernel.Table[layout.Address, uint64]
	tFloods     *kernel.Table[layout.MACKey, layout.FloodSet]
	tChunks     *kernel.Table[layout.ChunkKey, layout.Chunk]
	tSegments   *kernel.Table[layout.SegmentKey, uint32]
	tPolicies   *kernel.Table[uint32, uint32]
	tRouters    *kernel.Table[layout.SwitchID, uint32]
	tGateways   *kernel.Table[uint32, layout.Gateway]
	tRoutes4    *kernel.Table[layout.RouteKey4, layout.Way]
	tRoutes6    *kernel.Table[layout.RouteKey6, layout.Way]
	tInterfaces *kernel.Table[layout.InterfaceKey, uint32]
}

// bindTables joins them.
func bindTables(w *layout.Tables, m *vtepMaps) (t mapTables) {
	t.tSwitches = kernel.Bind(&t.all, w.Switches, m.Switches)
	t.tDevices = kernel.Bind(&t.all, w.Devices, m.Devices)
	t.tBindings = kernel.Bind(&t.all, w.Bindings, m.Bindings)
	t.tMembers = kernel.Bind(&t.all, w.Members, m.Members)
	t.tRemotes = kernel.Bind(&t.all, w.Remotes, m.Remotes)
	t.tDecaps = kernel.Bind(&t.all, w.Decaps, m.Decaps)
	t.tPeers = kernel.Bind(&t.all, w.Peers, m.Peers)
	t.tAddresses = kernel.Bind(&t.all, w.Addresses, m.Addresses)
	t.tNeighbors = kernel.Bind(&t.all, w.Neighbors, m.Neighbors)
	t.tEnds = kernel.Bind(&t.all, w.Ends, m.Ends)
	t.tFloods = kernel.Bind(&t.all, w.Floods, m.Floods)
	t.tChunks = kernel.Bind(&t.all, w.Chunks, m.Chunks)
	t.tSegments = kernel.Bind(&t.all, w.Segments, m.Segments)
	t.tPolicies = kernel.Bind(&t.all, w.Policies, m.Policies)
	t.tRouters = kernel.Bind(&t.all, w.Routers, m.Routers)
	t.tGateways = kernel.Bind(&t.all, w.Gateways, m.Gateways)
	t.tRoutes4 = kernel.Bind(&t.all, w.Routes4, m.Routes4)
	t.tRoutes6 = kernel.Bind(&t.all, w.Routes6, m.Routes6)
	t.tInterfaces = kernel.Bind(&t.all, w.Interfaces, m.Interfaces)
	// When neighbors were used is the programs' to write.
	t.tNeighbors.Plain = func(n layout.Neighbor) layout.Neighbor { n.Used = 0; return n }
	return t
}

// isPlain says whether nothing is learned from a table about numbers. Those are the large ones.
func (t *mapTables) isPlain(of kernel.AnyTable) bool {
	switch of {
	case kernel.AnyTable(t.tRemotes), t.tDecaps, t.tNeighbors, t.tRoutes4, t.tRoutes6:
		return true
	}
	return false
}
