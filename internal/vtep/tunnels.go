package vtep

import (
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/hwvtep"
)

// noBFD is what bfd_status says where BFD is wanted. An NVC then turns the far side off.
var noBFD = map[string]string{"enabled": "false", "info": "this VTEP does not run BFD"}

// buildTunnels sees to it that there is a Tunnel row for every peer that rows of active
// switches lead to. A row that is there already, whoever made it, is taken as it is. A row
// nobody needs goes, which frees its locators, unless an NVC wants BFD on it.
func (r *Reporter) buildTunnels(tx *hwvtep.Txn) {
	if !r.todo.tunnels {
		return
	}
	r.todo.tunnels = false
	ps, ok := r.ownRow()
	if !ok || !r.c.view.Layout().HasColumn(hwvtep.TablePhysicalSwitch, "tunnels") {
		return
	}
	before := tx.Len()
	byPeer := map[netip.Addr][]hwvtep.Tunnel{}
	for _, id := range ps.Tunnels {
		t, ok := r.c.view.Tunnel(id)
		if !ok {
			continue
		}
		r.buildBFDStatus(tx, &t)
		peer := r.c.addrOf(t.Remote)
		byPeer[peer] = append(byPeer[peer], t)
	}
	peers := slices.SortedFunc(maps.Keys(r.c.peers), netip.Addr.Compare)
	if r.withdrawn {
		peers = nil
	}
	for _, peer := range peers {
		rows := byPeer[peer]
		delete(byPeer, peer)
		if len(rows) == 0 {
			t := tx.InsertTunnel(hwvtep.Tunnel{Local: r.localLocator(tx), Remote: r.c.byAddr[peer][0]})
			tx.AddPhysicalSwitchTunnels(ps.UUID, t)
		}
		for _, t := range rows { // our address may have changed
			if r.c.addrOf(t.Local) != r.c.scope.tunnelIP {
				tx.UpdateTunnel(t.UUID, hwvtep.Tunnel{Local: r.localLocator(tx)}, hwvtep.TunnelLocal)
			}
		}
	}
	var surplus []UUID
	for _, rows := range byPeer {
		for _, t := range rows {
			if t.BFDParams["enable"] != "true" {
				surplus = append(surplus, t.UUID)
			}
		}
	}
	slices.SortFunc(surplus, compareUUIDs)
	tx.RemovePhysicalSwitchTunnels(ps.UUID, surplus...)
	r.pending.tunnels = tx.Len() > before
}

// buildBFDStatus keeps bfd_status empty, not "enabled=false", where BFD is not wanted.
func (r *Reporter) buildBFDStatus(tx *hwvtep.Txn, t *hwvtep.Tunnel) {
	var want map[string]string
	if t.BFDParams["enable"] == "true" {
		want = noBFD
	}
	if !maps.Equal(t.BFDStatus, want) {
		tx.UpdateTunnel(t.UUID, hwvtep.Tunnel{BFDStatus: want}, hwvtep.TunnelBFDStatus)
	}
}
