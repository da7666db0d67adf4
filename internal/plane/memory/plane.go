package memory

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

var (
	errNoDevice  = problem.Errorf(problem.MissingDevice, "add it, or remove the port", "no such network device")
	errClosed    = errors.New("the plane is closed")
	errNeedsFull = errors.New("the first Apply of a plane needs a nil delta")
)

// Plane is an agent's hold on a Fabric. It implements plane.Plane.
type Plane struct {
	fabric *Fabric
	events chan plane.Event

	// fabric.mu guards what follows
	applied    bool                     // an Apply has succeeded
	remembered map[intent.SwitchID]bool // as Remembered gives them
	lost       uint64                   // events that the agent has not been told of
}

// Open returns a plane. The one that was open before is closed, as it is when its agent dies.
func (f *Fabric) Open() *Plane {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.close(f.open)
	f.open = &Plane{fabric: f, events: make(chan plane.Event, f.opts.Events)}
	return f.open
}

func (f *Fabric) close(p *Plane) {
	if p != nil && f.open == p {
		f.open = nil
		close(p.events)
	}
}

// use locks the fabric for p.
func (p *Plane) use() (unlock func(), err error) {
	p.fabric.mu.Lock()
	if p.fabric.open != p {
		p.fabric.mu.Unlock()
		return nil, errClosed
	}
	return p.fabric.mu.Unlock, nil
}

// Features implements plane.Plane.
func (p *Plane) Features() plane.Features {
	loopback := p.fabric.wire != nil && p.fabric.wire.tunnels
	return plane.Features{Loopback: loopback, TunnelDSCP: plane.AllPriorities, TagPCP: plane.AllPriorities, Routers: true, Segments: true, SnoopGroups: true, SnoopIPs: true, Suppress: true, Probe: true, ACLs: true, RouterACLs: true}
}

// Apply implements plane.Plane.
func (p *Plane) Apply(_ context.Context, next *intent.State, d *intent.Delta) (plane.Report, error) {
	unlock, err := p.use()
	if err != nil {
		return plane.Report{}, fmt.Errorf("apply: %w", err)
	}
	defer unlock()
	f := p.fabric
	if p.remembered == nil {
		p.remembered = map[intent.SwitchID]bool{}
		for id := range f.installed.Switches {
			if f.whole {
				p.remembered[id] = true
			}
		}
	}
	if d == nil {
		d = intent.Diff(f.installed, next)
	} else if !p.applied {
		return f.report(), fmt.Errorf("apply: %w", errNeedsFull)
	}
	f.apply(d)
	f.installed.Position = next.Position
	p.applied = true
	if f.wire != nil {
		f.unbound = f.wire.bind(f.installed.TunnelIP)
	}
	// What the deltas added up to must be what was asked for. Sizes are cheap to compare.
	f.drift = nil
	if have, want := f.installed.Sizes(), next.Sizes(); !slices.Equal(have, want) {
		f.drift = []plane.Drift{{Kind: "delta", Key: "sizes", Want: fmt.Sprint(want), Have: fmt.Sprint(have)}}
	}
	return f.report(), nil
}

func (f *Fabric) apply(d *intent.Delta) {
	f.installed.Apply(d)
	if d.Global || len(d.Switches) > 0 {
		clear(f.ownVNI)
		if f.installed.AcceptAnySource {
			for id, ls := range f.installed.Switches {
				if ls.OverlayUp() {
					f.ownVNI[ls.VNI] = id
				}
			}
		}
	}
	if len(d.Interfaces) > 0 || len(d.Switches) > 0 && len(f.own) > 0 {
		clear(f.own)
		for key := range f.installed.Interfaces {
			f.own[ownKey{f.installed.Switches[key.Switch].Router, key.IP}] = struct{}{}
		}
	}
	for _, c := range d.Neighbours {
		if c.New == nil {
			delete(f.used, c.Key)
		}
	}
	f.settleACLCounts(d)
	for _, c := range d.Switches {
		if c.New != nil && !c.New.SnoopIPs && c.Old != nil && c.Old.SnoopIPs {
			f.forgetSaid(c.Key)
		}
	}
	for _, c := range d.Bindings {
		if c.Old != nil {
			f.leave(c.Old.Switch, c.Key)
		}
		if c.New != nil {
			f.enter(c.New.Switch, c.Key)
		} else {
			delete(f.counts, c.Key)
		}
	}
	if len(d.Bindings) > 0 {
		f.flush()
	}
}

func (f *Fabric) enter(id intent.SwitchID, at intent.BindingKey) {
	if at.VLAN != 0 {
		f.vlans[at.Port]++
	}
	list := f.members[id]
	i, _ := slices.BinarySearchFunc(list, at, intent.BindingKey.Compare)
	f.members[id] = slices.Insert(list, i, at)
}

func (f *Fabric) leave(id intent.SwitchID, at intent.BindingKey) {
	if at.VLAN != 0 {
		if f.vlans[at.Port]--; f.vlans[at.Port] == 0 {
			delete(f.vlans, at.Port)
		}
	}
	list := f.members[id]
	if i, ok := slices.BinarySearchFunc(list, at, intent.BindingKey.Compare); ok {
		list = slices.Delete(list, i, i+1)
	}
	if f.members[id] = list; len(list) == 0 {
		delete(f.members, id)
	}
}

func (f *Fabric) tunnelsWork() bool {
	if f.rehearsal != nil && f.rehearsal.has.NoTunnels {
		return false
	}
	ip := f.installed.TunnelIP
	return ip.IsValid() && (f.opts.LocalAddrs == nil || slices.Contains(f.opts.LocalAddrs, ip))
}

func (f *Fabric) report() plane.Report {
	var r plane.Report
	for name := range f.installed.Ports {
		if !f.devices[name] {
			put(&r.Ports, name, errNoDevice)
		}
	}
	if len(r.Ports) > 0 {
		for at := range f.installed.Bindings {
			if !f.devices[at.Port] {
				put(&r.Bindings, at, errNoDevice)
			}
		}
	}
	if ip := f.installed.TunnelIP; ip.IsValid() && !f.tunnelsWork() {
		r.Tunnels = problem.Errorf(problem.ForeignIP, "change Physical_Switch.tunnel_ips", "tunnel IP %v is not an address of this host", ip)
	}
	if f.unbound != nil {
		r.Tunnels = f.unbound
	}
	return r
}

func put[K comparable](m *map[K]error, key K, err error) {
	if *m == nil {
		*m = map[K]error{}
	}
	(*m)[key] = err
}

// Adopted implements plane.Plane.
func (p *Plane) Adopted(context.Context, bool) (*intent.State, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, fmt.Errorf("adopted: %w", err)
	}
	defer unlock()
	if len(p.fabric.installed.Bindings) == 0 {
		return nil, nil
	}
	return p.fabric.installed.Clone(), nil
}

// Disown implements plane.Plane.
func (p *Plane) Disown(context.Context) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("disown: %w", err)
	}
	defer unlock()
	p.fabric.installed.Physical, p.fabric.installed.Position = plane.Nobody, 0
	return nil
}

// Events implements plane.Plane.
func (p *Plane) Events() <-chan plane.Event { return p.events }

// Sweep implements plane.Plane.
func (p *Plane) Sweep(context.Context) ([]plane.Sighting, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, fmt.Errorf("sweep: %w", err)
	}
	defer unlock()
	now := p.fabric.opts.Now()
	all := make([]plane.Sighting, 0, len(p.fabric.learned))
	for key, s := range p.fabric.learned {
		all = append(all, plane.Sighting{Key: key, At: s.at, Idle: now.Sub(s.seen), IP: s.last})
	}
	return all, nil
}

// Remembered implements plane.Rememberer.
func (p *Plane) Remembered(context.Context) (map[intent.SwitchID]bool, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, fmt.Errorf("remembered: %w", err)
	}
	defer unlock()
	return p.remembered, nil
}

// Remember implements plane.Rememberer.
func (p *Plane) Remember(_ context.Context, whole bool) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("remember: %w", err)
	}
	defer unlock()
	p.fabric.whole = whole
	return nil
}

// Forget implements plane.Plane.
func (p *Plane) Forget(_ context.Context, keys []intent.MACKey) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("forget: %w", err)
	}
	defer unlock()
	for _, key := range keys {
		p.fabric.unlearn(key)
	}
	return nil
}

// Watch implements plane.Watcher.
func (p *Plane) Watch(_ context.Context, keys []intent.MACKey) error {
	unlock, err := p.use()
	if err != nil {
		return fmt.Errorf("watch: %w", err)
	}
	defer unlock()
	for _, key := range keys {
		if s := p.fabric.learned[key]; s != nil {
			s.watched = true
		}
	}
	return nil
}

// Stats implements plane.Plane.
func (p *Plane) Stats(context.Context) (plane.Stats, error) {
	unlock, err := p.use()
	if err != nil {
		return plane.Stats{}, fmt.Errorf("stats: %w", err)
	}
	defer unlock()
	s := plane.Stats{
		Bindings: make(map[intent.BindingKey]plane.Counters, len(p.fabric.installed.Bindings)),
		Drops:    maps.Clone(p.fabric.drops),
		Answered: maps.Clone(p.fabric.answered),
		Tunnels:  make(map[netip.Addr]plane.Traffic, len(p.fabric.tunnels)),
	}
	for peer, t := range p.fabric.tunnels {
		s.Tunnels[peer] = *t
	}
	for at := range p.fabric.installed.Bindings {
		s.Bindings[at] = plane.Counters{}
		if c := p.fabric.counts[at]; c != nil {
			s.Bindings[at] = *c
		}
	}
	return s, nil
}

// DropsByPlace implements plane.Plane.
func (p *Plane) DropsByPlace(context.Context) ([]plane.PlaceDrops, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, fmt.Errorf("drops by place: %w", err)
	}
	defer unlock()
	list := make([]plane.PlaceDrops, 0, len(p.fabric.places))
	for at, n := range p.fabric.places {
		at.Count = n
		list = append(list, at)
	}
	return list, nil
}

// Audit implements plane.Plane.
func (p *Plane) Audit(context.Context) ([]plane.Drift, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	defer unlock()
	drift := slices.Clone(p.fabric.drift)
	if err := p.fabric.installed.Check(); err != nil {
		drift = append(drift, plane.Drift{Kind: "state", Want: "a State that passes Check", Have: err.Error()})
	}
	return drift, nil
}

// Close implements plane.Plane.
func (p *Plane) Close() error {
	p.fabric.mu.Lock()
	defer p.fabric.mu.Unlock()
	p.fabric.close(p)
	return nil
}

// Destroy implements plane.Plane.
func (p *Plane) Destroy(context.Context) error {
	p.fabric.mu.Lock()
	defer p.fabric.mu.Unlock()
	if p.fabric.open == p {
		p.fabric.close(p)
		p.fabric.clear()
	}
	return nil
}
