package ovs

import (
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// Open vSwitch drops frames whose VNI no tunnel port has, and counts them nowhere. So a bridge of
// its own has a port for all VNIs and all peers, to which Open vSwitch gives what no other port
// has a better claim to, and a flow that drops and counts. It is never where frames could go on:
// were its flow gone, nothing would be forwarded there.
//
// It would take the frames of somebody else's port of that kind as well: where there is one,
// there is no bridge.

func (n *names) strays() string    { return n.ps + "_vtep_strays" }
func (n *names) strayPort() string { return n.strays() + "-vx" }

// planStrays adds the bridge to what the database has to have, if there are tunnels.
func (n *names) planStrays(l *layout, v *vswitch, s *site) {
	options := n.inPort(map[string]string{"remote_ip": "flow", "key": "flow", "local_ip": s.TunnelIP.String()})
	for _, p := range v.ports {
		if p.externalIDs[markOwner] > n.ps {
			continue // of a switch with the same tunnel IP, which gives way to this one
		}
		if p.name != n.strayPort() && p.bridge != nil && n.likeStrays(p.single(), options["local_ip"]) {
			return
		}
	}
	l.bridges[n.strays()] = map[string]string{markOwner: n.ps, markPhysical: s.Physical.String()}
	l.ports[n.strayPort()] = &wantedPort{n.strays(), n.strayPort(), "vxlan", options, map[string]string{markOwner: n.ps}}
}

// likeStrays says whether a tunnel port takes frames of any VNI from any peer that are for an
// address, or for any.
func (n *names) likeStrays(i *interfaceRow, local string) bool {
	if i == nil || i.kind != "vxlan" || i.options["remote_ip"] != "flow" || keyOption(i.options) != "flow" {
		return false
	}
	if !n.samePort(i.options) {
		return false
	}
	to := i.options["local_ip"]
	return to == "" || to == "flow" || to == local
}

// strayFlows are those of the bridge, and of the one of BFD ports.
func strayFlows() flowSet {
	s := flowSet{}
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieDrop | dropStranger, Table: tableIn, Priority: prioStranger})
	return s
}
