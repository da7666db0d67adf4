package simulation

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// content is what the operator has in a database.
type content struct {
	switches map[string]bool   // by name
	bindings map[string]string // "p0/0": name of a switch
	statics  map[string]string // "name MAC": IP of a peer
}

func (c content) clone() content {
	return content{maps.Clone(c.switches), maps.Clone(c.bindings), maps.Clone(c.statics)}
}

func (c content) String() string {
	var all []string
	for name := range c.switches {
		all = append(all, name)
	}
	for at, name := range c.bindings {
		all = append(all, at+"="+name)
	}
	for key, ip := range c.statics {
		all = append(all, key+"="+ip)
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

// The MACs of hosts that the operator places behind peers begin so; no other row has them.
const staticMACs = "02:ee:"

// contentOf reads it from rows.
func contentOf(v *hwvtep.View, name string) content {
	c := content{map[string]bool{}, map[string]string{}, map[string]string{}}
	for ls := range v.LogicalSwitches() {
		c.switches[ls.Name] = true
	}
	for _, port := range portsOf(v, name) {
		for vlan, id := range port.VLANBindings {
			ls, _ := v.LogicalSwitch(id)
			c.bindings[fmt.Sprintf("%s/%d", port.Name, vlan)] = ls.Name
		}
	}
	for row := range v.UcastMACsRemote() {
		if strings.HasPrefix(row.MAC, staticMACs) {
			ls, _ := v.LogicalSwitch(row.LogicalSwitch)
			at, _ := v.PhysicalLocator(row.Locator)
			c.statics[ls.Name+" "+row.MAC] += at.DstIP // two would be found
		}
	}
	return c
}

func portsOf(v *hwvtep.View, name string) (ports []hwvtep.PhysicalPort) {
	for ps := range v.PhysicalSwitches() {
		if ps.Name == name {
			for _, id := range ps.Ports {
				port, _ := v.PhysicalPort(id)
				ports = append(ports, port)
			}
		}
	}
	slices.SortFunc(ports, func(a, b hwvtep.PhysicalPort) int { return strings.Compare(a.Name, b.Name) })
	return ports
}

// commit is a transaction of the operator. Its id is written with it; who writes the next one has the database
// check that nobody else has, so that commits follow one another.
type commit struct {
	id      string
	parent  *commit
	content string
	state   content
	refused bool // the server said that it did nothing
}

// has says that c is, or follows, another commit.
func (c *commit) has(other *commit) bool {
	for ; c != nil; c = c.parent {
		if c == other {
			return true
		}
	}
	return other == nil
}

const commitKey = "commit"

// operator is the client that edits a database over the network.
type operator struct {
	w      *world
	m      *machine
	client *idl.Client
	busy   atomic.Bool
	made   int
}

const operatorNode = "operator"

func newOperator(w *world, m *machine) *operator {
	o := &operator{w: w, m: m}
	o.client = idl.New(idl.Options{Database: hwvtep.Database, Dial: func(ctx context.Context) (net.Conn, error) { return w.net.dial(ctx, w.people, m.name) }})
	w.people.background(o.client.Run)
	return o
}

// act begins a transaction, if it can. It says what it is.
func (o *operator) act(r *rand.Rand) string {
	s := o.client.Snapshot()
	if o.busy.Load() || s == nil || !o.client.Connected() {
		return ""
	}
	v := hwvtep.NewView[*idl.Table](s)
	ports := portsOf(v, o.m.name)
	global, ok := v.TheGlobal()
	if !ok || len(ports) < len(devices) {
		return ""
	}
	t := &o.m.truth
	o.m.mu.Lock()
	before := t.commits[global.OtherConfig[commitKey]]
	epoch := t.epoch
	o.m.mu.Unlock()
	if before == nil {
		o.w.violated("%s: the operator sees commit %q, which nobody made", o.m.name, global.OtherConfig[commitKey])
		return ""
	}
	o.made++
	c := &commit{id: fmt.Sprintf("%s.%d", o.m.name, o.made), parent: before, state: before.state.clone()}
	tx := hwvtep.NewTxn(v.Layout())
	tx.WaitGlobal(global.UUID, hwvtep.Global{OtherConfig: global.OtherConfig}, hwvtep.GlobalOtherConfig)
	tx.UpdateGlobal(global.UUID, hwvtep.Global{OtherConfig: map[string]string{commitKey: c.id}}, hwvtep.GlobalOtherConfig)
	what := o.edit(r, v, ports, tx, &c.state)
	if what == "" {
		return ""
	}
	c.content = c.state.String()
	o.m.mu.Lock()
	t.commits[c.id] = c
	o.m.mu.Unlock()
	o.busy.Store(true)
	go func() {
		defer o.busy.Store(false)
		_, err := o.client.Transact(o.w.people.ctx, tx.Ops())
		o.m.mu.Lock()
		defer o.m.mu.Unlock()
		var failed *idl.TransactError
		switch {
		case epoch != t.epoch: // the disk has lost it since, and was expected to
		case err == nil:
			if !t.current.has(c) {
				o.w.violated("%s: commit %s was acknowledged, and the database is at %s", o.m.name, c.id, t.current.id)
			}
		case errors.As(err, &failed) && failed.Err.Tag != "I/O error":
			if c.refused = true; t.current.has(c) {
				o.w.violated("%s: commit %s was refused (%v), and the database is at %s", o.m.name, c.id, err, t.current.id)
			}
		}
	}()
	return c.id + ": " + what
}

var (
	networks = []string{"n1", "n2", "n3"}
	vlans    = []int64{0, 10}
	peers    = []string{"10.9.0.1", "10.9.0.2"}
)

// edit draws a change, and makes it in tx and in c.
func (o *operator) edit(r *rand.Rand, v *hwvtep.View, ports []hwvtep.PhysicalPort, tx *hwvtep.Txn, c *content) string {
	ids := map[string]hwvtep.UUID{}
	for ls := range v.LogicalSwitches() {
		ids[ls.Name] = ls.UUID
	}
	name := networks[r.IntN(len(networks))]
	id, exists := ids[name]
	port, vlan := ports[r.IntN(len(ports))], vlans[r.IntN(len(vlans))]
	at := fmt.Sprintf("%s/%d", port.Name, vlan)
	switch n := r.IntN(10); {
	case !exists || n < 5:
		if !exists {
			id = tx.InsertLogicalSwitch(hwvtep.LogicalSwitch{Name: name})
			c.switches[name] = true
		}
		if c.bindings[at] == name {
			return ""
		}
		bind(tx, port, vlan, id)
		c.bindings[at] = name
		return "bind " + at + " to " + name
	case n < 6:
		if c.bindings[at] == "" {
			return ""
		}
		bind(tx, port, vlan, hwvtep.UUID{})
		delete(c.bindings, at)
		return "unbind " + at
	case n < 7:
		o.remove(v, ports, tx, c, name, id)
		return "delete " + name
	default:
		mac := fmt.Sprintf("%s00:00:00:%02x", staticMACs, 1+r.IntN(2))
		return o.place(v, tx, c, name, id, mac, peers[r.IntN(len(peers))])
	}
}

// bind gives a VLAN of a port to a switch; zero: to none.
func bind(tx *hwvtep.Txn, port hwvtep.PhysicalPort, vlan int64, id hwvtep.UUID) {
	bindings := maps.Clone(port.VLANBindings)
	if bindings == nil {
		bindings = map[int64]hwvtep.UUID{}
	}
	if id == (hwvtep.UUID{}) {
		delete(bindings, vlan)
	} else {
		bindings[vlan] = id
	}
	tx.UpdatePhysicalPort(port.UUID, hwvtep.PhysicalPort{VLANBindings: bindings}, hwvtep.PhysicalPortVLANBindings)
}

// remove deletes a switch, and whatever refers to it.
func (o *operator) remove(v *hwvtep.View, ports []hwvtep.PhysicalPort, tx *hwvtep.Txn, c *content, name string, id hwvtep.UUID) {
	for _, port := range ports {
		left := maps.Clone(port.VLANBindings)
		maps.DeleteFunc(left, func(vlan int64, ls hwvtep.UUID) bool { return ls == id })
		if len(left) < len(port.VLANBindings) {
			tx.UpdatePhysicalPort(port.UUID, hwvtep.PhysicalPort{VLANBindings: left}, hwvtep.PhysicalPortVLANBindings)
		}
	}
	for row := range v.UcastMACsRemote() {
		if row.LogicalSwitch == id {
			tx.DeleteUcastMACRemote(row.UUID)
		}
	}
	for row := range v.UcastMACsLocal() {
		if row.LogicalSwitch == id {
			tx.DeleteUcastMACLocal(row.UUID)
		}
	}
	for row := range v.McastMACsRemote() {
		if row.LogicalSwitch == id {
			tx.DeleteMcastMACRemote(row.UUID)
		}
	}
	for row := range v.McastMACsLocal() {
		if row.LogicalSwitch == id {
			tx.DeleteMcastMACLocal(row.UUID)
		}
	}
	tx.DeleteLogicalSwitch(id)
	delete(c.switches, name)
	maps.DeleteFunc(c.bindings, func(_, ls string) bool { return ls == name })
	maps.DeleteFunc(c.statics, func(key, _ string) bool { return strings.HasPrefix(key, name+" ") })
}

// place puts a host behind a peer that is no VTEP of ours, moves it, or takes it away.
func (o *operator) place(v *hwvtep.View, tx *hwvtep.Txn, c *content, name string, id hwvtep.UUID, mac, peer string) string {
	var locator hwvtep.UUID
	for row := range v.PhysicalLocators() {
		if _, keyed := row.TunnelKey.Get(); row.DstIP == peer && !keyed {
			locator = row.UUID
		}
	}
	if locator == (hwvtep.UUID{}) {
		locator = tx.InsertPhysicalLocator(hwvtep.PhysicalLocator{EncapsulationType: hwvtep.EncapsulationTypeVXLANOverIPv4, DstIP: peer})
	}
	key := name + " " + mac
	for row := range v.UcastMACsRemote() {
		if row.LogicalSwitch != id || row.MAC != mac {
			continue
		}
		if c.statics[key] == peer {
			tx.DeleteUcastMACRemote(row.UUID)
			delete(c.statics, key)
			return "take away " + key
		}
		tx.UpdateUcastMACRemote(row.UUID, hwvtep.UcastMACRemote{Locator: locator}, hwvtep.UcastMACRemoteLocator)
		c.statics[key] = peer
		return "move " + key + " to " + peer
	}
	tx.InsertUcastMACRemote(hwvtep.UcastMACRemote{MAC: mac, LogicalSwitch: id, Locator: locator})
	c.statics[key] = peer
	return "place " + key + " at " + peer
}
