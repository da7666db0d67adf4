package ebpf

import "github.com/vtep/vtep/internal/plane/ebpf/layout"

// mapTables are the maps that the agent writes, joined with what is wanted in them.
type mapTables struct {
	all []anyTable

	tSwitches   *table[layout.SwitchID, uint32]
	tDevices    *table[uint32, layout.Device]
	tBindings   *table[layout.BindKey, uint32]
	tMembers    *table[uint32, layout.Member]
	tRemotes    *table[layout.MACKey, layout.Remote]
	tDecaps     *table[layout.TunnelKey, layout.Decap]
	tPeers      *table[uint32, layout.Peer]
	tAddresses  *table[layout.Address, uint32]
	tNeighbors  *table[layout.IPKey, layout.Neighbor]
	tEnds       *table[layout.Address, uint64]
	tFloods     *table[layout.MACKey, layout.FloodSet]
	tChunks     *table[layout.ChunkKey, layout.Chunk]
	tPolicies   *table[uint32, uint32]
	tRouters    *table[layout.SwitchID, uint32]
	tGateways   *table[uint32, layout.Gateway]
	tRoutes4    *table[layout.RouteKey4, layout.Way]
	tRoutes6    *table[layout.RouteKey6, layout.Way]
	tInterfaces *table[layout.InterfaceKey, uint32]
}

// bindTables joins them.
func bindTables(w *layout.Tables, m *vtepMaps) (t mapTables) {
	t.tSwitches = bind(&t.all, w.Switches, m.Switches)
	t.tDevices = bind(&t.all, w.Devices, m.Devices)
	t.tBindings = bind(&t.all, w.Bindings, m.Bindings)
	t.tMembers = bind(&t.all, w.Members, m.Members)
	t.tRemotes = bind(&t.all, w.Remotes, m.Remotes)
	t.tDecaps = bind(&t.all, w.Decaps, m.Decaps)
	t.tPeers = bind(&t.all, w.Peers, m.Peers)
	t.tAddresses = bind(&t.all, w.Addresses, m.Addresses)
	t.tNeighbors = bind(&t.all, w.Neighbors, m.Neighbors)
	t.tEnds = bind(&t.all, w.Ends, m.Ends)
	t.tFloods = bind(&t.all, w.Floods, m.Floods)
	t.tChunks = bind(&t.all, w.Chunks, m.Chunks)
	t.tPolicies = bind(&t.all, w.Policies, m.Policies)
	t.tRouters = bind(&t.all, w.Routers, m.Routers)
	t.tGateways = bind(&t.all, w.Gateways, m.Gateways)
	t.tRoutes4 = bind(&t.all, w.Routes4, m.Routes4)
	t.tRoutes6 = bind(&t.all, w.Routes6, m.Routes6)
	t.tInterfaces = bind(&t.all, w.Interfaces, m.Interfaces)
	return t
}
