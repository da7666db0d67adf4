package simulation

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// patience is within what time all have to agree once everything works again: longer than the longest wait between
// attempts to connect, the probes that find a peer gone, and the retries together. A host that has moved while
// there was no controller is known at both places, and nobody can say which is the newer, until it ages where it was.
const (
	aging    = 5 * time.Minute // of a MAC
	patience = 90*time.Second + aging
)

// settle repairs everything, and waits until all agree.
func (w *world) settle() {
	w.log("everything works again")
	w.net.heal()
	for _, m := range w.machines {
		m.disk.set(diskWell)
		if m.disk.broken && m.db != nil { // the database is read-only until the server starts again
			w.log("%s: the server is started again", m.name)
			m.crash(true, false, false)
		}
		m.disk.hurt, m.disk.broken = false, false
		m.restart()
	}
	if w.control == nil {
		w.startController()
	}
	var err error
	for began := time.Now(); time.Since(began) < patience; {
		w.flow()
		for _, m := range w.machines {
			m.accept()
		}
		w.check()
		for _, h := range w.hosts {
			w.speak(h, broadcast)
		}
		w.flow()
		if err = w.agreed(); err == nil {
			w.log("all agree")
			return
		}
		time.Sleep(time.Second)
		w.check()
	}
	for _, m := range w.machines {
		w.log("%s has\n%s", m.name, m.rows())
	}
	w.violated("they do not agree after %v: %v", patience, err)
}

// flow delivers everything until nothing is on its way.
func (w *world) flow() {
	w.carry(w.draw(partUnderlay), true)
	for range 200 {
		w.check()
		if !w.net.progress(w.draw(partFlow), true) {
			return
		}
	}
}

// accept has the operator accept a database that the agent does not trust.
func (m *machine) accept() {
	m.mu.Lock()
	a := m.agent
	m.mu.Unlock()
	if a == nil || m.vtep == nil {
		return
	}
	if s, err := a.Status(context.Background()); err == nil && s.State == agent.Frozen {
		m.w.log("%s: the operator accepts the database", m.name)
		_, _ = a.AcceptDatabase(context.Background())
	}
}

// agreed says what is not yet as it has to be in the end; nil: all is.
func (w *world) agreed() error {
	for i, m := range w.machines {
		if err := m.agrees(w.ops[i]); err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
	}
	for _, h := range w.hosts {
		if err := w.meets(h); err != nil {
			return err
		}
	}
	return nil
}

// agrees compares all that a VTEP has with its database.
func (m *machine) agrees(o *operator) error {
	m.mu.Lock()
	obs, replica, taken := m.observer, m.replica, m.taken
	m.mu.Unlock()
	if obs == nil || replica == nil || m.db == nil || m.vtep == nil {
		return fmt.Errorf("it is not up")
	}
	obs.mu.Lock()
	sum := obs.sum
	obs.mu.Unlock()
	switch {
	case !replica.Connected() || !o.client.Connected():
		return fmt.Errorf("somebody is not connected")
	case m.hashes.sum(replica.Snapshot()) != sum:
		return fmt.Errorf("the agent's replica is not what the database has")
	case (&hasher{}).sum(o.client.Snapshot()) != sum:
		return fmt.Errorf("the operator's replica is not what the database has")
	case taken != replica.Snapshot():
		return fmt.Errorf("the agent has not taken all")
	}
	if why := factsOf(taken, m.name, m.ip).deny(m.fabric.Installed()); why != "" {
		return errors.New(why)
	}
	return m.compiles(taken)
}

// networkAt is the name of the switch that a place is in; "": none.
func (m *machine) networkAt(at intent.BindingKey) string {
	f := m.inForce()
	return f.names[f.bindings[at]]
}

// meets wants a broadcast of a host to come out once at every place of its network but its own, and a frame to
// another host of it at that one's place alone.
func (w *world) meets(h *host) error {
	name := h.m.networkAt(h.at)
	if name == "" {
		if all := w.reach(h, broadcast); len(all) > 0 {
			return fmt.Errorf("%v is in no network, and reaches %v", h, places(all))
		}
		return nil
	}
	var want []arrival
	for _, m := range w.machines {
		for at := range m.inForce().bindings {
			if m.networkAt(at) == name && (m != h.m || at != h.at) {
				want = append(want, arrival{m, at})
			}
		}
	}
	if got, want := places(w.reach(h, broadcast)), places(want); !slices.Equal(got, want) {
		return fmt.Errorf("a broadcast of %v in %s comes out at %v, should at %v", h, name, got, want)
	}
	for _, to := range w.hosts {
		if to.m.networkAt(to.at) != name || to.m == h.m && to.at == h.at {
			continue
		}
		if got, want := places(w.reach(h, to.mac)), places([]arrival{{to.m, to.at}}); !slices.Equal(got, want) {
			return fmt.Errorf("a frame of %v in %s to %v comes out at %v", h, name, to, got)
		}
	}
	return nil
}

func places(all []arrival) []string {
	var names []string
	for _, a := range all {
		names = append(names, fmt.Sprintf("%s %s/%d", a.m.name, a.at.Port, a.at.VLAN))
	}
	slices.Sort(names)
	return names
}

// rows are those of switches and MACs, for people.
func (m *machine) rows() string {
	if m.taken == nil {
		return ""
	}
	v := hwvtep.NewView[*idl.Table](m.taken)
	var all []string
	name := func(id hwvtep.UUID) string { ls, _ := v.LogicalSwitch(id); return ls.Name }
	ip := func(id hwvtep.UUID) string { l, _ := v.PhysicalLocator(id); return l.DstIP }
	for ls := range v.LogicalSwitches() {
		vni, _ := ls.TunnelKey.Get()
		all = append(all, fmt.Sprintf("  switch %s %s VNI %d %v", ls.Name, ls.UUID, vni, ls.OtherConfig))
	}
	for row := range v.UcastMACsLocal() {
		all = append(all, fmt.Sprintf("  local %s %s %s", name(row.LogicalSwitch), row.MAC, ip(row.Locator)))
	}
	for row := range v.UcastMACsRemote() {
		all = append(all, fmt.Sprintf("  remote %s %s %s", name(row.LogicalSwitch), row.MAC, ip(row.Locator)))
	}
	for row := range v.McastMACsRemote() {
		set, _ := v.PhysicalLocatorSet(row.LocatorSet)
		for _, l := range set.Locators {
			all = append(all, fmt.Sprintf("  flood %s %s", name(row.LogicalSwitch), ip(l)))
		}
	}
	sightings, _ := m.plane.Sweep(context.Background())
	for _, s := range sightings {
		all = append(all, fmt.Sprintf("  learned %s %v at %v", name(hwvtep.UUID(s.Key.Switch)), s.Key.MAC, s.At))
	}
	slices.Sort(all)
	return strings.Join(all, "\n")
}
