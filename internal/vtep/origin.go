package vtep

import (
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Row names a row of the database, in a column of which something is said.
type Row struct {
	Table  string
	UUID   UUID
	Column string // "": the row as a whole says it
}

// Origins returns the rows that an entry of the State comes from, none for one that is not in it, or
// that no row gives. They are those that count, not those that give way to them.
func (c *Compiler) Origins(e plane.Entry) []Row {
	switch e.Kind {
	case plane.EntryPort:
		return c.portRow(e.At.Port, "")
	case plane.EntryBinding:
		b, ok := c.state.Bindings[e.At]
		if !ok {
			return nil
		}
		rows := c.portRow(e.At.Port, "vlan_bindings")
		if b.Role != intent.Designated {
			rows = append(rows, c.portRow(e.At.Port, "other_config")...)
		}
		if p, ok := c.state.Policies[e.At]; ok {
			rows = append(rows, Row{"ACL", UUID(p.ACL), ""})
		}
		return rows
	case plane.EntrySwitch:
		if _, ok := c.view.LogicalSwitch(UUID(e.Switch)); ok {
			return []Row{{"Logical_Switch", UUID(e.Switch), ""}}
		}
	case plane.EntrySegment:
		if slices.Contains(c.state.Segments[e.At.Port], e.IP) {
			return c.portRow(e.At.Port, "other_config")
		}
	case plane.EntryUnicast:
		return c.unicastRows(e)
	case plane.EntryFlood:
		return c.floodRows(e)
	case plane.EntryDecap:
		return c.decapRows(e.Tunnel)
	case plane.EntryInterface:
		if r := c.state.Switches[e.Switch].Router; r != (intent.RouterID{}) {
			return []Row{{"Logical_Router", UUID(r), "switch_binding"}}
		}
	case plane.EntryRoute:
		for bits := e.IP.BitLen(); bits >= 0; bits-- {
			prefix, _ := e.IP.Prefix(bits)
			way, ok := c.state.Routes[intent.RouteKey{Router: e.Router, Prefix: prefix}]
			switch {
			case ok && way.Via.IsValid():
				return []Row{{"Logical_Router", UUID(e.Router), "static_routes"}}
			case ok:
				return []Row{{"Logical_Router", UUID(e.Router), "switch_binding"}}
			}
		}
	case plane.EntryGuard:
		if id, ok := c.state.InterfaceACL(e.Switch, e.IP); ok {
			return []Row{{"Logical_Router", UUID(c.state.Switches[e.Switch].Router), "acl_binding"}, {"ACL", UUID(id), ""}}
		}
	case plane.EntryNeighbour:
		ls := c.switches[e.Switch]
		if ls == nil {
			return nil
		}
		for _, n := range ls.neighbours[e.IP] {
			if n.rank != rankHeard && n.mac == c.state.Neighbours[intent.IPKey{Switch: e.Switch, IP: e.IP}] {
				return c.rowsOf([]candidate{{row: n.row}}, "ipaddr")
			}
		}
	}
	return nil
}

func (c *Compiler) portRow(name, column string) []Row {
	if rows := c.portsByName[name]; len(rows) > 0 {
		return []Row{{"Physical_Port", rows[0], column}}
	}
	return nil
}

func (c *Compiler) unicastRows(e plane.Entry) []Row {
	ls := c.switches[e.Switch]
	key := intent.MACKey{Switch: e.Switch, MAC: e.MAC}
	t, remote := c.state.Unicast.Get(key)
	at, attached := c.state.Attached[key]
	if ls == nil || !remote && !attached {
		return nil
	}
	candidates := slices.Concat(c.rowsOfMAC(ls, e.MAC), c.arps[e.MAC])
	candidates = slices.DeleteFunc(candidates, func(r candidate) bool {
		if attached {
			here, ok := c.attachedBy(r.to, ls)
			return !ok || here != at
		}
		to, ok := c.tunnelBy(r.to, ls)
		return !ok || to != t
	})
	return c.rowsOf(candidates[:min(len(candidates), 1)], "")
}

func (c *Compiler) floodRows(e plane.Entry) []Row {
	ls := c.switches[e.Switch]
	if _, ok := c.state.Floods[intent.FloodKey{Switch: e.Switch, MAC: e.MAC}]; !ok || ls == nil || ls.groups[e.MAC] == nil {
		return nil
	}
	rows := ls.groups[e.MAC].rows
	return c.rowsOf(rows[:min(len(rows), 1)], "")
}

// decapRows are of the MACs and groups that have frames of a tunnel accepted: no more than a few.
func (c *Compiler) decapRows(t intent.Tunnel) (rows []Row) {
	id, ok := c.state.Decap.Get(t)
	ls := c.switches[id]
	if !ok || ls == nil {
		return nil
	}
	leads := func(locator UUID) bool {
		to, ok := c.tunnelBy(locator, ls)
		return ok && to == t
	}
	for _, g := range ls.groups {
		for _, r := range g.rows {
			if slices.ContainsFunc(c.sets[r.to], leads) {
				rows = append(rows, c.rowsOf([]candidate{r}, "")...)
			}
		}
	}
	if len(rows) > 0 {
		return rows
	}
	for mac := range ls.macs.All() {
		for _, r := range c.rowsOfMAC(ls, mac) {
			if leads(r.to) {
				return c.rowsOf([]candidate{r}, "")
			}
		}
	}
	return nil
}

// rowsOf says of which tables rows are that place MACs.
func (c *Compiler) rowsOf(candidates []candidate, column string) (rows []Row) {
	for _, r := range candidates {
		if table := c.tableOf(r.row); table != "" {
			rows = append(rows, Row{table, r.row, column})
		}
	}
	return rows
}

// tableOf is the table of a row that places a MAC; "": there is no such row any more.
func (c *Compiler) tableOf(id UUID) string {
	if _, ok := c.view.UcastMACRemote(id); ok {
		return "Ucast_Macs_Remote"
	}
	if _, ok := c.view.UcastMACLocal(id); ok {
		return "Ucast_Macs_Local"
	}
	if _, ok := c.view.McastMACRemote(id); ok {
		return "Mcast_Macs_Remote"
	}
	if _, ok := c.view.McastMACLocal(id); ok {
		return "Mcast_Macs_Local"
	}
	if _, ok := c.view.ARPSourceRemote(id); ok {
		return "Arp_Sources_Remote"
	}
	if _, ok := c.view.ARPSourceLocal(id); ok {
		return "Arp_Sources_Local"
	}
	return ""
}
