package simulation

import (
	"context"
	"fmt"
	"iter"
	"net/netip"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/vtep"
)

// checkCompiler wants what was compiled change by change, and applied so, to be what comes of all rows at once.
func (m *machine) checkCompiler() {
	if m.applied == nil || m.applied == m.compiled || m.vtep == nil {
		return
	}
	m.compiled = m.applied
	if err := m.compiles(m.applied); err != nil {
		m.w.violated("%s: %v", m.name, err)
	}
}

func (m *machine) compiles(s *idl.Snapshot) error {
	v := hwvtep.NewView[*idl.Table](s)
	vnis := map[int64]bool{}
	for ls := range v.LogicalSwitches() {
		if key, ok := ls.TunnelKey.Get(); ok && vnis[key] {
			return nil // two have it, until the controller knows: the first one that came has it
		} else if ok {
			vnis[key] = true
		}
	}
	learned := learnedIn{}
	sightings, err := m.plane.Sweep(context.Background())
	if err != nil {
		return err
	}
	for _, s := range sightings {
		learned[s.Key] = s.At
	}
	c := vtep.NewCompiler(m.name, m.plane.Features())
	c.SetLearned(learned)
	c.Update(v, nil)
	if d := intent.Diff(m.fabric.Installed(), c.State()); !d.Empty() {
		return fmt.Errorf("what was compiled change by change differs from all at once: %v", d)
	}
	return nil
}

// learnedIn is what a dataplane has learned.
type learnedIn map[intent.MACKey]intent.BindingKey

func (l learnedIn) Get(key intent.MACKey) (intent.BindingKey, bool) { at, ok := l[key]; return at, ok }
func (l learnedIn) IP(intent.MACKey) netip.Addr                     { return netip.Addr{} }
func (l learnedIn) All() iter.Seq2[intent.MACKey, intent.BindingKey] {
	return func(yield func(intent.MACKey, intent.BindingKey) bool) {
		for k, at := range l {
			if !yield(k, at) {
				return
			}
		}
	}
}
