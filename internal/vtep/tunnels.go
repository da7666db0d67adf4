package vtep

import (
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
)

// cantBFD is what bfd_status says where BFD is wanted and can't be. An NVC then turns the far side
// off.
func cantBFD(why string) map[string]string { return map[string]string{"enabled": "false", "info": why} }

// tunnelGrace is how long a Tunnel row stands after its last use: 5 s, less what it takes until
// the row is gone. Its locator may be about to be used again: NVCs find locators by address, and
// their transaction fails when the row that they have found goes meanwhile.
const tunnelGrace = 4800 * time.Millisecond

// maxTunnels is how many rows a transaction inserts. It is fewer than maxPart, as each takes a
// part of the time that applying a new peer does.
const maxTunnels = 1000

// buildTunnels sees to it that there is a Tunnel row for every peer that rows of active
// switches lead to. A row that is there already, whoever made it, is taken as it is. A row
// that nobody needs goes after tunnelGrace, which frees its locators, unless an NVC wants BFD
// on it.
func (r *Reporter) buildTunnels(tx *hwvtep.Txn) {
	if !r.todo.tunnels && !r.isDue(r.now) {
		return
	}
	r.todo.tunnels = false
	ps, ok := r.ownRow()
	if !ok || !r.f.view.Layout().HasColumn(hwvtep.TablePhysicalSwitch, "tunnels") {
		r.idle, r.due = nil, time.Time{}
		return
	}
	before := tx.Len()
	byPeer := make(map[netip.Addr][]hwvtep.Tunnel, len(ps.Tunnels))
	firsts := make([]hwvtep.Tunnel, 0, len(ps.Tunnels)) // as is usual: one of each peer
	for _, id := range ps.Tunnels {
		t, ok := r.f.view.Tunnel(id)
		if !ok {
			continue
		}
		if tx.Len()-before < maxPart {
			r.buildBFD(tx, &t)
		} else {
			r.todo.tunnels = true
		}
		peer := r.f.addrOf(t.Remote)
		if rows, there := byPeer[peer]; there {
			byPeer[peer] = append(rows, t)
			continue
		}
		firsts = append(firsts, t)
		byPeer[peer] = slices.Clip(firsts[len(firsts)-1:])
	}
	var peers []netip.Addr
	if !r.withdrawn {
		peers = slices.SortedFunc(r.f.peers.Keys(), netip.Addr.Compare)
	}
	var made []UUID
	for _, peer := range peers {
		rows := byPeer[peer]
		delete(byPeer, peer)
		source := r.f.scope.Source(peer)
		if !source.IsValid() {
			source = r.f.scope.First()
		}
		if len(rows) == 0 {
			if len(made) == maxTunnels {
				r.todo.tunnels = true
				continue
			}
			to, _ := r.f.byAddr.Get(peer)
			made = append(made, tx.InsertTunnel(hwvtep.Tunnel{Local: r.endLocator(tx, end{ip: source}), Remote: to[0]}))
		}
		if rows, byPeer[peer] = apart(rows); byPeer[peer] == nil {
			delete(byPeer, peer)
		}
		for _, t := range rows { // our address may have changed
			switch {
			case r.isEnd(t.Local, end{ip: source}):
			case tx.Len()-before >= maxPart:
				r.todo.tunnels = true
			default:
				tx.UpdateTunnel(t.UUID, hwvtep.Tunnel{Local: r.endLocator(tx, end{ip: source})}, hwvtep.TunnelLocal)
			}
		}
	}
	tx.AddPhysicalSwitchTunnels(ps.UUID, made...)
	tx.RemovePhysicalSwitchTunnels(ps.UUID, r.surplus(byPeer)...)
	r.pending.tunnels = tx.Len() > before
}

// apart takes off the rows of a peer that are one too many: of those that nobody has said anything with all
// but one, that of the lowest UUID, or all if somebody has with another. There are such when the answer to a
// transaction was lost that the servers of a cluster have executed after all.
func apart(rows []hwvtep.Tunnel) (stay, extra []hwvtep.Tunnel) {
	if len(rows) < 2 {
		return rows, nil
	}
	plain := func(t *hwvtep.Tunnel) bool { return len(t.BFDParams) == 0 && len(t.BFDConfigRemote) == 0 }
	slices.SortFunc(rows, func(a, b hwvtep.Tunnel) int {
		if plain(&a) != plain(&b) {
			if plain(&a) {
				return 1
			}
			return -1
		}
		return compareUUIDs(a.UUID, b.UUID)
	})
	n := 1
	for n < len(rows) && !plain(&rows[n]) {
		n++
	}
	if n == len(rows) {
		return rows, nil
	}
	return rows[:n], rows[n:]
}

// surplus returns those of rows that go now, sorted. For the others it notes since when they
// are idle.
func (r *Reporter) surplus(rows map[netip.Addr][]hwvtep.Tunnel) []UUID {
	idle := map[UUID]time.Time{}
	r.due = time.Time{}
	var gone []UUID
	for _, rows := range rows {
		for _, t := range rows {
			if t.BFDParams["enable"] == "true" {
				continue
			}
			since, known := r.idle[t.UUID]
			if !known {
				since = r.now
			}
			idle[t.UUID] = since
			end := since.Add(tunnelGrace)
			if r.withdrawn || !r.now.Before(end) {
				gone = append(gone, t.UUID)
			} else if r.due.IsZero() || end.Before(r.due) {
				r.due = end
			}
		}
	}
	r.idle = idle
	slices.SortFunc(gone, compareUUIDs)
	if len(gone) > maxPart {
		gone, r.todo.tunnels = gone[:maxPart], true
	}
	return gone
}

// Due returns when Build is to be called although nothing has happened; zero: never.
func (r *Reporter) Due() time.Time {
	if at := r.pace.next(); r.due.IsZero() || !at.IsZero() && at.Before(r.due) {
		return at
	}
	return r.due
}

func (r *Reporter) isDue(now time.Time) bool { return !r.due.IsZero() && !now.Before(r.due) }

// buildBFD says what BFD does with the peer: where it is wanted, and where the peer is to send to
// unless somebody has said so already. Where it is not wanted bfd_status is empty, not
// "enabled=false".
func (r *Reporter) buildBFD(tx *hwvtep.Txn, t *hwvtep.Tunnel) {
	var want map[string]string
	if t.BFDParams["enable"] == "true" {
		peer := r.f.addrOf(t.Remote)
		_, wanted := r.f.monitored[peer]
		state, runs := r.report.BFD[peer]
		if wanted && len(t.BFDConfigLocal) == 0 {
			tx.UpdateTunnel(t.UUID, hwvtep.Tunnel{BFDConfigLocal: map[string]string{
				keyBFDMAC: defaultBFDMAC, keyBFDIP: defaultBFDLocalIP}}, hwvtep.TunnelBFDConfigLocal)
		}
		switch {
		case !r.f.features.BFD:
			want = cantBFD("this VTEP does not run BFD")
		case !wanted && (!peer.IsValid() || r.f.scope.ownIPs[peer]):
			family := "IPv4 "
			if r.f.scope.ipv6 {
				family = ""
			}
			want = cantBFD("remote is not the " + family + "address of another VTEP")
		case !wanted && peer.Is6():
			want = cantBFD("this VTEP has no IPv6 tunnel IP")
		case !wanted:
			want = cantBFD("this VTEP has no IPv4 tunnel IP")
		case runs:
			want = bfdStatus(state)
		case r.report.Sessions[peer] != nil:
			want = cantBFD(r.report.Sessions[peer].Error())
		case t.BFDStatus["enabled"] != "false":
			return // it is about to run, or to say so again
		}
	}
	if !maps.Equal(t.BFDStatus, want) {
		tx.UpdateTunnel(t.UUID, hwvtep.Tunnel{BFDStatus: want}, hwvtep.TunnelBFDStatus)
	}
}
