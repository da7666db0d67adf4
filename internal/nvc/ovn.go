package nvc

import (
	"cmp"

	"github.com/vtep/vtep/internal/hwvtep"
)

// Rows as OVN's ovn-controller-vtep (26.09) writes them, with Options.LikeOVN:
//   - All remote rows of the database are its own: those that it does not want go.
//   - A row of Ucast_Macs_Remote has no ipaddr, and is never changed: where the MAC is elsewhere another row comes, and the
//     first one goes, in one transaction.
//   - The set of unknown-dst is the only one. It is written whole, into the row that is there.
//   - A MAC stays where it is until the VTEP that has it there has taken its row of Ucast_Macs_Local back: the southbound database
//     has it once. Nobody tells that VTEP that another one has it, too.
//   - Nothing is noted in the switch's other_config.

// stationLikeOVN makes the remote rows of a MAC what the mesh knows.
func (p *plan) stationLikeOVN(n *network, at *presence, mac string) {
	db, where, known := n.where(mac)
	wanted := known && db != p.db && at.joined
	for _, row := range p.db.ucast[rowKey{at.row.UUID, mac}] {
		if wanted && p.db.end(row.Locator) == where {
			wanted = false
			continue
		}
		p.rows++
		p.tx.DeleteUcastMACRemote(row.UUID)
	}
	if wanted {
		p.rows++
		p.tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: at.row.UUID, Locator: p.locator(where)})
	}
}

// first says where the rows of a MAC that came first place it.
func (n *network) first(mac string) (db *database, at end, known bool) {
	var best struct {
		source
		station
	}
	for from, s := range n.stations[mac] {
		if from.db != nil && !n.joined(from.db) {
			continue
		}
		if !known || cmp.Or(cmp.Compare(s.came, best.came), s.at.compare(best.at)) < 0 {
			best.source, best.station, known = from, s, true
		}
	}
	return best.db, best.at, known
}
