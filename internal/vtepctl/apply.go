package vtepctl

import (
	"errors"
	"slices"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
)

func applyCommands() group {
	return group{
		title: "Whole configurations",
		commands: []command{{
			name: "apply", args: "FILE", min: 1, max: 1, extra: true, writes: true,
			options: []getopt.Option{
				{Long: "diff", Help: "only print what would change", Extra: true},
				{Long: "prune", Help: "remove what the sections of FILE do not mention", Extra: true},
			},
			brief: "make the database what FILE says, and print what that changes",
			text: "FILE is YAML, \"-\" is standard input; see CONFIGURATION FILES in vtep-ctl(8). What the file does not mention " +
				"stays as it is. With --prune it goes, where the file has the section that it would be in: a file without " +
				"\"routers:\" removes no router, one with an empty one removes all.",
			needs: needApply, run: apply,
		}},
	}
}

func needApply(c *call) error {
	if c.has("diff") && !c.only {
		return errors.New("--diff cannot be combined with other commands")
	}
	cfg, err := readConfig(c.args[0])
	if err != nil {
		return err
	}
	c.state = cfg
	n := c.needed
	if cfg.managers != nil {
		_ = needManagers(c)
		n.named(hwvtep.TableManager, "target")
	}
	if cfg.switches == nil && cfg.logical == nil && cfg.routers == nil {
		return nil
	}
	_ = needBindings(c)
	n.named(hwvtep.TablePhysicalSwitch, "description", "management_ips", "tunnel_ips", "other_config")
	n.named(hwvtep.TablePhysicalPort, "description", "other_config")
	n.named(hwvtep.TableLogicalSwitch, "description", "tunnel_key", "replication_mode", "other_config")
	n.named(hwvtep.TableLogicalRouter, "name", "description", "other_config", "static_routes", "switch_binding")
	_ = remoteMACs.needAll(c)
	if c.has("prune") { // a logical switch takes its local addresses along
		_ = localMACs.needAll(c)
	}
	return nil
}

// applier makes the database what a configuration says.
type applier struct {
	x     *txn
	prune bool
}

func apply(c *call) error {
	cfg := c.state.(*config)
	a := &applier{x: c.x, prune: c.has("prune")}
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
	c.x.abandon = c.has("diff")
	return nil
}

// attributes gives columns of a record their values. Those that have them already are
// verified, so that it is still true when the transaction commits.
func (a *applier) attributes(r *record, attrs []attribute) {
	for _, attr := range attrs {
		a.setColumn(r, r.table.Column(attr.column), attr.value)
	}
}

func (a *applier) setColumn(r *record, c *ovsdb.ColumnSchema, d ovsdb.Datum) {
	a.x.verify(r, c)
	if !d.Equal(r.get(c), &c.Type) {
		a.x.write(r, c, d)
	}
}

// row returns the row with a name, made if there is none.
func (a *applier) row(table, name string) *record {
	if r := a.x.named(table, name); r != nil {
		return r
	}
	r := a.x.insertNew(table)
	a.x.setString(r, "name", name)
	return r
}

func (a *applier) physicalSwitch(s *switchConfig) error {
	ps := switchNamed(a.x, s.name)
	if ps == nil {
		ps = a.x.insertNew(hwvtep.TablePhysicalSwitch)
		a.x.setString(ps, "name", s.name)
		a.x.addRef(a.x.global(), "switches", ps)
	}
	a.attributes(ps, s.attrs)
	for i := range s.ports {
		if err := a.port(ps, &s.ports[i]); err != nil {
			return err
		}
	}
	if a.prune && s.ports != nil {
		for _, port := range portsOf(a.x, ps) {
			if !slices.ContainsFunc(s.ports, func(p portConfig) bool { return p.name == port.str("name") }) {
				a.x.dropRef(ps, "ports", port)
				a.x.remove(port)
			}
		}
	}
	return nil
}

func (a *applier) port(ps *record, p *portConfig) error {
	var port *record
	a.x.verifyNamed(ps, "ports")
	for _, have := range portsOf(a.x, ps) {
		if have.str("name") == p.name {
			port = have
		}
	}
	if port == nil {
		port = a.x.insertNew(hwvtep.TablePhysicalPort)
		a.x.setString(port, "name", p.name)
		a.x.addRef(ps, "ports", port)
	}
	a.attributes(port, p.attrs)
	return a.bindings(port, "vlan_bindings", p.bindings)
}

// bindings sets a map to logical switches.
func (a *applier) bindings(r *record, column string, list []bindingConfig) error {
	if list == nil {
		return nil
	}
	c := r.table.Column(column)
	var atoms []ovsdb.Atom
	for _, b := range list {
		ls := a.x.named(hwvtep.TableLogicalSwitch, b.ls)
		if ls == nil {
			return b.where("no logical switch named %s", b.ls)
		}
		atoms = append(atoms, b.key, ovsdb.RefTo(&ls.uuid))
	}
	want := ovsdb.NewMap(c.Type.Key.Type, c.Type.Value.Type, atoms...)
	if !a.prune {
		want = want.Union(r.get(c), &c.Type)
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
	have := managersOf(a.x)
	for _, m := range have {
		if a.prune && !slices.Contains(targets, m.str("target")) {
			a.x.dropRef(a.x.global(), "managers", m)
			a.x.remove(m)
		}
	}
	for _, target := range targets {
		if !slices.ContainsFunc(have, func(m *record) bool { return m.str("target") == target }) {
			m := a.x.insertNew(hwvtep.TableManager)
			a.x.setString(m, "target", target)
			a.x.addRef(a.x.global(), "managers", m)
			have = append(have, m)
		}
	}
}

// pruneRows removes the rows that their sections do not mention.
func (a *applier) pruneRows(c *config) {
	if c.switches != nil {
		for _, ps := range allSwitches(a.x) {
			if !slices.ContainsFunc(c.switches, func(s switchConfig) bool { return s.name == ps.str("name") }) {
				removeSwitch(a.x, ps)
			}
		}
	}
	if c.routers != nil {
		for _, lr := range a.x.all(tableNamed(hwvtep.TableLogicalRouter)) {
			if !slices.ContainsFunc(c.routers, func(r routerConfig) bool { return r.name == lr.str("name") }) {
				a.x.remove(lr)
			}
		}
	}
}
