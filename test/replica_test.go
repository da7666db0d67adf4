package test

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// replica is a monitor of the VTEP's database.
type replica struct {
	*idl.Client
	stop func() // and wait for its end
}

// openReplica starts monitoring. A world has at most one replica.
func (w *world) openReplica() *replica {
	if w.replica == nil {
		ctx, cancel := context.WithCancel(context.Background())
		targets, _, err := idl.ParseTargets(w.targets(), nil)
		if err != nil {
			w.t.Fatal(err)
		}
		c := idl.New(idl.Options{Database: hwvtep.Schema().Name, Targets: targets, LeaderOnly: true})
		done := make(chan struct{})
		go func() {
			defer close(done)
			_ = c.Run(ctx) // it ends with ctx
		}()
		w.replica = &replica{c, func() { cancel(); <-done }}
	}
	return w.replica
}

func (w *world) closeReplica() {
	if w.replica != nil {
		w.replica.stop()
		w.replica = nil
	}
}

// view is the database at one time, with look-ups by name.
type view struct{ *hwvtep.View }

// await waits until the database is as check wants it, and returns it as it was then.
func (w *world) await(check func(v view) error) view {
	w.t.Helper()
	r := w.openReplica()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	s, err := r.WaitReady(ctx)
	if err != nil {
		w.t.Fatalf("monitor the database: %v (%v)", err, r.LastError())
	}
	deadline := time.After(patience)
	for {
		v := view{hwvtep.NewView(s)}
		err := check(v)
		if err == nil {
			return v
		}
		select {
		case <-r.Updates():
			s, _ = r.Take()
		case <-deadline:
			w.t.Fatalf("not within %v: %v", patience, err)
		}
	}
}

// now is the database as the replica has it after everything that is committed by now.
func (w *world) now() view {
	w.t.Helper()
	w.closeReplica() // a new one begins with what is there
	return w.await(func(view) error { return nil })
}

func (v view) physicalSwitch(name string) (hwvtep.PhysicalSwitch, error) {
	for ps := range v.PhysicalSwitches() {
		if ps.Name == name {
			return ps, nil
		}
	}
	return hwvtep.PhysicalSwitch{}, fmt.Errorf("no physical switch %s", name)
}

func (v view) port(name string) (hwvtep.PhysicalPort, error) {
	for p := range v.PhysicalPorts() {
		if p.Name == name {
			return p, nil
		}
	}
	return hwvtep.PhysicalPort{}, fmt.Errorf("no port %s", name)
}

func (v view) logicalSwitch(name string) (hwvtep.LogicalSwitch, error) {
	for ls := range v.LogicalSwitches() {
		if ls.Name == name {
			return ls, nil
		}
	}
	return hwvtep.LogicalSwitch{}, fmt.Errorf("no logical switch %s", name)
}

// locals lists the learned MACs of a logical switch.
func (v view) locals(ls string) []string {
	var all []string
	row, err := v.logicalSwitch(ls)
	if err != nil {
		return nil
	}
	for m := range v.UcastMACsLocal() {
		if m.LogicalSwitch == row.UUID {
			all = append(all, m.MAC)
		}
	}
	slices.Sort(all)
	return all
}

// peers lists the remote addresses of the switch's tunnels.
func (v view) peers(ps string) []string {
	var all []string
	row, err := v.physicalSwitch(ps)
	if err != nil {
		return nil
	}
	for _, id := range row.Tunnels {
		if tunnel, ok := v.Tunnel(id); ok {
			remote, _ := v.PhysicalLocator(tunnel.Remote)
			all = append(all, remote.DstIP)
		}
	}
	slices.Sort(all)
	return all
}

// stats gives the counters of a binding.
func (v view) stats(port string, vlan int64) (hwvtep.LogicalBindingStats, error) {
	p, err := v.port(port)
	if err != nil {
		return hwvtep.LogicalBindingStats{}, err
	}
	row, ok := v.LogicalBindingStats(p.VLANStats[vlan])
	if !ok {
		return row, fmt.Errorf("no statistics of port %s VLAN %d", port, vlan)
	}
	return row, nil
}
