package ovs

import (
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/ops"
	"github.com/vtep/vtep/internal/plane"
)

// Open vSwitch runs BFD by itself, at the ports of a bridge of their own: one for each peer,
// without a key, so that the packets have VNI 0. Nothing is forwarded there. The emulator has
// the same bridge, and the options of the ports are looked at by others, so that the source of
// the packets is what routing makes it.
//
// What else comes with VNI 0 from these peers is for no switch: a flow drops and counts it.
//
// Several physical switches may share the bridge. Each marks the ports that it needs, and has the
// same flow there as the others.
const (
	bfdBridge  = "vtep_bfd"
	bfdPrefix  = "bfd"
	markShared = "vtep_bfd"   // "true": the bridge was made by a plane like this one
	markUser   = "vtep_user:" // and the name of a physical switch that needs the port
)

// peers are the other VTEPs that have a port of vtep_bfd: those that some switch has a tunnel
// with. It takes all that such a peer sends with VNI 0: where that is data, a peer has a port
// only if there is to be a session.
func (s *site) peers() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	if !s.TunnelIP.IsValid() {
		return all
	}
	data := map[netip.Addr]bool{}
	for _, ls := range s.switches {
		if !ls.active {
			continue
		}
		if s.AcceptAnySource && ls.overlay && ls.vni == 0 {
			return s.sessions()
		}
		for t := range ls.decap {
			all[t.Peer] = true
			data[t.Peer] = data[t.Peer] || t.VNI == 0
		}
	}
	for peer, zero := range data {
		if zero {
			delete(all, peer)
		}
	}
	for peer := range s.bfd {
		all[peer] = true
	}
	return all
}

func (s *site) sessions() map[netip.Addr]bool {
	all := map[netip.Addr]bool{}
	for peer := range s.bfd {
		all[peer] = true
	}
	return all
}

// bfdColumn is what the interface of a session has in its column bfd.
func bfdColumn(b intent.BFD, wanted bool) map[string]string {
	if !wanted {
		return map[string]string{}
	}
	return map[string]string{
		"enable":             "true",
		"min_rx":             strconv.FormatUint(uint64(b.MinRx), 10),
		"min_tx":             strconv.FormatUint(uint64(b.MinTx), 10),
		"decay_min_rx":       strconv.FormatUint(uint64(b.DecayMinRx), 10),
		"forwarding_if_rx":   strconv.FormatBool(b.ForwardingIfRx),
		"cpath_down":         strconv.FormatBool(b.CPathDown),
		"check_tnl_key":      strconv.FormatBool(b.CheckKey),
		"bfd_src_ip":         b.Local.IP.String(),
		"bfd_dst_ip":         b.Remote.IP.String(),
		"bfd_local_dst_mac":  b.Remote.MAC.String(),
		"bfd_remote_dst_mac": b.Local.MAC.String(),
	}
}

// isShared says whether b is the bridge of BFD ports, made by a plane like this one.
func isShared(b *bridgeRow) bool {
	return b.name == bfdBridge && b.externalIDs[markShared] == "true"
}

// editBFD makes the bridge and its ports what a site needs.
func (n *names) editBFD(e *edit, v *vswitch, s *site) {
	ps, row := v.bridges[n.ps], v.bridges[bfdBridge]
	if ps == nil {
		return
	}
	user := markUser + n.ps
	peers := s.peers()
	if row == nil && len(peers) == 0 && len(s.switches) == 0 {
		return
	}
	if row != nil && !isShared(row) {
		// An emulator has left it, forwarding as an ordinary switch. It is made anew.
		e.Mutate("Open_vSwitch", v.root, ops.Mutation{Column: "bridges", Mutator: "delete", Value: ops.Value([]ovsdb.UUID{row.id})})
		e.adds++
		return
	}
	var added, gone []ovsdb.UUID
	for _, peer := range slices.SortedFunc(maps.Keys(peers), netip.Addr.Compare) {
		name := bfdPrefix + peer.String()
		session, wanted := s.bfd[peer]
		column := bfdColumn(session, wanted)
		options := n.inPort(map[string]string{"remote_ip": peer.String()})
		port := v.ports[name]
		i := port.single()
		if port == nil {
			i := e.Insert("Interface", ops.Values{"name": name, "type": "vxlan", "options": options, "bfd": column}.Append)
			added = append(added, e.Insert("Port", ops.Values{"name": name, "interfaces": i, "external_ids": map[string]string{user: "true"}}.Append))
			continue
		}
		if i == nil || port.bridge != row {
			continue // somebody else's
		}
		if i.kind != "vxlan" || !sameMap(i.options, options) || !sameMap(i.bfd, column) {
			e.Update("Interface", i.id, ops.Values{"type": "vxlan", "options": options, "bfd": column}.Append)
		}
		if port.externalIDs[user] != "true" {
			e.Update("Port", port.id, ops.Values{"external_ids": with(port.externalIDs, user, "true")}.Append)
		}
	}
	if row == nil {
		i := e.Insert("Interface", ops.Values{"name": bfdBridge, "type": "internal"}.Append)
		local := e.Insert("Port", ops.Values{"name": bfdBridge, "interfaces": i}.Append)
		b := e.Insert("Bridge", ops.Values{"name": bfdBridge, "datapath_type": ps.datapathType, "fail_mode": "secure",
			"external_ids": map[string]string{markShared: "true"}, "other_config": map[string]string{"disable-in-band": "true"},
			"ports": append([]ovsdb.UUID{local}, added...)}.Append)
		e.Mutate("Open_vSwitch", v.root, ops.Mutation{Column: "bridges", Mutator: "insert", Value: ops.Value([]ovsdb.UUID{b})})
		return
	}
	for _, name := range slices.Sorted(maps.Keys(row.ports)) {
		p := row.ports[name]
		peer, _ := netip.ParseAddr(strings.TrimPrefix(name, bfdPrefix))
		if p.externalIDs[user] == "" || peers[peer] {
			continue
		}
		if users(p.externalIDs) > 1 {
			e.Update("Port", p.id, ops.Values{"external_ids": with(p.externalIDs, user, "")}.Append)
		} else {
			gone = append(gone, p.id)
		}
	}
	if len(gone) > 0 {
		e.Mutate("Bridge", row.id, ops.Mutation{Column: "ports", Mutator: "delete", Value: ops.Value(gone)})
	}
	if len(added) > 0 {
		e.Mutate("Bridge", row.id, ops.Mutation{Column: "ports", Mutator: "insert", Value: ops.Value(added)})
	}
	if row.failMode != "secure" || row.datapathType != ps.datapathType {
		e.Update("Bridge", row.id, ops.Values{"fail_mode": "secure", "datapath_type": ps.datapathType}.Append)
	}
}

func users(marks map[string]string) (n int) {
	for k := range marks {
		if strings.HasPrefix(k, markUser) {
			n++
		}
	}
	return n
}

// with returns marks with a key changed; an empty value takes it out.
func with(marks map[string]string, key, value string) map[string]string {
	m := maps.Clone(marks)
	if m[key] = value; value == "" {
		delete(m, key)
	}
	return m
}

// bfdStates are what sessions say, of those that run.
func (e *engine) bfdStates() map[netip.Addr]plane.PeerState {
	all := map[netip.Addr]plane.PeerState{}
	if e.vs == nil {
		return all
	}
	for peer := range e.site.bfd {
		i := e.vs.interfaces[bfdPrefix+peer.String()]
		if i == nil || len(i.bfdStatus) == 0 {
			continue
		}
		all[peer] = plane.PeerState{
			Forwarding: i.bfdStatus["forwarding"] == "true",
			State:      i.bfdStatus["state"], Diagnostic: i.bfdStatus["diagnostic"],
			RemoteState: i.bfdStatus["remote_state"], RemoteDiagnostic: i.bfdStatus["remote_diagnostic"],
		}
	}
	return all
}

// notifyBFD tells the agent of the sessions that say something else.
func (e *engine) notifyBFD() {
	was := e.bfdTold
	e.bfdTold = e.bfdStates()
	for peer, state := range e.bfdTold {
		if state != was[peer] {
			e.emit(plane.PeerChanged{Peer: peer, State: state})
		}
	}
	for peer := range was {
		if _, still := e.bfdTold[peer]; !still {
			e.emit(plane.PeerChanged{Peer: peer})
		}
	}
}
