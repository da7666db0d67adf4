package ebpf

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// Adopted implements plane.Plane. It reads the pinned maps, and touches nothing.
func (p *Plane) Adopted(_ context.Context, whole bool) (*intent.State, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	s, err := p.readState(whole)
	if err != nil {
		return nil, fmt.Errorf("ebpf plane: read what is pinned: %w", err)
	}
	if len(s.Bindings) == 0 {
		return nil, nil
	}
	return s, nil
}

// Disown implements plane.Plane.
func (p *Plane) Disown(context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return errClosed
	}
	p.physical, p.position = plane.Nobody, 0
	if err := p.writeOrigin(); err != nil {
		return fmt.Errorf("ebpf plane: %w", err)
	}
	return nil
}

func (p *Plane) readState(whole bool) (*intent.State, error) {
	defer p.forgetAll()
	errs := []error{p.tSwitches.Load(), p.tDevices.Load(), p.tBindings.Load(), p.tMembers.Load(), p.tEnds.Load()}
	acls := map[intent.ACLID]*accessList{}
	if whole {
		errs = append(errs, p.loadAll())
		acls = p.readACLs()
	}
	var origin layout.Origin
	if err := errors.Join(append(errs, p.objs.Origin.Lookup(uint32(0), &origin))...); err != nil {
		return nil, err
	}
	byNumber := map[uint32]intent.ACLID{}
	for id, l := range acls {
		byNumber[l.number] = id
	}
	s := p.contents.State(p.deviceName, byNumber)
	s.Physical, s.Position = origin.Physical, origin.Position
	s.TunnelIPs = p.hadTunnelIPs()
	for id, l := range acls {
		s.ACLs[id] = l.acl
	}
	return s, nil
}

// writeOrigin notes of which database the maps have the forwarding.
func (p *Plane) writeOrigin() error {
	o := layout.Origin{Physical: p.physical, Position: p.position}
	if o == p.origin {
		return nil
	}
	if err := p.objs.Origin.Put(uint32(0), &o); err != nil {
		return fmt.Errorf("write map origin: %w", err)
	}
	p.origin = o
	return nil
}
