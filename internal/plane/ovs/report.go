package ovs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/ovsdb/ops"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// grace is for how long something may be on its way before it counts as a failure.
const grace = 3 * time.Second

// restarts is for how long ovs-vswitchd may be away where frames go on without it.
const restarts = 30 * time.Second

// report says what does not work, and why.
func (e *engine) report() plane.Report {
	var r plane.Report
	var all error // why nothing works
	ps := (*bridgeRow)(nil)
	switch {
	case e.vs == nil:
		err := e.db.LastError()
		if err == nil {
			err = errNotConnected
		}
		all = trouble(problem.Unsettled, "start ovsdb-server with the database Open_vSwitch", fmt.Errorf("the database Open_vSwitch can't be reached: %w", err))
	case e.vs.root.IsZero():
		all = trouble(problem.Unsettled, "start ovs-vswitchd", errors.New("ovs-vswitchd has never run with this database"))
	case e.vs.bridges[e.names.ps] == nil:
		all = trouble(problem.MissingDevice, "ovs-vsctl add-br "+e.names.ps, fmt.Errorf("ovs-vswitchd has no bridge %q", e.names.ps))
	default:
		ps = e.vs.bridges[e.names.ps]
		if !e.vs.can(ps.datapathType) {
			all = trouble(problem.UnfitDevice, fmt.Sprintf("ovs-vsctl set Bridge %s datapath_type=%s", e.names.ps, e.vs.datapathTypes[0]),
				fmt.Errorf("ovs-vswitchd can't make a datapath of type %q on this kernel, only of %s",
					orSystem(ps.datapathType), strings.Join(e.vs.datapathTypes, " and ")))
		}
	}
	if b := e.bridges[e.names.ps]; all == nil && e.away() && !e.onItsWay() {
		all = fmt.Errorf("bridge %s can't be controlled: %w", e.names.ps, b.lastErr)
		// It would have a socket, had ovs-vswitchd made it.
		if ps.inKernel() && e.vs.settled() && errors.Is(b.lastErr, fs.ErrNotExist) {
			all = trouble(problem.UnfitDevice, "load the module openvswitch, or ovs-vsctl set Bridge "+e.names.ps+" datapath_type=netdev",
				fmt.Errorf("ovs-vswitchd has not made bridge %s: its datapath is the kernel's, which may lack it", e.names.ps))
		}
	}
	if all == nil && e.pendingWhy != "" && !e.onItsWay() {
		all = errors.New(e.pendingWhy)
	}
	for name := range e.site.ports {
		if err := e.portError(ps, name, all); err != nil {
			put(&r.Ports, name, err)
		} else if ps.ports[name].single().linkDown() {
			if r.Down == nil {
				r.Down = map[string]struct{}{}
			}
			r.Down[name] = struct{}{}
		}
	}
	unreached := e.unreached()
	for at, id := range e.site.bindings {
		err := e.bindingError(at, id, r.Ports[at.Port])
		if err == nil {
			err = unreached[at]
		}
		if err != nil {
			put(&r.Bindings, at, err)
		}
	}
	if err := e.tooManyTunnels(); err != nil {
		put(&r.Full, plane.FloodSets, err)
	}
	if r.Tunnels = e.tunnelError(ps); r.Tunnels == nil && ps != nil {
		r.Peers = maps.Clone(e.routes.peers)
	}
	e.problemsTold = e.problems()
	r.Problems = slices.Clone(e.problemsTold)
	r.BFD = e.bfdStates()
	r.ACLs = maps.Clone(e.access.refused)
	for _, b := range e.bridges {
		for k, err := range b.refused {
			var refused *openflow.Error
			if errors.As(err, &refused) && refused.Kind == openflow.FlowModFailed && refused.Code == openflow.FlowModTableFull {
				put(&r.Full, e.tableOf(b, k), fmt.Errorf("flow table %d of bridge %s is full", k.table, b.name))
			}
		}
	}
	return r
}

// tableOf says of what a flow is that there is no room for.
func (e *engine) tableOf(b *bridge, k flowKey) plane.Table {
	switch {
	case b.name != e.names.router():
		return plane.RemoteMACs
	case k.table == tableRoutes:
		return plane.Routes
	case k.table == tableNeighbors:
		return plane.Neighbours
	}
	return plane.Interfaces
}

func orSystem(datapathType string) string {
	if datapathType == "" {
		return "system"
	}
	return datapathType
}

func (e *engine) portError(ps *bridgeRow, name string, all error) error {
	if all != nil {
		return all
	}
	p := ps.ports[name]
	switch {
	case e.site.ports[name].ServiceTags:
		return trouble(problem.UnfitDevice, "", errors.New("flows of Open vSwitch can't tell service tags from customer tags"))
	case p == nil:
		return trouble(problem.MissingDevice, "ovs-vsctl add-port "+ps.name+" "+name, fmt.Errorf("bridge %s has no such port", ps.name))
	case len(p.interfaces) != 1:
		return trouble(problem.UnfitDevice, "make the bond in the kernel, and that a port", errors.New("it is a bond of Open vSwitch, which flows can't send to"))
	case p.number() == 0:
		if i := p.single(); i.err != "" {
			return trouble(problem.MissingDevice, "", fmt.Errorf("ovs-vswitchd can't use it: %s", i.err))
		}
		if !e.vs.settled() && e.onItsWay() {
			return nil
		}
		return trouble(problem.MissingDevice, "", errors.New("ovs-vswitchd has no such device yet"))
	}
	return nil
}

// bindingError says why a binding is not in force.
func (e *engine) bindingError(at intent.BindingKey, id intent.SwitchID, port error) error {
	if port != nil {
		return port
	}
	for _, b := range []*bridge{e.bridges[e.names.ps], e.bridges[e.names.of[id]]} {
		if b == nil {
			continue
		}
		for k, err := range b.refused {
			if f := b.want[k]; f != nil && (f.about == at || !b.physical && f.about == (intent.BindingKey{})) {
				return fmt.Errorf("ovs-vswitchd refuses a flow of bridge %s: %w", b.name, err)
			}
		}
	}
	if slices.ContainsFunc(e.physical.bindings, func(p patch) bool { return p.at == at }) {
		return nil
	}
	for _, name := range []string{innerName(at), outerName(at)} {
		if i := e.vs.interfaces[name]; i != nil && i.err != "" {
			return fmt.Errorf("ovs-vswitchd can't make patch port %s: %s", name, i.err)
		}
	}
	if e.onItsWay() {
		return nil
	}
	return fmt.Errorf("not in force yet: %s", e.pendingWhy)
}

// tunnelError says why no tunnel works.
func (e *engine) tunnelError(ps *bridgeRow) error {
	if ps == nil || !e.site.TunnelIP.IsValid() || strings.HasPrefix(ps.datapathType, "dummy") {
		return nil
	}
	for name, b := range e.vs.bridges {
		if !e.names.ours(b) || name == e.names.strays() {
			continue
		}
		for _, p := range b.ports {
			if i := p.single(); i != nil && i.kind == "vxlan" && i.err != "" && e.vs.settled() {
				return fmt.Errorf("ovs-vswitchd can't make tunnel port %s: %s", i.name, i.err)
			}
		}
	}
	return e.routes.tunnel
}

func trouble(kind problem.Kind, remedy string, err error) error {
	return &problem.Error{Kind: kind, Remedy: remedy, Err: err}
}

func put[K comparable](m *map[K]error, key K, err error) {
	if *m == nil {
		*m = map[K]error{}
	}
	(*m)[key] = err
}

// managedPorts implements ManagedPorts.
func (e *engine) managedPorts() (ports []string, ok bool) {
	if e.vs == nil || e.vs.bridges[e.names.ps] == nil {
		return nil, false
	}
	for name, p := range e.vs.bridges[e.names.ps].ports {
		if i := p.single(); !p.local() && (i == nil || !isOuter(i)) {
			ports = append(ports, name)
		}
	}
	slices.Sort(ports)
	return ports, true
}

// notifyPorts tells the agent which ports have come, gone, or changed.
func (e *engine) notifyPorts(before *vswitch) {
	state := func(v *vswitch) map[string]plane.PortChanged {
		m := map[string]plane.PortChanged{}
		if v == nil || v.bridges[e.names.ps] == nil {
			return m
		}
		for name, p := range v.bridges[e.names.ps].ports {
			if i := p.single(); !p.local() && (i == nil || !isOuter(i)) {
				m[name] = plane.PortChanged{Name: name, Exists: p.number() != 0, Up: !i.linkDown()}
			}
		}
		return m
	}
	was, is := state(before), state(e.vs)
	for name, p := range is {
		if old, ok := was[name]; !ok || old != p {
			e.emit(p)
		}
		if e.links.look(name, e.vs.bridges[e.names.ps].ports[name].single()) {
			e.tellBounced(name)
		}
	}
	for name := range was {
		if _, still := is[name]; !still {
			delete(e.links.up, name)
			e.emit(plane.PortChanged{Name: name})
		}
	}
}

// clear deletes our flows in a bridge that is not ours.
func (e *engine) clear(ctx context.Context, bridge string) error {
	if e.vs.bridges[bridge] == nil {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	conn, err := openflow.Dial(ctx, e.plane.socket(bridge), func(openflow.Message) {})
	if errors.Is(err, fs.ErrNotExist) {
		return nil // ovs-vswitchd has not made it, and no flow
	}
	if err == nil {
		defer conn.Close()
		err = conn.Do(ctx, &openflow.FlowMod{Command: openflow.Delete, Table: openflow.AllTables, Cookie: cookieBase, CookieMask: cookieMask})
	}
	if err != nil {
		return fmt.Errorf("delete the flows of bridge %s: %w", bridge, err)
	}
	return nil
}

// destroy takes all down that the plane has made.
func (e *engine) destroy(ctx context.Context) error {
	e.site = newSite()
	e.routing.site, e.routing.changed = e.site, true
	e.access = newAccessLists()
	e.built = false
	if e.vs == nil {
		return nil
	}
	// The physical bridge first: nothing gets in any more.
	for _, bridge := range []string{e.names.ps, bfdBridge} {
		if err := e.clear(ctx, bridge); err != nil {
			return err
		}
	}
	edit := newEdit()
	empty := &layout{bridges: map[string]map[string]string{}, ports: map[string]*wantedPort{}}
	e.names.cuts(edit, e.vs, empty)
	edit.movePorts(e.vs, "delete", edit.cut)
	e.names.editBFD(edit, e.vs, e.site)
	if edit.Len() == 0 {
		return nil
	}
	edit.Update("Open_vSwitch", e.vs.root, ops.Values{"next_cfg": e.vs.nextCfg + 1}.Append)
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	if _, err := e.db.Transact(ctx, edit.Ops()); err != nil {
		return fmt.Errorf("take down what Open vSwitch has: %w", err)
	}
	return nil
}
