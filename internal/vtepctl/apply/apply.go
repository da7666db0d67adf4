// Package apply has the command that makes a database what a file says.
package apply

import (
	"errors"
	"slices"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"github.com/vtep/vtep/internal/vtepctl/manager"
	"github.com/vtep/vtep/internal/vtepctl/physical"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// Commands returns the command "apply".
func Commands() command.Group {
	return command.Group{
		Title: "Whole configurations",
		Commands: []command.Command{{
			Name: "apply", Args: "FILE", Min: 1, Max: 1, Extra: true, Writes: true,
			Options: []getopt.Option{
				{Long: "diff", Help: "only print what would change", Extra: true},
				{Long: "prune", Help: "remove what the sections of FILE do not mention", Extra: true},
			},
			Brief: "make the database what FILE says, and print what that changes",
			Text: "FILE is YAML, \"-\" is standard input; see CONFIGURATION FILES in vtep-ctl(8). What the file does not mention " +
				"stays as it is. With --prune it goes, where the file has the section that it would be in: a file without " +
				"\"routers:\" removes no router, one with an empty one removes all.",
			Needs: needApply, Run: apply,
		}},
	}
}

func needApply(c *command.Call) error {
	if c.Has("diff") && !c.Only {
		return errors.New("--diff cannot be combined with other commands")
	}
	cfg, err := readConfig(c.Args[0])
	if err != nil {
		return err
	}
	c.State = cfg
	n := c.Needed
	if cfg.managers != nil {
		_ = manager.Need(c)
		n.Named(hwvtep.TableManager, "target")
	}
	if cfg.switches == nil && cfg.logical == nil && cfg.routers == nil {
		return nil
	}
	_ = physical.NeedBindings(c)
	n.Named(hwvtep.TablePhysicalSwitch, "description", "management_ips", "tunnel_ips", "other_config")
	n.Named(hwvtep.TablePhysicalPort, "description", "other_config")
	n.Named(hwvtep.TableLogicalSwitch, "description", "tunnel_key", "replication_mode", "other_config")
	n.Named(hwvtep.TableLogicalRouter, "name", "description", "other_config", "static_routes", "switch_binding")
	_ = mac.Remote.NeedAll(c)
	if c.Has("prune") { // a logical switch takes its local addresses along
		_ = mac.Local.NeedAll(c)
	}
	return nil
}

// applier makes the database what a configuration says.
type applier struct {
	x     *txn.Txn
	prune bool
}

func apply(c *command.Call) error {
	cfg := c.State.(*config)
	a := &applier{x: c.X, prune: c.Has("prune")}
	if a.prune && cfg.logical != nil {
		a.pruneLogicalSwitches(cfg.logical)
	}
	// Logical switches come first, because others refer to them.
	for i := range cfg.logical {
		a.logicalSwitch(&cfg.logical[i])
	}
	for i := range cfg.switches {
		if err := a.physicalSwitch(&cfg.switches[i]); err != nil {
			return err
		}
	}
	for i := range cfg.routers {
		if err := a.router(&cfg.routers[i]); err != nil {
			return err
		}
	}
	if cfg.managers != nil {
		a.managers(cfg.managers)
	}
	if a.prune {
		a.pruneRows(cfg)
	}
	reportChanges(c)
	c.X.Abandon = c.Has("diff")
	return nil
}

// attributes gives columns of a record their values. Those that have them already are
// verified, so that it is still true when the transaction commits.
func (a *applier) attributes(r *txn.Record, attrs []attribute) {
	for _, attr := range attrs {
		a.setColumn(r, r.Table.Column(attr.column), attr.value)
	}
}

func (a *applier) setColumn(r *txn.Record, c *ovsdb.ColumnSchema, d ovsdb.Datum) {
	a.x.Verify(r, c)
	if !d.Equal(r.Get(c), &c.Type) {
		a.x.Write(r, c, d)
	}
}

// row returns the row with a name, made if there is none.
func (a *applier) row(table, name string) *txn.Record {
	if r := a.x.Named(table, name); r != nil {
		return r
	}
	r := a.x.InsertNew(table)
	a.x.SetString(r, "name", name)
	return r
}

func (a *applier) physicalSwitch(s *switchConfig) error {
	ps := physical.SwitchNamed(a.x, s.name)
	if ps == nil {
		ps = a.x.InsertNew(hwvtep.TablePhysicalSwitch)
		a.x.SetString(ps, "name", s.name)
		a.x.AddRef(a.x.Global(), "switches", ps)
	}
	a.attributes(ps, s.attrs)
	for i := range s.ports {
		if err := a.port(ps, &s.ports[i]); err != nil {
			return err
		}
	}
	if a.prune && s.ports != nil {
		for _, port := range physical.PortsOf(a.x, ps) {
			if !slices.ContainsFunc(s.ports, func(p portConfig) bool { return p.name == port.Str("name") }) {
				a.x.DropRef(ps, "ports", port)
				a.x.Remove(port)
			}
		}
	}
	return nil
}

func (a *applier) port(ps *txn.Record, p *portConfig) error {
	var port *txn.Record
	a.x.VerifyNamed(ps, "ports")
	for _, have := range physical.PortsOf(a.x, ps) {
		if have.Str("name") == p.name {
			port = have
		}
	}
	if port == nil {
		port = a.x.InsertNew(hwvtep.TablePhysicalPort)
		a.x.SetString(port, "name", p.name)
		a.x.AddRef(ps, "ports", port)
	}
	a.attributes(port, p.attrs)
	return a.bindings(port, "vlan_bindings", p.bindings)
}

// bindings sets a map to logical switches.
func (a *applier) bindings(r *txn.Record, column string, list []bindingConfig) error {
	if list == nil {
		return nil
	}
	c := r.Table.Column(column)
	var atoms []ovsdb.Atom
	for _, b := range list {
		ls := a.x.Named(hwvtep.TableLogicalSwitch, b.ls)
		if ls == nil {
			return b.where("no logical switch named %s", b.ls)
		}
		atoms = append(atoms, b.key, ovsdb.RefTo(&ls.UUID))
	}
	want := ovsdb.NewMap(c.Type.Key.Type, c.Type.Value.Type, atoms...)
	if !a.prune {
		want = want.Union(r.Get(c), &c.Type)
	}
	a.setColumn(r, c, want)
	return nil
}

func (a *applier) router(r *routerConfig) error {
	lr := a.row(hwvtep.TableLogicalRouter, r.name)
	a.attributes(lr, r.attrs)
	return a.bindings(lr, "switch_binding", r.bindings)
}

func (a *applier) managers(targets []string) {
	have := manager.All(a.x)
	for _, m := range have {
		if a.prune && !slices.Contains(targets, m.Str("target")) {
			a.x.DropRef(a.x.Global(), "managers", m)
			a.x.Remove(m)
		}
	}
	for _, target := range targets {
		if !slices.ContainsFunc(have, func(m *txn.Record) bool { return m.Str("target") == target }) {
			m := a.x.InsertNew(hwvtep.TableManager)
			a.x.SetString(m, "target", target)
			a.x.AddRef(a.x.Global(), "managers", m)
			have = append(have, m)
		}
	}
}

// pruneRows removes the rows that their sections do not mention.
func (a *applier) pruneRows(c *config) {
	if c.switches != nil {
		for _, ps := range physical.Switches(a.x) {
			if !slices.ContainsFunc(c.switches, func(s switchConfig) bool { return s.name == ps.Str("name") }) {
				physical.RemoveSwitch(a.x, ps)
			}
		}
	}
	if c.routers != nil {
		for _, lr := range a.x.All(txn.TableNamed(hwvtep.TableLogicalRouter)) {
			if !slices.ContainsFunc(c.routers, func(r routerConfig) bool { return r.name == lr.Str("name") }) {
				a.x.Remove(lr)
			}
		}
	}
}
