package ebpf

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Apply implements plane.Plane. The change is staged in the tables first, all of it in
// memory; install then writes it in the order that keeps frames right.
func (p *Plane) Apply(_ context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return plane.Report{}, errClosed
	}
	var err error
	if d == nil || !p.known || p.contents.Anew {
		p.known = false
		err = p.reconcile(next)
	} else {
		p.known = false
		p.stage(next, d)
		err = p.install()
	}
	if err != nil {
		return p.report(), fmt.Errorf("ebpf plane: apply: %w", err)
	}
	p.known = true
	p.nameCaptured()
	if time.Since(p.checked) >= recheckPause {
		p.checkAttachments()
		p.attachNatives()
	}
	p.recheckLater()
	p.watchLocals()
	if p.monitor {
		p.monitor = false
		p.watchman.configure(p.sessions(next.BFD), p.overlay.TunnelIPs, p.underlay(), p.overlay.outerTOS(bfdTOS))
	}
	if !p.begun {
		p.begun = true
		close(p.ready)
	}
	return p.report(), nil
}

// stage works the delta into the tables. Nothing is written to the kernel but the vxlan
// device, which must be there before anything can name it.
func (p *Plane) stage(next *intent.State, d *intent.Delta) {
	p.position = next.Position
	had := p.overlay.TunnelIPs
	if !had.Any() {
		had = p.hadTunnelIPs() // of the process before
	}
	if d.Global {
		p.physical = next.Physical
		p.limitQuota(0, next.MACLimit)
		dscp := p.overlay.dscp
		p.configureOverlay(next)
		if p.overlay.dscp != dscp {
			p.byFlow = nil
		}
		if p.overlay.TunnelIPs != had || p.byFlow == nil {
			p.resolvePeers()
		}
		if p.overlay.TunnelIPs != had {
			for name, prt := range p.ports { // it must not be on one of them
				p.setDevice(prt, p.lookup(name))
			}
		}
	}
	if d.Global || len(d.Ends) > 0 {
		p.contents.StageEnds(next, had, monotonic(), p.formerFor)
		p.awaitEnds()
	}
	if d.Global || p.overlay.err != nil {
		p.ensureVXLAN()
	}
	for _, c := range d.ACLs {
		p.stageACL(c)
	}
	var gone []uint32
	for _, c := range d.Switches {
		if dom := p.contents.ByUUID[c.Key]; c.New == nil && dom != nil {
			gone = append(gone, dom.BD)
		}
	}
	changed := p.contents.Stage(next, d, layout.Joiner{PortWanted: p.portWanted, PortGone: p.portGone})
	if len(changed) > 0 {
		p.forgetSnooped(changed)
	}
	for _, bd := range gone {
		p.unwatchDomain(bd)
	}
	if d.Global || len(d.BFD) > 0 {
		p.noteData, p.monitor = wantData(next.BFD), true
	}
	p.resolveNew()
	p.updateWays()
}

// install writes what is staged: what others name before those that name it, additions
// before removals. Programs are attached last, so that a frame finds everything ready.
func (p *Plane) install() error {
	defer p.tellAnew()
	p.publish()
	for _, slot := range p.contents.Reused {
		p.zeroCounters(p.objs.Counters, slot)
	}
	for _, peer := range p.contents.ReusedPeers {
		p.zeroCounters(p.objs.TunnelTraffic, peer)
	}
	for _, number := range p.contents.ReusedPorts {
		p.zeroQuota(number)
	}
	p.contents.Reused, p.contents.ReusedPeers, p.contents.ReusedPorts = nil, nil, nil
	now := time.Now()
	if err := p.sweepRetired(now); err != nil {
		return err
	}
	p.growToNeed()
	p.guardNatives()
	p.contents.OrderLists()
	p.contents.OrderDecaps()
	for _, write := range []func() error{
		// Peers first: the settings may open the short way, which some of them must not take.
		p.tSwitches.Put, p.tPeers.Put, p.tAddresses.Put, p.tEnds.Put, p.writeSettings, p.writeOrigin,
		p.writeACLs, p.tPolicies.Put, p.tSegments.Put, p.tMembers.Put, p.tBindings.Put,
		p.tRouters.Put, p.tNeighbors.Put, p.tRoutes4.Put, p.tRoutes6.Put, p.tInterfaces.Put, p.tGateways.Put,
		p.tChunks.Put, p.tFloods.Put, p.tRemotes.Put, p.tDecaps.Put,
	} {
		if err := write(); err != nil {
			return err
		}
	}
	p.attachPorts()
	if err := p.zeroDrops(); err != nil {
		return err
	}
	p.measureUnderlays()
	p.attachUnderlays()
	p.attachNatives()
	p.retireChunks(now)
	for _, remove := range []func() error{
		p.tDevices.Put,
		p.tDecaps.Prune, p.tRemotes.Prune, p.forgetRouters,
		p.tGateways.Prune, p.tInterfaces.Prune, p.tRoutes4.Prune, p.tRoutes6.Prune, p.tNeighbors.Prune, p.tRouters.Prune,
		p.tFloods.Prune, p.tBindings.Prune, p.tMembers.Prune, p.tSegments.Prune, p.tPolicies.Prune, p.pruneACLs,
		p.tAddresses.Prune, p.tPeers.Prune, p.tEnds.Prune, p.tSwitches.Prune,
		p.detachLeaving, p.tDevices.Prune,
		p.collectIfFew,
	} {
		if err := remove(); err != nil {
			return err
		}
	}
	return nil
}

// tellAnew has the agent apply once more: who had no number may get one.
func (p *Plane) tellAnew() {
	if p.contents.Anew && !p.anewTold {
		p.queue.add(plane.ReportChanged{})
	}
	p.anewTold = p.contents.Anew
}

// fewLocals is how many learned MACs are looked through at once for those whose binding has
// gone; more wait for the next reading of the counters.
const fewLocals = 4096

func (p *Plane) collectIfFew() error {
	if !p.contents.Stale || atomic.LoadUint32(&p.quotas[0].Count) > fewLocals {
		return nil
	}
	return p.collect()
}

// report says what is in force.
func (p *Plane) report() plane.Report {
	r := plane.Report{
		Ports:    map[string]error{},
		Bindings: map[intent.BindingKey]error{},
		Down:     map[string]struct{}{},
		Peers:    map[netip.Addr]error{},
		Full:     map[plane.Table]error{},
		Tunnels:  p.tunnelError(),
	}
	r.Disturbed = p.disturbedPorts()
	r.BFD = p.watchman.states()
	for name, prt := range p.ports {
		if d := p.devices.ByIndex[prt.Device]; d.Index != 0 && !d.Up {
			r.Down[name] = struct{}{}
		}
		if prt.err == nil {
			continue
		}
		r.Ports[name] = prt.err
		for _, b := range prt.Bindings {
			r.Bindings[b.Key] = prt.err
		}
	}
	for key, b := range p.contents.Unserved {
		r.Bindings[key] = p.bindingError(b)
	}
	for slot := range p.tMembers.Short {
		if b := p.contents.BySlot[slot]; b != nil { // else it has gone meanwhile
			r.Bindings[b.Key] = p.tMembers.Full()
		}
	}
	for k := range p.tBindings.Short {
		if prt := p.portOf(int(k.Ifindex)); prt != nil {
			r.Bindings[intent.BindingKey{Port: prt.Name, VLAN: uint16(k.VID)}] = p.tBindings.Full()
		}
	}
	maps.Copy(r.Peers, p.unreachable)
	r.Sessions = p.sessionErrors()
	r.ACLs = maps.Clone(p.access.refused)
	r.Problems = p.doubts()
	for table, err := range map[plane.Table]error{
		plane.LearnedMACs: p.localsError(),
		plane.RemoteMACs:  p.tRemotes.Full(),
		plane.Peers:       errors.Join(p.peersError(), p.tPeers.Full(), p.tAddresses.Full()),
		plane.Tunnels:     errors.Join(p.tDecaps.Full(), p.tEnds.Full(), p.tSegments.Full()),
		plane.FloodSets:   errors.Join(p.cutError(), p.tFloods.Full(), p.tChunks.Full()),
		plane.Routers:     errors.Join(p.tRouters.Full(), p.tGateways.Full()),
		plane.Routes:      errors.Join(p.tRoutes4.Full(), p.tRoutes6.Full()),
		plane.Interfaces:  p.tInterfaces.Full(),
		plane.Neighbours:  p.tNeighbors.Full(),
	} {
		if err != nil {
			r.Full[table] = err
		}
	}
	return r
}
