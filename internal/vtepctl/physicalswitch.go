package vtepctl

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
)

func physicalSwitchCommands() group {
	return group{
		title: "Physical switches",
		intro: "A physical switch is a VTEP: a set of ports and a tunnel address. A VTEP acts on the one that has its own name.",
		commands: []command{
			{name: "add-ps", args: "PS", min: 1, max: 1, options: []getopt.Option{mayExist}, writes: true,
				brief: "create a physical switch named PS", text: "It has no ports and no tunnel address at first.",
				needs: needSwitches, run: addPS},
			{name: "del-ps", args: "PS", min: 1, max: 1, options: []getopt.Option{ifExists}, writes: true,
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
func allSwitches(x *txn) []*record {
	return x.follow(hwvtep.TablePhysicalSwitch, x.global().field("switches"))
}

// switchNamed returns a physical switch, or nil. What it says is verified.
func switchNamed(x *txn, name string) *record {
	x.verifyNamed(x.global(), "switches")
	for _, ps := range allSwitches(x) {
		if ps.str("name") == name {
			return ps
		}
	}
	return nil
}

// mustSwitch is switchNamed of a switch that must exist.
func mustSwitch(x *txn, name string) (*record, error) {
	if ps := switchNamed(x, name); ps != nil {
		return ps, nil
	}
	return nil, fmt.Errorf("no physical switch named %s", name)
}

func addPS(c *call) error {
	name := c.args[0]
	if switchNamed(c.x, name) != nil {
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
	ps, err := mustSwitch(c.x, c.args[0])
	if err != nil {
		if c.has("if-exists") {
			return nil
		}
		return err
	}
	removeSwitch(c.x, ps)
	return nil
}

// removeSwitch removes a physical switch with its ports.
func removeSwitch(x *txn, ps *record) {
	for _, port := range portsOf(x, ps) {
		x.remove(port)
	}
	x.dropRef(x.global(), "switches", ps)
	x.remove(ps)
}

func listPS(c *call) error {
	c.listNames(allSwitches(c.x))
	return nil
}

func psExists(c *call) error { return exists(switchNamed(c.x, c.args[0])) }
