package ebpf

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// A rehearsal runs the programs on a frame that has not come in. It is done by the same instructions,
// loaded once more, in which calls of a few helpers are calls of functions that stand in for them
// (bpf/rehearse.c): what would leave is told to the agent and goes nowhere. Maps that the programs only
// read are those of forwarding; of those that they write the set has its own, with what the frame needs
// of the real ones. So nothing is sent, learned or counted, and the programs of forwarding know nothing
// of it.

// readOnly are the maps that a rehearsal has in common with forwarding.
var readOnly = []string{"config", "bindings", "members", "remotes", "decaps", "floods", "chunks", "peers", "addresses", "ends",
	"segments", "policies", "acls", "acl_blocks", "gateways", "routes4", "routes6", "interfaces", "bfd_sessions"}

// standIns are the helpers that functions stand in for.
var standIns = map[asm.BuiltinFunc]string{
	asm.FnCloneRedirect:   "rehearse_clone_redirect",
	asm.FnRedirect:        "rehearse_redirect",
	asm.FnRedirectNeigh:   "rehearse_redirect_neigh",
	asm.FnSkbVlanPush:     "rehearse_vlan_push",
	asm.FnSkbVlanPop:      "rehearse_vlan_pop",
	asm.FnSkbSetTunnelKey: "rehearse_set_tunnel_key",
	asm.FnSkbGetTunnelKey: "rehearse_get_tunnel_key",
}

// rehearsed are the programs that a set has, beside the one that it begins with.
var rehearsed = []string{"vtep_port", "vtep_overlay", "vtep_underlay", "vtep_neighbor", "vtep_overhear", "vtep_route", "vtep_forward"}

// rehearsalKept is how long a set is kept that nobody uses: to load it takes the verifier a fifth of a second.
const rehearsalKept = 10 * time.Second

// rehearsals is where a plane has its set, and who may use it.
type rehearsals struct {
	mu     sync.Mutex // held while a frame is rehearsed
	set    *rehearsalSet
	used   time.Time
	timer  *time.Timer
	closed bool
}

// rehearsalSet is the programs once more.
type rehearsalSet struct {
	all    *ebpf.Collection
	shared map[string]*ebpf.Map // of forwarding, as they were when it was loaded
	of     map[string]*ebpf.Map // what these are the same as
	ring   *ringbuf.Reader      // of what would leave
	punts  *ringbuf.Reader      // of frames that the agent would be shown
	rings  []*ringbuf.Reader    // these, and what it would be told otherwise
}

// Rehearse implements plane.Rehearser.
func (p *Plane) Rehearse(_ context.Context, fr plane.Arriving, seen []plane.Entry) (plane.Rehearsal, error) {
	p.rehearsals.mu.Lock()
	defer p.rehearsals.mu.Unlock()
	r, err := p.prepareRehearsal(fr, seen)
	if err == nil {
		err = r.run(p)
	}
	if err != nil {
		return plane.Rehearsal{}, fmt.Errorf("ebpf plane: rehearse: %w", err)
	}
	return r.result, nil
}

// prepareRehearsal has the set there, with what the frame needs.
func (p *Plane) prepareRehearsal(fr plane.Arriving, seen []plane.Entry) (*rehearsal, error) {
	if p.rehearsals.closed {
		return nil, errClosed
	}
	set := p.rehearsals.set
	if set != nil && !p.isPresent(set) { // some maps have grown
		set.close()
		set, p.rehearsals.set = nil, nil
	}
	if set == nil {
		var err error
		if set, err = p.loadRehearsal(); err != nil {
			return nil, kernel.Explain("load the programs for a rehearsal", err)
		}
		p.rehearsals.set = set
	}
	p.rehearsals.used = time.Now()
	if p.rehearsals.timer == nil {
		p.rehearsals.timer = time.AfterFunc(rehearsalKept, p.forgetRehearsal)
	}
	if err := set.clear(); err != nil {
		return nil, err
	}
	return p.newRehearsal(set, fr, seen)
}

// shareMaps gives descriptors of the maps of forwarding that stay open when those grow.
func (p *Plane) shareMaps(set *rehearsalSet) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	if !p.begun {
		return errNotKnown
	}
	all := p.objs.byName()
	for _, name := range readOnly {
		m, err := (*all[name]).Clone()
		if err != nil {
			return fmt.Errorf("map %s: %w", name, err)
		}
		set.shared[name], set.of[name] = m, *all[name]
	}
	return nil
}

// isPresent says whether the set shares the maps that forwarding has now.
func (p *Plane) isPresent(set *rehearsalSet) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.objs.byName()
	for name, m := range set.of {
		if *all[name] != m {
			return false
		}
	}
	return true
}

func closeMaps(all map[string]*ebpf.Map) {
	for _, m := range all {
		m.Close()
	}
}

// loadRehearsal loads the set.
func (p *Plane) loadRehearsal() (_ *rehearsalSet, err error) {
	set := &rehearsalSet{shared: map[string]*ebpf.Map{}, of: map[string]*ebpf.Map{}}
	defer func() {
		if err != nil {
			set.close()
		}
	}()
	if err := p.shareMaps(set); err != nil {
		return nil, err
	}
	spec, err := rehearsalSpec(p.opts.Port)
	if err != nil {
		return nil, err
	}
	for name, m := range spec.Maps {
		if real := set.shared[name]; real != nil {
			m.MaxEntries = real.MaxEntries()
		}
	}
	set.all, err = ebpf.NewCollectionWithOptions(spec, ebpf.CollectionOptions{MapReplacements: set.shared})
	if err != nil {
		return nil, err
	}
	for stage, name := range stagePrograms {
		if err := set.all.Maps["stages"].Put(uint32(stage), set.all.Programs[name]); err != nil {
			return nil, fmt.Errorf("write map stages: %w", err)
		}
	}
	if set.ring, err = ringbuf.NewReader(set.all.Maps["copies"]); err != nil {
		return nil, err
	}
	for _, name := range []string{"events", "punts", "bfd_events"} {
		ring, err := ringbuf.NewReader(set.all.Maps[name])
		if err != nil {
			return nil, err
		}
		set.rings = append(set.rings, ring)
		if name == "punts" {
			set.punts = ring
		}
	}
	return set, nil
}

// rehearsalSpec makes the programs of a set, which are not loaded yet.
func rehearsalSpec(port uint16) (*ebpf.CollectionSpec, error) {
	spec, err := loadFor(port)
	if err != nil {
		return nil, err
	}
	stand, err := loadRehearse()
	if err != nil {
		return nil, fmt.Errorf("read the stand-ins: %w", err)
	}
	functions := functionsOf(stand.Programs["vtep_stand_ins"].Instructions)
	programs := map[string]*ebpf.ProgramSpec{"vtep_rehearse": stand.Programs["vtep_rehearse"]}
	for _, name := range rehearsed {
		prog := spec.Programs[name].Copy()
		prog.Instructions = standIn(prog.Instructions, functions)
		programs[name] = prog
	}
	spec.Programs = programs
	for name, m := range stand.Maps {
		if _, has := spec.Maps[name]; !has {
			spec.Maps[name] = m
		}
	}
	for _, m := range spec.Maps {
		m.Pinning = ebpf.PinNone
	}
	return spec, nil
}

// functionsOf takes a program apart into its functions, by their names.
func functionsOf(all asm.Instructions) map[string]asm.Instructions {
	functions := map[string]asm.Instructions{}
	name := ""
	for _, i := range all {
		if s := i.Symbol(); s != "" {
			name = s
		}
		functions[name] = append(functions[name], i)
	}
	return functions
}

// standIn has functions called in the place of helpers.
func standIn(all asm.Instructions, functions map[string]asm.Instructions) asm.Instructions {
	out := append(asm.Instructions{}, all...)
	called := map[string]bool{}
	for at := range out {
		i := &out[at]
		if !i.IsBuiltinCall() {
			continue
		}
		name, is := standIns[asm.BuiltinFunc(i.Constant)]
		if !is {
			continue
		}
		call := asm.Instruction{OpCode: i.OpCode, Src: asm.PseudoCall, Constant: -1}.WithMetadata(i.Metadata).WithReference(name)
		*i = call
		called[name] = true
	}
	for _, name := range []string{"rehearse_clone_redirect", "rehearse_redirect", "rehearse_redirect_neigh", "rehearse_vlan_push",
		"rehearse_vlan_pop", "rehearse_set_tunnel_key", "rehearse_get_tunnel_key"} {
		if called[name] {
			out = append(out, functions[name]...)
		}
	}
	return out
}

func (s *rehearsalSet) close() {
	if s.ring != nil {
		s.ring.Close()
	}
	for _, ring := range s.rings {
		ring.Close()
	}
	if s.all != nil {
		s.all.Close()
	}
	closeMaps(s.shared)
}

// forgetRehearsal lets go of a set that nobody has used for a while.
func (p *Plane) forgetRehearsal() {
	r := &p.rehearsals
	r.mu.Lock()
	defer r.mu.Unlock()
	r.timer = nil
	switch left := rehearsalKept - time.Since(r.used); {
	case r.set == nil:
	case left > 0:
		r.timer = time.AfterFunc(left, p.forgetRehearsal)
	default:
		r.set.close()
		r.set = nil
	}
}

// closeRehearsals is for Close.
func (p *Plane) closeRehearsals() {
	r := &p.rehearsals
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.timer != nil {
		r.timer.Stop()
	}
	if r.set != nil {
		r.set.close()
		r.set = nil
	}
}

// clear empties what the programs have written.
func (s *rehearsalSet) clear() error {
	var errs []error
	for _, ring := range append(s.rings, s.ring) {
		errs = append(errs, drain(ring, nil))
	}
	errs = append(errs, empty[layout.MACKey, layout.Local](s.all.Maps["locals"]), empty[layout.IPKey, layout.Neighbor](s.all.Maps["neighbors"]),
		emptyBytes(s.all.Maps["told"]), emptyBytes(s.all.Maps["group_rates"]),
		emptyBytes(s.all.Maps["echoes"]), emptyBytes(s.all.Maps["punt_shares"]))
	for i := range s.all.Maps["punted"].MaxEntries() {
		errs = append(errs, s.all.Maps["punted"].Put(i, layout.PuntCount{}))
	}
	errs = append(errs, s.all.Maps["copies_lost"].Put(uint32(0), uint64(0)))
	return errors.Join(errs...)
}

// drain takes out what is in a ring.
func drain(ring *ringbuf.Reader, each func([]byte)) error {
	ring.SetDeadline(time.Unix(1, 0)) // it has passed: nothing is waited for
	var rec ringbuf.Record
	for {
		switch err := ring.ReadInto(&rec); {
		case errors.Is(err, errDeadline):
			return nil
		case err != nil:
			return fmt.Errorf("read a ring: %w", err)
		case each != nil:
			each(rec.RawSample)
		}
	}
}

func empty[K, V any](m *ebpf.Map) error {
	var keys []K
	var key K
	var value V
	for all := m.Iterate(); all.Next(&key, &value); {
		keys = append(keys, key)
	}
	for _, key := range keys {
		if err := m.Delete(&key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("empty a map: %w", err)
		}
	}
	return nil
}

// emptyBytes does so where the layout does not matter.
func emptyBytes(m *ebpf.Map) error {
	for {
		key, err := m.NextKeyBytes(nil)
		if err != nil || key == nil {
			return err
		}
		if err := m.Delete(key); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("empty a map: %w", err)
		}
	}
}

// copyKnown puts what the frame depends on, and the programs would write, into the maps of the set.
func (p *Plane) copyKnown(set *rehearsalSet, seen []plane.Entry) error {
	r := reading{p: p, into: plane.NewInstalled()}
	put := func(name string, key, value any) {
		if err := set.all.Maps[name].Put(key, value); err != nil {
			r.err = errors.Join(r.err, fmt.Errorf("write map %s: %w", name, err))
		}
	}
	quota := func(n uint32) {
		if q, ok := look[uint32, layout.Quota](&r, p.objs.Quotas, n); ok {
			put("quotas", n, q)
		}
	}
	quota(0)
	for _, e := range seen {
		switch e.Kind {
		case plane.EntryLearned:
			key, known := r.key(e.Switch, e.MAC, 0)
			if l, ok := look[layout.MACKey, layout.Local](&r, p.objs.Locals, key); known && ok {
				put("locals", key, l)
				quota(l.Port)
			}
		case plane.EntryBinding:
			if b := p.contents.Bindings[e.At]; b != nil {
				if m, ok := look[uint32, layout.Member](&r, p.objs.Members, b.Slot); ok {
					quota(m.Port)
				}
			}
		case plane.EntryNeighbour, plane.EntryInterface:
			d := p.contents.ByUUID[e.Switch]
			if d == nil {
				continue
			}
			key := layout.IPKey{BD: d.BD, IP: layout.AddressOf(e.IP)}
			if n, ok := look[layout.IPKey, layout.Neighbor](&r, p.objs.Neighbors, key); ok {
				put("neighbors", key, n)
			}
		}
	}
	return r.err
}
