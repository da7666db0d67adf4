package layout

import (
	"net/netip"

	"github.com/vtep/vtep/internal/intent"
)

// PeerUse is another VTEP: frames may go to it, if some MAC or flood set names it, or come from it.
type PeerUse struct {
	IP      netip.Addr
	Number  uint32 // index of the peers map, not 0
	Targets int    // MACs and flood sets that name it
	Sources int    // tunnels that do
	Session bool   // of BFD: there is to be one with it
	Device  int    // ifindex by which it is reached; 0: not known, or nobody needs to know

	Covered bool // by a policy of IPsec
	Learned bool // what the kernel knows of the way expires

	then *PeerUse // the one that was asked for after it last
	gone bool     // it has no number any more
}

// peerAt gives the peer with the address, be there one already or not. nil: the numbers ran out, so
// that nothing can name it. Of many switches with the same peers each names them in the same order.
func (c *Contents) peerAt(ip netip.Addr) *PeerUse {
	last := c.lastPeer
	if last != nil && last.then != nil && last.then.IP == ip && !last.then.gone {
		c.lastPeer = last.then
		return c.lastPeer
	}
	pr := c.numberedPeer(ip)
	if last != nil {
		last.then = pr
	}
	c.lastPeer = pr
	return pr
}

func (c *Contents) numberedPeer(ip netip.Addr) *PeerUse {
	pr := c.Peers[ip]
	if pr == nil {
		pr = &PeerUse{IP: ip, Number: c.Adopted.peers[ip]}
		if pr.Number == 0 {
			if pr.Number = c.Number(&c.PeerSlots); pr.Number == 0 {
				return nil
			}
			c.ReusedPeers = append(c.ReusedPeers, pr.Number)
		}
		c.Peers[ip], c.Numbered[pr.Number] = pr, pr
		c.Maps.Addresses.Set(AddressOf(ip), pr.Number)
		c.Maps.Peers.Set(pr.Number, Peer{IP: AddressOf(ip)})
	}
	return pr
}

// target is a tunnel as the programs want it, for the remote or flood set at key; ok is false if
// it can't be one. Whoever had it gives it back by dropTarget.
func (c *Contents) target(key MACKey, t intent.Tunnel) (_ Target, ok bool) {
	if !t.Peer.IsValid() {
		return Target{}, false
	}
	pr := c.peerAt(t.Peer)
	if pr == nil {
		c.Nameless[key] = append(c.Nameless[key], t.Peer)
		return Target{}, false
	}
	if pr.Targets++; pr.Targets == 1 { // frames may go there soon
		c.Unresolved = append(c.Unresolved, pr)
	}
	return Target{Peer: pr.Number, ID: t.VNI}, true
}

func (c *Contents) dropTarget(number uint32) {
	if pr := c.Numbered[number]; pr != nil {
		if pr.Targets--; pr.Targets == 0 {
			c.idlePeers = append(c.idlePeers, pr)
		}
	}
}

// setDecap lets frames of the tunnel enter the domain.
func (c *Contents) setDecap(t intent.Tunnel, d *Domain) {
	pr := c.peerAt(t.Peer)
	if pr == nil {
		c.Nameless[t] = []netip.Addr{t.Peer}
		return
	}
	if fresh := c.tunnels.set(TunnelKey{Peer: pr.Number, VNI: t.VNI}, d.decap()); fresh {
		if pr.Sources++; pr.Sources == 1 {
			c.NewSource = true
		}
	}
}

func (c *Contents) delDecap(t intent.Tunnel) {
	pr := c.Peers[t.Peer]
	if pr == nil {
		return
	}
	if had := c.tunnels.delete(TunnelKey{Peer: pr.Number, VNI: t.VNI}); !had {
		return
	}
	if pr.Sources--; pr.Sources == 0 {
		c.NewSource = true
		c.idlePeers = append(c.idlePeers, pr)
	}
}

// SessionWith names the session of BFD with a peer.
type SessionWith netip.Addr

func (c *Contents) stageSession(ch intent.Change[netip.Addr, intent.BFD]) {
	delete(c.Nameless, any(SessionWith(ch.Key)))
	if ch.New == nil {
		if pr := c.Peers[ch.Key]; pr != nil && pr.Session {
			pr.Session = false
			c.idlePeers = append(c.idlePeers, pr)
		}
		return
	}
	if pr := c.peerAt(ch.Key); pr != nil {
		pr.Session = true
	} else {
		c.Nameless[SessionWith(ch.Key)] = []netip.Addr{ch.Key}
	}
}

// forgetPeers removes the peers that nobody names any more, and what was known of the way to those
// that nothing goes to any more. Their numbers are not soon used again (pool): a frame on its way
// may still have one.
func (c *Contents) forgetPeers() {
	for _, pr := range c.idlePeers {
		switch {
		case pr.Targets > 0 || c.Peers[pr.IP] != pr:
			continue
		case pr.Sources > 0 || pr.Session:
			c.Unresolved = append(c.Unresolved, pr)
			continue
		}
		delete(c.Peers, pr.IP)
		delete(c.Numbered, pr.Number)
		pr.gone, pr.then = true, nil
		c.GonePeers = true
		c.Maps.Peers.Del(pr.Number)
		c.Maps.Addresses.Del(AddressOf(pr.IP))
		c.GiveBack(&c.PeerSlots, pr.Number)
	}
	c.idlePeers = nil
}
