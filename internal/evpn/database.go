package evpn

import (
	"errors"
	"maps"
	"net/netip"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// unknownDst is the MAC of the sets for frames of unknown destination.
const unknownDst = "unknown-dst"

// mark is what has to be looked at in the database: a MAC of a switch, or with "" its members.
type mark struct {
	ls  hwvtep.UUID
	mac string
}

// database is what one has, by what is asked for, and what is written to it.
type database struct {
	bridge   *Bridge
	replica  *idl.Client
	writer   *idl.Writer
	view     *hwvtep.View
	networks map[hwvtep.UUID]*network
	routers  map[hwvtep.UUID]*router
	bound    map[hwvtep.UUID]struct{}                           // switches that routers have interfaces in
	sources  map[netip.Addr]string                              // the MACs that VTEPs route with, by tunnel IP
	routes   map[string]bool                                    // those MACs
	own      map[netip.Addr]bool                                // tunnel IPs of the switches of this database
	ends     map[end]hwvtep.UUID                                // locators
	ucast    map[hwvtep.UUID]map[string][]hwvtep.UcastMACRemote // by switch and MAC
	floods   map[hwvtep.UUID][]hwvtep.McastMACRemote            // of unknown-dst, by switch

	strangers map[hwvtep.UUID]struct{} // rows of other writers, wherever they place a host
	inserting map[mark]struct{}        // by the transaction under way, and those before it whose outcome is not known

	sourcesText string // sources, to compare

	wanted    map[uint32]map[*network]struct{} // switches by the VNI that they want
	contested map[uint32]struct{}              // VNIs that may be another one's now

	ports        map[hwvtep.UUID]*attachment         // of segments, and that were
	bySegment    map[esi]*attachment                 // those that are right
	segmentPorts map[hwvtep.UUID]hwvtep.PhysicalPort // the rows of ports
	numbers      map[uint32]struct{}                 // that ports have, or have had: rows at them are the bridge's
	anew         bool                                // and what is taken now is all of it once more
	read         bool                                // all was read once

	marked      map[mark]struct{}
	mostMarked  int                      // marks that the map has had at once
	markedPorts map[hwvtep.UUID]struct{} // of ports
	held        int                      // marks that wait for members to be written
	rows        uint64                   // written
}

func newDatabase(b *Bridge, replica *idl.Client) *database {
	return &database{bridge: b, replica: replica, networks: map[hwvtep.UUID]*network{}, routers: map[hwvtep.UUID]*router{}, sources: map[netip.Addr]string{}, routes: map[string]bool{}, own: map[netip.Addr]bool{}, ends: map[end]hwvtep.UUID{},
		ucast: map[hwvtep.UUID]map[string][]hwvtep.UcastMACRemote{}, floods: map[hwvtep.UUID][]hwvtep.McastMACRemote{}, marked: map[mark]struct{}{},
		ports: map[hwvtep.UUID]*attachment{}, bySegment: map[esi]*attachment{}, segmentPorts: map[hwvtep.UUID]hwvtep.PhysicalPort{}, numbers: map[uint32]struct{}{}, markedPorts: map[hwvtep.UUID]struct{}{},
		bound: map[hwvtep.UUID]struct{}{}, strangers: map[hwvtep.UUID]struct{}{}, wanted: map[uint32]map[*network]struct{}{}, contested: map[uint32]struct{}{}}
}

func (db *database) markHost(n *network, mac string) { db.marked[mark{n.row.UUID, mac}] = struct{}{} }
func (db *database) markRouter(r *router)            { db.marked[mark{r.row.UUID, ""}] = struct{}{} }
func (db *database) markPort(a *attachment)          { db.markedPorts[a.port.UUID] = struct{}{} }
func (db *database) markMembers(n *network)          { db.marked[mark{n.row.UUID, ""}] = struct{}{} }

// ip is the address of a locator, invalid if it has none or is not there.
func (db *database) ip(id hwvtep.UUID) netip.Addr {
	return db.end(id).vtep
}

// end is what a locator stands for.
func (db *database) end(id hwvtep.UUID) end {
	l, _ := db.view.PhysicalLocator(id)
	return endOfLocator(&l)
}

// lowest is the lowest tunnel IP of the database's own; invalid: there is none.
func (db *database) lowest() (lowest netip.Addr) {
	for ip := range db.own {
		if !lowest.IsValid() || ip.Less(lowest) {
			lowest = ip
		}
	}
	return lowest
}

// write sends the next transaction, if there is anything to write. After a failure the next look is at what the database
// is then.
func (db *database) write() {
	b := db.bridge
	if db.view == nil || !db.writer.Idle() || !b.ready || !db.writer.May() {
		return
	}
	p := db.portKeys() // rows that name a segment come behind its number
	if p == nil {
		p = db.next()
	}
	if p == nil {
		return
	}
	doubted := db.inserting // by one that may yet come about
	db.inserting = maps.Clone(p.inserts)
	maps.Copy(db.inserting, doubted)
	go db.writer.Send(b.ctx, p.tx.Ops(), func(err error, again time.Duration) {
		db.take() // what it did: a server tells of that first
		switch {
		case err == nil:
			db.inserting = nil
			db.rows += uint64(p.rows)
			return
		case !errors.Is(err, idl.ErrOutcomeUnknown):
			db.inserting = doubted
		}
		for _, m := range p.about {
			db.marked[m] = struct{}{}
		}
		for _, id := range p.ports {
			db.markedPorts[id] = struct{}{}
		}
		switch {
		case again > 0 && len(p.ports) > 0 && db.writer.May():
			db.deny(p.ports, err, again)
		case again > 0:
			b.log.Warn("transaction failed", "err", err, "again in", again)
		}
	})()
}
