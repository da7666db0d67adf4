package ebpf

import (
	"cmp"
	"context"
	"fmt"
	"net"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Audit implements plane.Plane: it reads every map and every attachment.
func (p *Plane) Audit(context.Context) ([]plane.Drift, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	defer p.forgetAll()
	if err := p.loadAll(); err != nil {
		return nil, fmt.Errorf("ebpf plane: audit: %w", err)
	}
	var a audit
	compare(&a, "switch", p.tSwitches, func(k layout.SwitchID) string { return fmt.Sprintf("%x", k.UUID) })
	compare(&a, "port", p.tDevices, p.nameOf)
	compare(&a, "binding", p.tBindings, func(k layout.BindKey) string { return fmt.Sprintf("%s/%d", p.nameOf(k.Ifindex), k.VID) })
	compare(&a, "binding", p.tMembers, func(slot uint32) string { return fmt.Sprintf("slot %d", slot) })
	compare(&a, "unicast", p.tRemotes, p.macOf)
	p.compareDecaps(&a)
	compare(&a, "peer", p.tPeers, func(n uint32) string { return p.tPeers.Want.Get(n).IP.Addr().String() })
	compare(&a, "peer", p.tAddresses, func(ip layout.Address) string { return ip.Addr().String() })
	compare(&a, "neighbor", p.tNeighbors, p.neighborOf)
	compare(&a, "end", p.tEnds, func(ip layout.Address) string { return ip.Addr().String() })
	compare(&a, "flood", p.tFloods, p.macOf)
	for _, r := range p.retired {
		for _, k := range r.chunks {
			delete(p.tChunks.Have, k)
		}
	}
	compare(&a, "flood", p.tChunks, func(k layout.ChunkKey) string { return fmt.Sprintf("list %d part %d", k.List, k.Seq) })

	compare(&a, "segment", p.tSegments, func(k layout.SegmentKey) string { return fmt.Sprintf("of port %d with %v", k.Port, k.IP.Addr()) })
	compare(&a, "acl", p.tPolicies, func(slot uint32) string { return fmt.Sprintf("of slot %d", slot) })
	a = append(a, p.auditACLs()...)
	compare(&a, "router", p.tRouters, func(k layout.SwitchID) string { return fmt.Sprintf("%x", k.UUID) })
	compare(&a, "router", p.tGateways, func(bd uint32) string { return fmt.Sprintf("domain %d", bd) })
	compare(&a, "route", p.tRoutes4, func(k layout.RouteKey4) string { return fmt.Sprintf("%+v", k) })
	compare(&a, "interface", p.tInterfaces, func(k layout.InterfaceKey) string { return fmt.Sprintf("%+v", k) })
	compare(&a, "route", p.tRoutes6, func(k layout.RouteKey6) string { return fmt.Sprintf("%+v", k) })

	for name, prt := range p.ports {
		if prt.Device != 0 && prt.err == nil && !prt.waits {
			a = p.auditAttachment(a, "port", name, prt.Device)
			if l, err := p.space.Links.LinkByIndex(prt.Device); err == nil && l.Attrs().RawFlags&unix.IFF_PROMISC == 0 {
				a = append(a, plane.Drift{Kind: "port", Key: name, Want: "promiscuous"})
			}
		}
	}
	if p.overlay.ifindex != 0 {
		a = p.auditAttachment(a, "tunnel", p.vxlanName(), p.overlay.ifindex)
	}
	a = append(a, p.auditVXLAN()...)
	for index := range p.overlay.underlays {
		a = p.auditAttachment(a, "tunnel", p.nameOf(uint32(index)), index)
	}
	for index, d := range p.native.devices {
		if d.in == nil && p.native.links.Examine(index) != kernel.Sound {
			a = append(a, plane.Drift{Kind: "xdp", Key: p.nameOf(uint32(index)), Want: "XDP program attached, pinned"})
		}
	}
	var s layout.Settings
	if err := p.objs.Config.Lookup(uint32(0), &s); err != nil {
		return nil, fmt.Errorf("ebpf plane: audit: read map config: %w", err)
	}
	if s != p.settings {
		a = append(a, plane.Drift{Kind: "settings", Want: fmt.Sprintf("%+v", p.settings), Have: fmt.Sprintf("%+v", s)})
	}
	sessions, err := p.watchman.audit()
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: audit: %w", err)
	}
	a = append(a, sessions...)
	slices.SortFunc(a, func(x, y plane.Drift) int {
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Key, y.Key), cmp.Compare(x.Have, y.Have))
	})
	return a, nil
}

type audit []plane.Drift

func (p *Plane) auditAttachment(a audit, kind, name string, ifindex int) audit {
	d := plane.Drift{Kind: kind, Key: name, Want: "program attached"}
	at := p.attached.All[ifindex]
	if at == nil {
		return append(a, d)
	}
	switch c, ahead := p.attached.Examine(at); c {
	case kernel.Sound:
		return a
	case kernel.Replaced:
		d.Have = "another program"
	case kernel.Unpinned:
		d.Want, d.Have = "program attached, pinned", "no pin"
	case kernel.Behind:
		d.Want, d.Have = "program attached, before all others", "behind "+ahead
	}
	return append(a, d)
}

// compare adds the differences between a table and the contents of its map.
func compare[K, V comparable](a *audit, kind string, t *kernel.Table[K, V], name func(K) string) {
	for k, want := range t.Want.All() {
		var zero V
		h, ok := t.Have[k]
		switch {
		case ok && h == want, !ok && t.Array && want == zero:
		case ok:
			*a = append(*a, plane.Drift{Kind: kind, Key: name(k), Want: text(want), Have: text(h)})
		default:
			*a = append(*a, plane.Drift{Kind: kind, Key: name(k), Want: text(want)})
		}
	}
	for k, h := range t.Have {
		if t.Want.Find(k) < 0 {
			*a = append(*a, plane.Drift{Kind: kind, Key: name(k), Have: text(h)})
		}
	}
}

// compareDecaps does so for tunnels, of which an entry of the map has many. An entry that makes no difference to
// any is named by its key.
func (p *Plane) compareDecaps(a *audit) {
	var entries audit
	told := map[layout.TunnelKey]bool{}
	compare(&entries, "decap", p.tDecaps, func(k layout.DecapKey) string {
		drift := p.contents.DriftOf(k)
		for _, t := range drift {
			if told[t.TunnelKey] {
				continue
			}
			told[t.TunnelKey] = true
			d := plane.Drift{Kind: "decap", Key: p.tunnelOf(t.Peer, t.VNI)}
			if t.Want != nil {
				d.Want = text(*t.Want)
			}
			if t.Have != nil {
				d.Have = text(*t.Have)
			}
			*a = append(*a, d)
		}
		if len(drift) > 0 {
			return ""
		}
		return fmt.Sprintf("vni %d part %#x", k.VNI, k.Part)
	})
	for _, d := range entries {
		if d.Key != "" {
			*a = append(*a, d)
		}
	}
}

func text(v any) string {
	switch v := v.(type) {
	case layout.Remote:
		return fmt.Sprintf("peer %d vni %d", v.Peer, v.VNI)
	case layout.Member:
		return fmt.Sprintf("ifindex %d vlan %d domain %d generation %d mtu %d flags %d features %#x", v.Ifindex, v.VID, v.BD, v.Gen, v.MTU, v.Flags, v.Features)
	case layout.Decap:
		return fmt.Sprintf("domain %d features %#x", v.BD, v.Features)
	}
	return fmt.Sprintf("%+v", v)
}

// tunnelOf names the tunnel with the peer's number.
func (p *Plane) tunnelOf(peer, vni uint32) string {
	if pr := p.contents.Numbered[peer]; pr != nil {
		return fmt.Sprintf("%v vni %d", pr.IP, vni)
	}
	return fmt.Sprintf("peer %d vni %d", peer, vni)
}

func (p *Plane) nameOf(ifindex uint32) string {
	if d := p.devices.ByIndex[int(ifindex)]; d.Index != 0 {
		return d.Name
	}
	return fmt.Sprintf("ifindex %d", ifindex)
}

func (p *Plane) neighborOf(k layout.IPKey) string {
	name := fmt.Sprintf("domain %d", k.BD)
	if d := p.contents.Domains[k.BD]; d != nil {
		name = d.Switch.Name
	}
	return name + " " + k.IP.Addr().String()
}

func (p *Plane) macOf(k layout.MACKey) string {
	name := fmt.Sprintf("domain %d", k.BD)
	if d := p.contents.Domains[k.BD]; d != nil {
		name = d.Switch.Name
	}
	if k.Kind == layout.FloodMembers {
		return name + " members"
	}
	return name + " " + net.HardwareAddr(k.MAC[:]).String()
}
