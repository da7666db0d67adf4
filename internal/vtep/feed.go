package vtep

import (
	"iter"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// feedLocators puts changed locators and sets into the indexes. They come first: whose a Local
// row is shows in its locator. The reporter needs them even where there is nothing to compile.
func (c *Compiler) feedLocators(ch *hwvtep.Changes) {
	each(ch.PhysicalLocators(), c.locatorChanged)
	each(ch.PhysicalLocatorSets(), c.setChanged)
}

// feed puts the other changed rows into the indexes.
func (c *Compiler) feed(ch *hwvtep.Changes) {
	each(ch.LogicalSwitches(), c.switchChanged)
	var was, is macRow
	c.dirty.macs = slices.Grow(c.dirty.macs, ch.Len(hwvtep.TableUcastMACRemote))
	each(ch.UcastMACsRemote(), func(b, a *hwvtep.UcastMACRemote) { c.unicastChanged(was.remote(b), is.remote(a)) })
	each(ch.UcastMACsLocal(), func(b, a *hwvtep.UcastMACLocal) { c.unicastChanged(was.local(b), is.local(a)) })
	each(ch.McastMACsRemote(), func(b, a *hwvtep.McastMACRemote) { c.groupChanged(remoteGroup(b), remoteGroup(a)) })
	each(ch.McastMACsLocal(), func(b, a *hwvtep.McastMACLocal) { c.groupChanged(localGroup(b), localGroup(a)) })
	each(ch.ARPSourcesRemote(), func(b, a *hwvtep.ARPSourceRemote) { c.arpChanged(remoteARP(b), remoteARP(a)) })
	each(ch.ARPSourcesLocal(), func(b, a *hwvtep.ARPSourceLocal) { c.arpChanged(localARP(b), localARP(a)) })
	each(ch.LogicalRouters(), c.routerChanged)
	each(ch.ACLEntries(), c.aclEntryChanged)
	each(ch.ACLs(), c.aclChanged)
	each(ch.PhysicalPorts(), func(before, after *hwvtep.PhysicalPort) {
		if before == nil {
			before = after
		}
		if c.scope.ports[before.UUID] || c.ports[before.UUID] != nil {
			c.dirty.ports[before.UUID] = struct{}{}
		}
	})
}

func each[T any](changes iter.Seq2[*T, *T], take func(before, after *T)) {
	for before, after := range changes {
		take(before, after)
	}
}

func (c *Compiler) feedAllLocators() {
	all(c.view.PhysicalLocators(), c.locatorChanged)
	all(c.view.PhysicalLocatorSets(), c.setChanged)
}

// feedAll puts every row of the view into the indexes, which are empty.
func (c *Compiler) feedAll() {
	c.feedAllLocators()
	v := c.view
	all(v.LogicalSwitches(), c.switchChanged)
	c.addAll(v.Len(hwvtep.TableUcastMACRemote), macRows(v.UcastMACsRemote(), (*macRow).remote))
	c.addAll(v.Len(hwvtep.TableUcastMACLocal), macRows(v.UcastMACsLocal(), (*macRow).local))
	all(v.McastMACsRemote(), func(_, a *hwvtep.McastMACRemote) { c.groupChanged(nil, remoteGroup(a)) })
	all(v.McastMACsLocal(), func(_, a *hwvtep.McastMACLocal) { c.groupChanged(nil, localGroup(a)) })
	all(v.ARPSourcesRemote(), func(_, a *hwvtep.ARPSourceRemote) { c.arpChanged(nil, remoteARP(a)) })
	all(v.ARPSourcesLocal(), func(_, a *hwvtep.ARPSourceLocal) { c.arpChanged(nil, localARP(a)) })
	all(v.LogicalRouters(), c.routerChanged)
	if c.features.ACLs {
		all(v.ACLEntries(), c.aclEntryChanged)
		all(v.ACLs(), c.aclChanged)
	}
	for id := range c.scope.ports {
		c.dirty.ports[id] = struct{}{}
	}
}

func all[T any](rows iter.Seq[T], take func(before, after *T)) {
	for row := range rows {
		take(nil, &row)
	}
}

// macRows yields what unicast tables have in common.
func macRows[T any](rows iter.Seq[T], common func(*macRow, *T) *macRow) iter.Seq[macRow] {
	return func(yield func(macRow) bool) {
		var m macRow
		for row := range rows {
			if !yield(*common(&m, &row)) {
				return
			}
		}
	}
}

// addAll takes n rows of a unicast table, none of which is news.
func (c *Compiler) addAll(n int, rows iter.Seq[macRow]) {
	for row := range hwvtep.Ahead(n, rows) {
		c.addUnicast(&row)
	}
}
