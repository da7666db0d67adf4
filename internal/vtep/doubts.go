package vtep

import (
	"fmt"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// Doubts about rows that are right by themselves, but together do less than was meant. They
// are worked out for what was dirty, after everything is resolved.

// checkDirty comes at the end of resolve.
func (c *Compiler) checkDirty() {
	for id := range c.dirty.publish {
		c.checkSwitch(id)
	}
	for key := range c.dirty.groups {
		c.checkGroup(key)
		if key.MAC == intent.UnknownDst {
			c.checkSwitch(key.Switch)
		}
	}
}

// checkScope tells that we have no row, or no address although tunnels are asked for.
func (c *Compiler) checkScope() {
	var missing complaint
	switch {
	case !c.scope.present:
		missing = complaint{
			kind: problem.NoSwitch, text: "the database has no such switch: nothing is forwarded until it is there",
			remedy: "vtep-ctl add-ps " + problem.Argument(c.name)}
	case c.lacksTunnelIP() && len(c.scope.ownIPs) == 0 && !c.scope.badIPs:
		missing = complaint{
			kind: problem.NoTunnelIP, fault: hwvtep.FaultTunnelExhaustion, text: "tunnel_ips is empty: there can be no tunnels",
			remedy: "vtep-ctl set Physical_Switch " + problem.Argument(c.name) + " tunnel_ips=IP, an address of this machine"}
	}
	c.problems.set(aspectOf(hwvtep.TablePhysicalSwitch, UUID{}, "missing"), missing)
}

// checkSwitch tells of an active switch that has no overlay, or no peer to flood to.
func (c *Compiler) checkSwitch(id intent.SwitchID) {
	var noVNI, noFlood complaint
	if ls := c.switches[id]; ls != nil && ls.active {
		name := problem.Name(ls.name)
		flood := ls.groups[intent.UnknownDst]
		switch {
		case !ls.up() && ls.badVNI == "":
			noVNI = complaint{
				kind: problem.NoVNI, text: "it is bound here and has no tunnel_key: its frames stay on this machine",
				remedy: "vtep-ctl set Logical_Switch " + name + " tunnel_key=VNI"}
		case !ls.up() || ls.options.resolve(c.scope.options, c.features).Flooding == intent.FloodNone:
		case flood == nil || !flood.present:
			noFlood = complaint{
				kind: problem.NoUnknownDst, text: "no row says where unknown-dst is: broadcast, multicast and unknown frames stay on this machine",
				remedy: "vtep-ctl add-mcast-remote " + name + " unknown-dst PEER"}
		case len(flood.members)+len(flood.flood) == 0:
			noFlood = complaint{
				kind: problem.NoUnknownDst, text: "nobody in unknown-dst can be a peer: broadcast, multicast and unknown frames stay on this machine",
				remedy: "vtep-ctl add-mcast-remote " + name + " unknown-dst PEER"}
		}
	}
	c.problems.set(aspectOf(hwvtep.TableLogicalSwitch, UUID(id), "no tunnel_key"), noVNI)
	c.problems.set(aspectOf(hwvtep.TableLogicalSwitch, UUID(id), "unknown-dst"), noFlood)
}

// checkGroup tells of several peers of which only one gets what is flooded.
func (c *Compiler) checkGroup(key intent.FloodKey) {
	var one complaint
	ls := c.switches[key.Switch]
	if ls != nil && ls.groups[key.MAC] != nil {
		e, peers := ls.groups[key.MAC], map[uint32]bool{}
		if e.service && e.chosen.Peer.IsValid() {
			for _, n := range e.members {
				peers[c.claims.at(n).peer] = true
			}
		}
		if len(peers) > 1 {
			to := hwvtep.UnknownDst
			if key.MAC != intent.UnknownDst {
				to = key.MAC.String()
			}
			one = complaint{
				kind: problem.OneReplicates,
				text: fmt.Sprintf("%s has %d peers, and in service_node mode one of them gets the frame, now %v: the others do not, unless that one replicates",
					to, len(peers), e.chosen.Peer),
				remedy: "vtep-ctl set-replication-mode " + problem.Argument(ls.name) + " source_node"}
		}
	}
	c.problems.set(aspectOf(hwvtep.TableLogicalSwitch, UUID(key.Switch), "group "+string(key.MAC[:])), one)
}

// checkMAC tells of the row that places a MAC, where it leads back to us, or a host here has
// the address.
func (c *Compiler) checkMAC(key intent.MACKey, ls *lswitch, rows []candidate, target *claim) {
	for i, r := range rows {
		if r.rank != rankRemote {
			return
		}
		var own, elsewhere complaint
		if i == 0 && ls.active {
			ip := c.addrOf(r.to)
			peers := target != nil && c.claims.tunnel(target).Peer == ip // no address of ours then
			if !peers && c.scope.ownIPs[ip] {
				placed, is := c.attachedBy(r.to, ls)
				if at, here := c.learnedAt(key); !is {
					own = c.notAttached(r.to, ls, key.MAC)
				} else if here && at.Port != placed.Port {
					elsewhere = complaint{
						kind: problem.MACElsewhere, text: fmt.Sprintf("it was learned on %s VLAN %d, but this row says that it is at %s", problem.Name(at.Port), at.VLAN, problem.Name(placed.Port)),
						remedy: "if the host is here: vtep-ctl del-ucast-remote " + problem.Argument(ls.name) + " " + key.MAC.String()}
				}
			} else if at, here := c.learnedAt(key); here && target != nil {
				elsewhere = complaint{
					kind: problem.MACElsewhere, text: fmt.Sprintf("it was learned on %s VLAN %d, but this row sends it to %v", problem.Name(at.Port), at.VLAN, c.claims.tunnel(target).Peer),
					remedy: "if the host is here: vtep-ctl del-ucast-remote " + problem.Argument(ls.name) + " " + key.MAC.String()}
			}
		}
		if own == (complaint{}) && elsewhere == (complaint{}) && !c.problems.about(r.row) {
			continue
		}
		c.problems.set(aspectOf(hwvtep.TableUcastMACRemote, r.row, "locator"), own)
		c.problems.set(aspectOf(hwvtep.TableUcastMACRemote, r.row, "learned"), elsewhere)
	}
}

// clearChecks takes back what was told of a unicast row that has gone.
func (c *Compiler) clearChecks(r *macRow) {
	c.problems.clear(aspectOf(r.table, r.id, "locator"))
	c.problems.clear(aspectOf(r.table, r.id, "learned"))
}

// checkARPs tells of sources of ARP that are addresses of our own, of those that were looked at.
func (c *Compiler) checkARPs() {
	var routers map[intent.MAC]string // by their addresses; made when it is needed
	looked := map[intent.MAC]bool{}
	for i := range c.dirty.macs {
		mac := c.dirty.macs[i].mac
		rows := c.arps[mac]
		if len(rows) == 0 || looked[mac] {
			continue
		}
		looked[mac] = true
		if routers == nil {
			routers = c.routersByMAC()
		}
		for _, r := range rows {
			table := hwvtep.TableARPSourceRemote
			if r.rank == rankLocal {
				table = hwvtep.TableARPSourceLocal
			}
			what := complaint{}
			name, ofRouter := routers[mac]
			switch {
			case !c.isPeers(r.to):
			case ofRouter:
				what = complaint{kind: problem.IgnoredRow, remedy: "delete it, or give the router another router_mac",
					text: fmt.Sprintf("the MAC is that of the router %s here: the row is not used in its switches", problem.Name(name))}
			case mac == c.arpSource:
				what = complaint{kind: problem.IgnoredRow, remedy: fmt.Sprintf("vtep-ctl destroy %s %v", table, r.row),
					text: "the MAC is the one by which this VTEP asks for neighbours: the row is not used in switches with a router"}
			}
			c.problems.set(aspectOf(table, r.row, aspectOfRouter), what)
		}
	}
}

// routersByMAC gives the name of a router for each address that routers send by: of several that of the first one.
func (c *Compiler) routersByMAC() map[intent.MAC]string {
	names := make(map[intent.MAC]string, len(c.state.Routers))
	for _, r := range c.state.Routers {
		if was, ok := names[r.MAC]; !ok || r.Name < was {
			names[r.MAC] = r.Name
		}
	}
	return names
}
