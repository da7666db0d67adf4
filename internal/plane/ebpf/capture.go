package ebpf

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/kernel"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Captures. The programs of forwarding know nothing of them. There is a second set of programs, of the same
// sources, that shows frames to the agent by a ring buffer (bpf/capturing.h). It takes the places of the first
// between two frames, as programs with larger maps do (grow.go), and gives them back when the last capture ends. It
// is never kept for the next process (kept.go), so that one that follows a process which was killed puts the first
// set back, whatever happened.

var captureKinds = map[plane.Happening]uint32{
	plane.CameIn: 1 << layout.CaptureIn, plane.WentOut: 1<<layout.CaptureOutPort | 1<<layout.CaptureOutTunnel, plane.Dropped: 1 << layout.CaptureDrop, plane.Held: 1 << layout.CaptureHeld,
}

const (
	captureNone  = 1<<32 - 1 // instead of a port or a switch that is not there
	captureBytes = 1<<16 - 1 // the most of a frame
)

// captures are what a plane has of them.
type captures struct {
	changing sync.Mutex // held while one begins or ends; taken before Plane.mu
	closed   bool

	mu      sync.Mutex // held while a frame is shown
	running []*capturing
}

// capturing is one.
type capturing struct {
	p    *Plane
	set  *captureSet
	want plane.CaptureFilter
	show func(*plane.Captured)

	before uint64 // what others had lost when it began
}

// captureSet is what the captures that run at the same time have together.
type captureSet struct {
	maps   map[string]*ebpf.Map // capture_room, ...: of the programs
	ring   *ringbuf.Reader
	around atomic.Pointer[around] // nil: nobody wants to see packets around frames
	done   sync.WaitGroup
	offset atomic.Int64 // from CLOCK_MONOTONIC to the time of day, in nanoseconds
	names  atomic.Pointer[captureNames]
}

// captureNames say what numbers mean.
type captureNames struct {
	ports    map[uint32]string // by ifindex
	switches map[uint32]intent.SwitchID
	ways     map[int]string // devices of the underlay
	ends     map[layout.Address]bool
}

// StartCapture implements plane.Capturer.
func (p *Plane) StartCapture(_ context.Context, want plane.CaptureFilter, show func(*plane.Captured)) (plane.Capture, error) {
	c := &p.captures
	c.changing.Lock()
	defer c.changing.Unlock()
	if c.closed {
		return nil, errClosed
	}
	one := &capturing{p: p, want: want, show: show}
	err := p.beginCapture(one)
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: capture: %w", err)
	}
	return one, nil
}

// DropReasons implements plane.Capturer.
func (p *Plane) DropReasons() []string { return slices.Sorted(slices.Values(dropReasons[:])) }

// ShowsAround implements plane.Capturer.
func (p *Plane) ShowsAround() bool { return true }

// beginCapture has the programs of captures run, if they do not yet, and show what this one wants, too.
func (p *Plane) beginCapture(one *capturing) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.closed:
		return errClosed
	case !p.begun:
		return errNotKnown
	}
	set := p.showing
	if set == nil {
		var err error
		if set, err = p.loadCaptures(); err != nil {
			return err
		}
	}
	if one.want.Around && set.around.Load() == nil {
		a, err := p.openAround()
		if err != nil {
			p.mu.Unlock()
			p.endIfUnused()
			p.mu.Lock()
			return err
		}
		set.around.Store(a)
		set.done.Go(func() { p.readAround(set, a) })
	}
	one.set = set
	one.before = one.lost()
	p.captures.mu.Lock()
	p.captures.running = append(p.captures.running, one)
	p.captures.mu.Unlock()
	p.nameCaptured()
	return nil
}

// loadCaptures has the second set of programs run.
func (p *Plane) loadCaptures() (_ *captureSet, err error) {
	set := &captureSet{maps: map[string]*ebpf.Map{}}
	defer func() {
		if err != nil {
			set.close()
		}
	}()
	spec, err := captureSpec(p.opts.Port)
	if err != nil {
		return nil, err
	}
	for _, name := range []string{"capture_room", "capture_wants", "capture_ring", "capture_lost"} {
		s := spec.Maps[name].Copy()
		switch {
		case name == "capture_room":
			if n, err := ebpf.PossibleCPU(); err == nil {
				s.MaxEntries = uint32(n)
			}
		case name == "capture_ring" && p.opts.captureRing != 0:
			s.MaxEntries = p.opts.captureRing
		}
		if set.maps[name], err = ebpf.NewMap(s); err != nil {
			delete(set.maps, name)
			return nil, kernel.Explain("make map "+name, err)
		}
	}
	if set.ring, err = ringbuf.NewReader(set.maps["capture_ring"]); err != nil {
		return nil, err
	}
	set.adjust()
	p.showing = set
	p.writeNative() // or frames would go past the programs that show them
	if err := p.grow(nil, nil); err != nil {
		p.showing = nil
		p.writeNative()
		return nil, err
	}
	set.done.Go(func() { p.readCaptured(set) })
	p.log.Info("frames are captured: the programs are those that show them")
	return set, nil
}

// captureSpec reads the second set of programs.
func captureSpec(port uint16) (*ebpf.CollectionSpec, error) {
	spec, err := loadCapture()
	if err == nil {
		err = spec.Variables["vxlan_port"].Set(port)
	}
	if err != nil {
		return nil, fmt.Errorf("read the programs of captures: %w", err)
	}
	return spec, nil
}

// presentSpec reads the programs that are to run now.
func (p *Plane) presentSpec() (*ebpf.CollectionSpec, error) {
	if p.showing == nil {
		return loadFor(p.opts.Port)
	}
	spec, err := captureSpec(p.opts.Port)
	if err != nil {
		return nil, err
	}
	for name, m := range p.showing.maps {
		spec.Maps[name].MaxEntries = m.MaxEntries()
	}
	return spec, nil
}

// Lost implements plane.Capture.
func (one *capturing) Lost() uint64 { return one.lost() - one.before }

// lost says how many were lost since the programs show frames.
func (one *capturing) lost() uint64 {
	var n uint64
	_ = one.set.maps["capture_lost"].Lookup(uint32(0), &n) // fails only when all is over
	if a := one.set.around.Load(); a != nil {
		n += a.lost()
	}
	return n
}

// Close implements plane.Capture.
func (one *capturing) Close() error {
	c := &one.p.captures
	c.changing.Lock()
	defer c.changing.Unlock()
	c.mu.Lock()
	c.running = slices.DeleteFunc(c.running, func(o *capturing) bool { return o == one })
	c.mu.Unlock()
	one.p.endIfUnused()
	return nil
}

// endIfUnused puts the programs that show nothing back, when nobody captures any more. captures.changing is held.
func (p *Plane) endIfUnused() {
	p.mu.Lock()
	if p.closed || p.showing == nil {
		p.mu.Unlock()
		return
	}
	p.nameCaptured() // what is not wanted any more is not shown
	p.captures.mu.Lock()
	used := len(p.captures.running) > 0
	p.captures.mu.Unlock()
	if used {
		p.mu.Unlock()
		return
	}
	set := p.showing
	p.showing = nil
	if err := p.grow(nil, nil); err != nil {
		p.showing = set
		p.log.Warn("the programs that show frames can't be replaced now: trying again", "err", err)
		time.AfterFunc(growPause, func() {
			p.captures.changing.Lock()
			defer p.captures.changing.Unlock()
			p.endIfUnused()
		})
		p.mu.Unlock()
		return
	}
	p.writeNative()
	p.mu.Unlock()
	set.close()
	p.log.Info("frames are captured no more: the programs are those that forward only")
}

// close ends whoever reads, too.
func (s *captureSet) close() {
	if a := s.around.Load(); a != nil {
		a.close()
	}
	if s.ring != nil {
		s.ring.Close()
	}
	s.done.Wait()
	closeMaps(s.maps)
}

// closeCaptures is for Close. The programs stay as they are until the next process.
func (p *Plane) closeCaptures() {
	c := &p.captures
	c.changing.Lock()
	defer c.changing.Unlock()
	c.closed = true
	c.mu.Lock()
	c.running = nil
	c.mu.Unlock()
	p.endIfUnused()
	p.mu.Lock()
	set := p.showing
	p.mu.Unlock()
	if set != nil { // they could not be replaced
		set.close()
	}
}

// nameCaptured notes what numbers mean, and tells the programs what is wanted. It is called when
// either may have changed; p.mu is held.
func (p *Plane) nameCaptured() {
	set := p.showing
	if set == nil {
		return
	}
	n := &captureNames{ports: map[uint32]string{}, switches: map[uint32]intent.SwitchID{}, ways: map[int]string{}, ends: map[layout.Address]bool{}}
	for name, prt := range p.ports {
		if prt.Device != 0 {
			n.ports[uint32(prt.Device)] = name
		}
	}
	for bd, d := range p.contents.Domains {
		n.switches[bd] = d.ID
	}
	for index := range p.ways {
		n.ways[index] = p.nameOf(uint32(index))
	}
	n.ends[layout.AddressOf(p.overlay.TunnelIP)], n.ends[layout.AddressOf(p.overlay.TunnelIP6)] = true, true
	for ip := range p.contents.Maps.Ends.Want.All() {
		n.ends[ip] = true
	}
	set.names.Store(n)
	var all []layout.CaptureFilter
	p.captures.mu.Lock()
	for _, one := range p.captures.running {
		if one.want.Inside {
			all = append(all, p.captureFilter(&one.want))
		}
	}
	p.captures.mu.Unlock()
	if err := set.maps["capture_wants"].Put(uint32(0), unite(all)); err != nil {
		p.log.Warn("the programs can't be told what captures want", "err", err)
	}
}

// captureFilter says in numbers what is wanted, and perhaps more.
func (p *Plane) captureFilter(want *plane.CaptureFilter) (f layout.CaptureFilter) {
	if want.What == nil {
		want.What = plane.Happenings
	}
	for _, what := range want.What {
		f.Kinds |= captureKinds[what]
	}
	f.Reasons = ^uint64(0)
	if want.Reasons != nil {
		f.Reasons = 0
		for i, name := range dropReasons {
			if slices.Contains(want.Reasons, name) {
				f.Reasons |= 1 << i
			}
		}
	}
	if want.Port != "" {
		f.Has, f.Ifindex = f.Has|layout.CaptureHasPort, captureNone
		if prt := p.ports[want.Port]; prt != nil && prt.Device != 0 {
			f.Ifindex = uint32(prt.Device)
		}
	}
	if want.VLAN >= 0 {
		f.Has, f.VID = f.Has|layout.CaptureHasVLAN, uint32(want.VLAN)
	}
	if want.Switch != nil {
		f.Has, f.BD = f.Has|layout.CaptureHasSwitch, p.captureSwitch(*want.Switch)
	}
	if want.VNI != nil && len(want.VNISwitches) < 2 {
		f.Has, f.VNI, f.VNIBD = f.Has|layout.CaptureHasVNI, *want.VNI, captureNone
		if len(want.VNISwitches) == 1 {
			f.VNIBD = p.captureSwitch(want.VNISwitches[0])
		}
	}
	if want.Peer.IsValid() {
		f.Has, f.Peer = f.Has|layout.CaptureHasPeer, layout.AddressOf(want.Peer)
	}
	if want.MAC != nil {
		f.Has, f.MAC = f.Has|layout.CaptureHasMAC, *want.MAC
	}
	f.Most = uint32(max(1, min(want.Bytes, captureBytes)))
	return f
}

func (p *Plane) captureSwitch(id intent.SwitchID) uint32 {
	if d := p.contents.ByUUID[id]; d != nil {
		return d.BD
	}
	return captureNone
}

// unite gives a filter that lets through what any of these does.
func unite(all []layout.CaptureFilter) (f layout.CaptureFilter) {
	for i, one := range all {
		if i == 0 {
			f = one
			continue
		}
		f.Kinds |= one.Kinds
		f.Reasons |= one.Reasons
		f.Most = max(f.Most, one.Most)
		f.Has &= one.Has
		for bit, same := range map[uint32]bool{
			layout.CaptureHasPort: f.Ifindex == one.Ifindex, layout.CaptureHasVLAN: f.VID == one.VID, layout.CaptureHasSwitch: f.BD == one.BD,
			layout.CaptureHasVNI: f.VNI == one.VNI && f.VNIBD == one.VNIBD, layout.CaptureHasPeer: f.Peer == one.Peer, layout.CaptureHasMAC: f.MAC == one.MAC,
		} {
			if !same {
				f.Has &^= bit
			}
		}
	}
	return f
}
