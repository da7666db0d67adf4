package vtep

import (
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Whatever is in the State, the facts still know the row that gave it, and the row is there.
func TestOrigins(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b, c := newBook(), NewCompiler("br0", plane.Features{BFD: true})
		for range rapid.IntRange(1, 8).Draw(t, "transactions") {
			b.draw(t)
			changes := b.rows.Changes()
			c.Update(b.rows.View(), &changes)
		}
		s := c.State()
		for name := range s.Ports {
			if row, ok := c.view.PhysicalPort(c.portsByName[name][0]); !ok || row.Name != name {
				t.Errorf("port %s: row %+v", name, row)
			}
		}
		for at, to := range s.Bindings {
			row, _ := c.view.PhysicalPort(c.portsByName[at.Port][0])
			if switchID(row.VLANBindings[int64(at.VLAN)]) != to.Switch {
				t.Errorf("binding %v: row %+v", at, row)
			}
		}
		for id, ls := range s.Switches {
			if row, ok := c.view.LogicalSwitch(UUID(id)); !ok || row.Name != ls.Name {
				t.Errorf("switch %v: row %+v", id, row)
			}
		}
		for key, tunnel := range s.Unicast.All() {
			ls := c.switches[key.Switch]
			rows := slices.Concat(c.rowsOfMAC(ls, key.MAC), c.arps[key.MAC])
			if !slices.ContainsFunc(rows, func(r candidate) bool { return c.leads(ls, r.to, tunnel) && c.rowExists(r.row) }) {
				t.Errorf("unicast %v -> %v: rows %v", key, tunnel, rows)
			}
		}
		for key, set := range s.Floods {
			ls := c.switches[key.Switch]
			e := ls.groups[key.MAC]
			for _, tunnel := range set {
				named := slices.ContainsFunc(e.rows, func(r candidate) bool {
					return c.rowExists(r.row) && slices.ContainsFunc(c.sets[r.to], func(id UUID) bool { return c.leads(ls, id, tunnel) })
				})
				if !named && !slices.ContainsFunc(e.flood, func(n ordinal) bool { return c.claims.tunnel(c.claims.at(n)) == tunnel }) {
					t.Errorf("flood %v: nobody names %v", key, tunnel)
				}
			}
		}
		// So that a trace can name them.
		entries := []plane.Entry{}
		for at := range s.Bindings {
			entries = append(entries, plane.Entry{Kind: plane.EntryPort, At: at}, plane.Entry{Kind: plane.EntryBinding, At: at})
		}
		for id := range s.Switches {
			entries = append(entries, plane.Entry{Kind: plane.EntrySwitch, Switch: id})
		}
		for key := range s.Unicast.All() {
			entries = append(entries, plane.Entry{Kind: plane.EntryUnicast, Switch: key.Switch, MAC: key.MAC})
		}
		for key := range s.Floods {
			if len(c.switches[key.Switch].groups[key.MAC].rows) > 0 { // else it is of the peers of unicast rows
				entries = append(entries, plane.Entry{Kind: plane.EntryFlood, Switch: key.Switch, MAC: key.MAC})
			}
		}
		for _, e := range entries {
			if rows := c.Origins(e); len(rows) == 0 {
				t.Errorf("%+v: no rows", e)
			}
		}
		for tunnel, id := range s.Decap.All() {
			cl := c.claims.find(tunnel)
			if cl == nil || !slices.ContainsFunc(c.wanters(cl), func(w wanter) bool { return w.ls == c.switches[id].number && w.accepts > 0 }) {
				t.Errorf("decap %v: nothing of %v needs it", tunnel, id)
			}
		}
	})
}

func (c *Compiler) leads(ls *lswitch, locator UUID, to intent.Tunnel) bool {
	t, ok := c.tunnelBy(locator, ls)
	return ok && t == to
}

func (c *Compiler) rowExists(id UUID) bool {
	_, remote := c.view.UcastMACRemote(id)
	_, local := c.view.UcastMACLocal(id)
	_, arp := c.view.ARPSourceRemote(id)
	_, othersARP := c.view.ARPSourceLocal(id)
	_, group := c.view.McastMACRemote(id)
	_, others := c.view.McastMACLocal(id)
	return remote || local || arp || othersARP || group || others
}
