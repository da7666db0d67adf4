package ebpf

import (
	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Adjacencies: the MACs on the way to a peer, which programs of native XDP have to write themselves. (Those at TC
// have the kernel do it.) The kernel tells of changes of its neighbour tables at once (lane.go). It would forget who is not
// used, and not find out that somebody is there no more: so it is told which are, once a second as long as frames go
// there (path.go).

// adjoinAll brings all adjacencies to what devices and peers are now.
func (p *Plane) adjoinAll() {
	for _, pr := range p.contents.Peers {
		p.adjoin(pr)
	}
}

// adjoin brings the adjacency of a peer to the way that was found last.
func (p *Plane) adjoin(pr *layout.PeerUse) {
	n := &p.native
	if n.maps == nil {
		return
	}
	entry := p.tPeers.Want.Get(pr.Number)
	want := layout.Adjacency{Ifindex: uint32(pr.Device)}
	if dev := p.devices.ByIndex[pr.Device]; dev.MAC != (host.MAC{}) && dev.Ethernet {
		want.Src, want.Flags = dev.MAC, layout.AdjacencyIn
		hop := p.nextHops[nextHop(&entry)]
		d := n.devices[pr.Device]
		if hop != (host.MAC{}) && entry.Ifindex == want.Ifindex && d != nil && d.outlet != 0 {
			want.Hop, want.Dst, want.Outlet = entry.Hop.Word[3], hop, d.outlet
			want.Flags |= layout.AdjacencyOut
		}
	}
	if n.adjacent[pr.Number] == want {
		return
	}
	if err := n.maps.Adjacencies.Put(pr.Number, &want); err != nil {
		p.log.Warn("an XDP program can't be told of the way to a peer", "peer", pr.IP, "err", err)
		delete(n.adjacent, pr.Number)
		return
	}
	n.adjacent[pr.Number] = want
}

// keepNeighbour has the kernel look after the next hop to a peer that frames go to.
func (p *Plane) keepNeighbour(pr *layout.PeerUse) {
	if n := &p.native; n.maps == nil || n.adjacent[pr.Number].Flags&layout.AdjacencyOut == 0 {
		return
	}
	entry := p.tPeers.Want.Get(pr.Number)
	if err := p.space.KeepNeighbor(nextHop(&entry)); err != nil {
		p.log.Debug("the kernel does not look after a neighbour", "peer", pr.IP, "err", err)
	}
}
