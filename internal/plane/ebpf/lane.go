package ebpf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane/ebpf/host"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Copies of flooded frames are sent past the vxlan device by lanes (bpf/lane.h). For these the programs have to know
// the MACs that are in front of a packet to a peer, which are said in paths: for peers that frames go to, anew with each
// look at them, so that nothing holds for long that nobody looks after.

// laneFor is how long what is said of a lane holds; the next look is after pathEvery.
const laneFor = 3 * time.Second

// startNeighbors reads the MACs of next hops, and begins to follow them.
func (p *Plane) startNeighbors() (err error) {
	if p.neighborWatch, err = p.space.WatchNeighbors(); err != nil {
		return fmt.Errorf("watch neighbors: %w", err)
	}
	p.nextHops, err = p.space.Neighbors()
	return err
}

// neighborWatcher follows them until the socket is closed. Most messages are of bridges, which it does not want.
func (p *Plane) neighborWatcher() {
	for {
		messages, _, err := p.neighborWatch.Receive()
		switch {
		case err == nil:
			for i := range messages {
				p.neighborTold(&messages[i])
			}
		case errors.Is(err, unix.ENOBUFS):
			p.mu.Lock()
			p.rereadNeighbors()
			p.mu.Unlock()
		default:
			p.mu.Lock()
			if !p.closed {
				p.log.Error("watching neighbors failed: copies of flooded frames take the long way", "err", err)
				p.nextHops = nil
				p.endLanes()
				p.adjoinAll()
			}
			p.mu.Unlock()
			return
		}
	}
}

func (p *Plane) neighborTold(m *syscall.NetlinkMessage) {
	key, mac, ok := host.ParseNeighbor(m.Header.Type, m.Data)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed || p.nextHops == nil || p.nextHops[key] == mac {
		return
	}
	if mac == (host.MAC{}) {
		delete(p.nextHops, key)
	} else {
		p.nextHops[key] = mac
	}
	hop := layout.AddressOf(key.Addr)
	for _, pr := range p.contents.Peers {
		if to := p.tPeers.Want.Get(pr.Number); to.Ifindex == uint32(key.Index) && to.Hop == hop {
			p.correctLane(pr)
			p.adjoin(pr)
		}
	}
}

// nextHop says who that is on the way to a peer.
func nextHop(to *layout.Peer) host.AddrKey {
	return host.AddrKey{Index: int(to.Ifindex), Addr: to.Hop.Addr()}
}

// rereadNeighbors is for when messages were lost.
func (p *Plane) rereadNeighbors() {
	if p.closed {
		return
	}
	p.endLanes()
	fresh, err := p.space.Neighbors()
	if err != nil {
		p.log.Error("reading the neighbors failed: copies of flooded frames take the long way", "err", err)
	}
	p.nextHops = fresh
	p.adjoinAll()
}

// layLane says how frames to the peer are to be addressed until then, as paths have it, if that is known.
func (p *Plane) layLane(pr *layout.PeerUse, until uint32) {
	path, to := &p.paths[pr.Number], p.tPeers.Want.Get(pr.Number)
	hop := p.nextHops[nextHop(&to)]
	own := p.devices.ByIndex[int(to.Ifindex)].MAC
	if to.Ifindex == 0 || hop == (host.MAC{}) || own == (host.MAC{}) {
		p.endLane(pr)
		return
	}
	if h, o := macWord(hop), macWord(own); path.Hop != h || path.Own != o {
		p.endLane(pr)
		atomic.StoreUint64(&path.Hop, h)
		atomic.StoreUint64(&path.Own, o)
	}
	atomic.StoreUint32(&path.Until, until)
}

// correctLane says it anew, for as long as it was said.
func (p *Plane) correctLane(pr *layout.PeerUse) {
	if until := atomic.LoadUint32(&p.paths[pr.Number].Until); until != 0 {
		p.layLane(pr, until)
	}
}

// endLane has copies to the peer take the long way.
func (p *Plane) endLane(pr *layout.PeerUse) { atomic.StoreUint32(&p.paths[pr.Number].Until, 0) }

func (p *Plane) endLanes() {
	for _, pr := range p.contents.Peers {
		p.endLane(pr)
	}
}

// laneEnds is when what is said now ends. It takes the longer until the next look the more peers there are.
func laneEnds(used int) uint32 {
	return uint32((monotonic() + laneFor + time.Duration(used/pathAsks)*pathRest) >> layout.PathUntilShift)
}

// macWord is a MAC as paths have it.
func macWord(mac host.MAC) uint64 {
	var b [8]byte
	copy(b[:], mac[:])
	return binary.NativeEndian.Uint64(b[:])
}
