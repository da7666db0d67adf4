package vtepctl

import (
	"fmt"
	"sort"

	"github.com/vtep/vtep/internal/hwvtep"
)

func physicalSwitchCommands() group {
	return group{
		title: "Physical switches",
		intro: "A physical switch is a VTEP: a set of ports and a tunnel address. A VTEP acts on the one that has its own name.",
		commands: []command{
			{name: "add-ps", args: "PS", min: 1, max: 1, options: []option{mayExist}, writes: true,
				brief: "create a physical switch named PS", text: "It has no ports and no tunnel address at first.",
				needs: needSwitches, run: addPS},
			{name: "del-ps", args: "PS", min: 1, max: 1, options: []option{ifExists}, writes: true,
				brief: "delete PS and all of its ports",
				needs: needPorts, run: delPS},
			{name: "list-ps", brief: "print the names of all physical switches",
				needs: needSwitches, run: listPS},
			{name: "ps-exists", args: "PS", min: 1, max: 1,
				brief: "exit with status 2 if PS does not exist",
				needs: needSwitches, run: psExists},
		},
	}
}

func needSwitches(c *call) error {
	c.needed.named(hwvtep.TableGlobal, "switches")
	c.needed.named(hwvtep.TablePhysicalSwitch, "name")
	return nil
}

// switches returns the physical switches.
func (x *txn) switches() []*record {
	return x.follow(hwvtep.TablePhysicalSwitch, x.global().field("switches"))
}

// switchNamed returns a physical switch, or nil. What it says is verified.
func (x *txn) switchNamed(name string) *record {
	x.verifyNamed(x.global(), "switches")
	for _, ps := range x.switches() {
		if ps.str("name") == name {
			return ps
		}
	}
	return nil
}

// mustSwitch is switchNamed of a switch that must exist.
func (x *txn) mustSwitch(name string) (*record, error) {
	if ps := x.switchNamed(name); ps != nil {
		return ps, nil
	}
	return nil, fmt.Errorf("no physical switch named %s", name)
}

func addPS(c *call) error {
	name := c.args[0]
	if c.x.switchNamed(name) != nil {
		if c.has("may-exist") {
			return nil
		}
		return fmt.Errorf("cannot create physical switch %s because it already exists", name)
	}
	ps := c.x.insertNew(hwvtep.TablePhysicalSwitch)
	c.x.setString(ps, "name", name)
	c.x.addRef(c.x.global(), "switches", ps)
	return nil
}

func delPS(c *call) error {
	ps, err := c.x.mustSwitch(c.args[0])
	if err != nil {
		if c.has("if-exists") {
			return nil
		}
		return err
	}
	c.x.removeSwitch(ps)
	return nil
}

// removeSwitch removes a physical switch with its ports.
func (x *txn) removeSwitch(ps *record) {
	for _, port := range x.ports(ps) {
		x.remove(port)
	}
	x.dropRef(x.global(), "switches", ps)
	x.remove(ps)
}

func listPS(c *call) error {
	c.listNames(c.x.switches())
	return nil
}

// listNames prints the names of records, sorted.
func (c *call) listNames(records []*record) {
	names := make([]string, len(records))
	for i, r := range records {
		names[i] = r.str("name")
	}
	c.listStrings(names)
}

// listStrings prints strings, sorted.
func (c *call) listStrings(list []string) {
	sort.Strings(list)
	for _, s := range list {
		c.printf("%s\n", s)
	}
	c.value = stringsJSON(list)
}

func psExists(c *call) error { return exists(c.x.switchNamed(c.args[0])) }

// exists makes the exit status of a *-exists command.
func exists(r *record) error {
	if r == nil {
		return exitStatus(statusAbsent)
	}
	return nil
}
