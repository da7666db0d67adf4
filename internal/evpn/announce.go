package evpn

func (b *Bridge) announceHost(n *network, mac string) {
	wanted := map[key]*route{}
	if b.ready {
		for _, r := range b.withRouter(n, mac, n.routes(mac, b.rd)) {
			wanted[r.key] = r
		}
	}
	for k := range n.said(mac) {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}

// say announces a route of a network, or with nil withdraws it.
func (b *Bridge) say(n *network, k key, r *route) {
	if r == nil && b.speakers[k] != n { // another switch has the VNI now, and announces it
		n.unsay(k)
		return
	}
	if err := b.speaker.announce(k, r); err != nil {
		b.failure = err.Error()
		b.log.Warn("route is not announced", "switch", n.row.Name, "mac", k.mac, "err", err)
		return
	}
	b.failure = ""
	if r == nil {
		n.unsay(k)
		delete(b.speakers, k)
		return
	}
	n.note(k)
	b.speakers[k] = n
}

// announceHeads announces the VTEPs of ours that want what is flooded.
func (b *Bridge) announceHeads(n *network) {
	wanted := map[key]*route{}
	if n.vni != 0 && len(n.exp) > 0 && n.l3 == nil {
		for _, heads := range n.heads {
			for ip := range heads {
				if b.database.own[ip] {
					k := key{kind: Multicast, rd: b.rd(ip, n.vni), ip: ip}
					wanted[k] = &route{key: k, vtep: ip, vni: n.vni, targets: n.exp}
				}
			}
		}
	}
	for k := range n.said("") {
		if wanted[k] == nil {
			b.say(n, k, nil)
		}
	}
	for k, r := range wanted {
		b.say(n, k, r)
	}
}
