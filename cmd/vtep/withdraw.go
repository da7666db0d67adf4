package main

import (
	"context"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
)

// withdrawLocals has the Local rows that the switch called name wrote go together with their
// logical switch. They are reports: a controller that deletes a logical switch does not know
// of those that were written a moment ago, and cannot wait for the VTEP to take them back,
// which it does when it hears of the deletion. Rows that name another switch's tunnel IP stay,
// and so does the logical switch.
func withdrawLocals(name string) []db.Cascade {
	return []db.Cascade{
		{Table: hwvtep.TableUcastMACLocal, Column: "logical_switch", Begin: func(d *db.Database) func(*ovsdb.Row) bool {
			own := newOwnAddresses(d, name)
			return func(row *ovsdb.Row) bool {
				return own.locator(own.view.Layout().DecodeUcastMACLocal(row).Locator)
			}
		}},
		{Table: hwvtep.TableMcastMACLocal, Column: "logical_switch", Begin: func(d *db.Database) func(*ovsdb.Row) bool {
			own := newOwnAddresses(d, name)
			return func(row *ovsdb.Row) bool {
				set, ok := own.view.PhysicalLocatorSet(own.view.Layout().DecodeMcastMACLocal(row).LocatorSet)
				return ok && !slices.ContainsFunc(set.Locators, func(id hwvtep.UUID) bool { return !own.locator(id) })
			}
		}},
	}
}

// ownAddresses are the tunnel IPs of a switch, as a transaction sees them.
type ownAddresses struct {
	view *hwvtep.View
	ips  []string
}

func newOwnAddresses(d *db.Database, name string) ownAddresses {
	own := ownAddresses{view: hwvtep.NewView[*db.Table](d)}
	for ps := range own.view.PhysicalSwitches() {
		if ps.Name == name {
			own.ips = ps.TunnelIPs
		}
	}
	return own
}

// locator says whether a locator is the switch's own.
func (own ownAddresses) locator(id hwvtep.UUID) bool {
	l, ok := own.view.PhysicalLocator(id)
	return ok && hwvtep.HasIP(own.ips, l.DstIP)
}

// withdrawTimeout bounds how long the database is waited for when a VTEP is taken down.
const withdrawTimeout = 5 * time.Second

// withdraw takes back the rows of a VTEP that is taken down. A database that does not answer
// does not stop that.
func (r *vtepRun) withdraw(a *agent.Agent) {
	ctx, cancel := context.WithTimeout(context.Background(), withdrawTimeout)
	defer cancel()
	if err := a.Withdraw(ctx); err != nil {
		r.log.Warn("rows stay in the database", "err", err)
	}
}
