package vtep

import (
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

// arpRow is what the tables of sources of ARP have in common.
type arpRow struct {
	table       string
	rank        uint8
	id, locator UUID
	mac         string
}

func remoteARP(r *hwvtep.ARPSourceRemote) *arpRow {
	if r == nil {
		return nil
	}
	return &arpRow{hwvtep.TableARPSourceRemote, rankRemote, r.UUID, r.Locator, r.SrcMAC}
}

func localARP(r *hwvtep.ARPSourceLocal) *arpRow {
	if r == nil {
		return nil
	}
	return &arpRow{hwvtep.TableARPSourceLocal, rankLocal, r.UUID, r.Locator, r.SrcMAC}
}

// arpChanged takes a changed row of Arp_Sources_Remote, or of another switch in Arp_Sources_Local. Its
// MAC is behind its locator in every switch that has no better row for it.
func (c *Compiler) arpChanged(before, after *arpRow) {
	if before != nil {
		c.problems.clear(rowOf(before.table, before.id))
		c.problems.clear(aspectOf(before.table, before.id, aspectOfRouter))
		if mac, err := intent.ParseMAC(before.mac); err == nil {
			was := c.arps[mac]
			rows := removeCandidate(was, candidate{before.rank, before.id, before.locator})
			if c.markARP(mac); len(rows) > 0 {
				c.arps[mac] = rows
			} else {
				delete(c.arps, mac)
			}
			if len(rows) < len(was) {
				c.locator(before.locator).arps--
				c.forgetLocator(before.locator)
			}
		}
	}
	if after == nil || after.rank == rankLocal && !c.othersLocator(after.locator) {
		return
	}
	mac, err := intent.ParseMAC(after.mac)
	if err != nil || mac.IsGroup() || mac.IsZero() {
		c.problems.set(rowOf(after.table, after.id), notStation)
		return
	}
	c.arps[mac] = insertCandidate(c.arps[mac], candidate{after.rank, after.id, after.locator})
	c.locator(after.locator).arps++
	c.markARP(mac)
}

func (c *Compiler) markARP(mac intent.MAC) {
	for _, ls := range c.switches {
		if ls.active {
			c.markEntry(ls, mac)
		}
	}
}
