package ovs

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// problems are those of Open vSwitch's settings and of what others have made in it.
func (e *engine) problems() (list []problem.Problem) {
	if e.vs == nil || e.vs.bridges[e.names.ps] == nil {
		return nil
	}
	if limit := e.vs.vlanLimit; limit != "" && limit != "1" {
		list = append(list, problem.Problem{Kind: problem.VLANLimit, Object: problem.PhysicalSwitch(e.names.ps),
			Text:   fmt.Sprintf("other_config:vlan-limit of Open_vSwitch is %s: of frames with several tags one may be lost", problem.Argument(limit)),
			Remedy: "ovs-vsctl set Open_vSwitch . other_config:vlan-limit=1, and restart ovs-vswitchd"})
	}
	return append(list, e.foreignTunnels()...)
}

// notifyProblems tells the agent when the database has brought problems, or taken some away.
func (e *engine) notifyProblems() {
	now := e.problems()
	if !slices.Equal(now, e.problemsTold) {
		e.problemsTold = now
		e.emit(plane.ReportChanged{})
	}
}

// foreignTunnels finds tunnel ports that somebody else has made and that take our peers' frames.
// Open vSwitch gives a frame to a port with its key and its source before one with its key for
// all sources, whatever bridge they are in; of two that say the same it makes only one.
func (e *engine) foreignTunnels() (list []problem.Problem) {
	tunnels := sync.OnceValue(e.site.tunnelPorts)
	for _, name := range slices.Sorted(maps.Keys(e.vs.ports)) {
		p := e.vs.ports[name]
		i := p.single()
		if i == nil || i.kind != "vxlan" || p.bridge == nil || e.ofPlane(p) {
			continue
		}
		if !e.names.samePort(i.options) {
			continue
		}
		if taken := e.takes(i, tunnels); taken != "" {
			list = append(list, problem.Problem{Kind: problem.TunnelTaken, Object: "port " + problem.Name(name),
				Text:   fmt.Sprintf("this tunnel port of bridge %s takes the frames of %s: our switch gets none of them", problem.Name(p.bridge.name), taken),
				Remedy: fmt.Sprintf("ovs-vsctl del-port %s %s, or give it another key", problem.Argument(p.bridge.name), problem.Argument(name))})
		}
	}
	return list
}

// ofPlane says whether this plane, or one of another physical switch, sees to a port.
func (e *engine) ofPlane(p *portRow) bool {
	return p.externalIDs[markOwner] != "" || e.names.mine(p) || p.bridge.name == bfdBridge
}

// takes says whose frames of ours a tunnel port gets; "": nobody's.
func (e *engine) takes(i *interfaceRow, tunnelPorts func() map[intent.SwitchID][]tunnelPort) string {
	vni, err := strconv.ParseUint(keyOption(i.options), 0, 24)
	if err != nil {
		return "" // "flow": ours come first
	}
	local := i.options["local_ip"]
	ours := local == e.site.TunnelIP.String()
	if local != "" && local != "flow" && !ours {
		return ""
	}
	remote := i.options["remote_ip"]
	peer, err := netip.ParseAddr(remote)
	if remote != "flow" && err != nil {
		return ""
	}
	tunnels := tunnelPorts()
	for _, ls := range e.site.sorted() {
		for _, t := range tunnels[ls.id] {
			switch {
			case t.blind || uint64(t.vni) != vni:
			case remote == "flow":
				if ours && !t.remote.IsValid() {
					return fmt.Sprintf("all peers in VNI %d", vni)
				}
			case t.remote.IsValid():
				if ours && t.remote == peer {
					return fmt.Sprintf("peer %v in VNI %d", peer, vni)
				}
			case e.site.AcceptAnySource && ls.overlay && ls.vni == t.vni || ls.accepts(peer, t.vni):
				return fmt.Sprintf("peer %v in VNI %d", peer, vni)
			}
		}
	}
	return ""
}

// accepts says whether frames of a peer are taken in a VNI.
func (ls *lswitch) accepts(peer netip.Addr, vni uint32) bool {
	for t := range ls.decap {
		if t.Peer == peer && t.VNI == vni {
			return true
		}
	}
	return false
}

// keyOption is the key that frames must have for a tunnel port with these options.
func keyOption(options map[string]string) string {
	for _, k := range []string{"in_key", "key"} {
		if v := options[k]; v != "" {
			return v
		}
	}
	return "0"
}
