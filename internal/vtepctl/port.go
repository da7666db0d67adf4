package vtepctl

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
)

func portCommands() group {
	return group{
		title: "Ports",
		intro: "A port is a network device of the VTEP that hosts are attached to, under the device's name.",
		commands: []command{
			{name: "list-ports", args: "PS", min: 1, max: 1,
				brief: "print the names of all ports of PS", text: "A port named like the switch is not printed.",
				needs: needPorts, run: listPorts},
			{name: "add-port", args: "PS PORT", min: 2, max: 2, options: []getopt.Option{mayExist}, writes: true,
				brief: "add network device PORT to PS",
				needs: needPorts, run: addPort},
			{name: "del-port", args: "PS PORT", min: 2, max: 2, options: []getopt.Option{ifExists}, writes: true,
				brief: "delete PORT from PS",
				needs: needPorts, run: delPort},
		},
	}
}

func needPorts(c *call) error {
	c.needed.named(hwvtep.TablePhysicalSwitch, "ports")
	c.needed.named(hwvtep.TablePhysicalPort, "name")
	return needSwitches(c)
}

// ports returns the ports of a physical switch.
func portsOf(x *txn, ps *record) []*record {
	return x.follow(hwvtep.TablePhysicalPort, ps.field("ports"))
}

// portNamed returns a port of a switch, and the switch, or nil. A port named like its switch
// is not found. What it says is verified.
func portNamed(x *txn, psName, name string) (port, ps *record) {
	ps = switchNamed(x, psName)
	if ps == nil {
		return nil, nil
	}
	x.verifyNamed(ps, "ports")
	if name == psName {
		return nil, ps
	}
	for _, port := range portsOf(x, ps) {
		if port.str("name") == name {
			return port, ps
		}
	}
	return nil, ps
}

// mustPort is portNamed of a port that must exist.
func mustPort(x *txn, psName, name string) (port, ps *record, err error) {
	if port, ps = portNamed(x, psName, name); port == nil {
		return nil, nil, fmt.Errorf("no port named %s", name)
	}
	return port, ps, nil
}

func listPorts(c *call) error {
	ps, err := mustSwitch(c.x, c.args[0])
	if err != nil {
		return err
	}
	c.x.verifyNamed(ps, "ports")
	var shown []*record
	for _, port := range portsOf(c.x, ps) {
		if port.str("name") != ps.str("name") {
			shown = append(shown, port)
		}
	}
	c.listNames(shown)
	return nil
}

func addPort(c *call) error {
	psName, name := c.args[0], c.args[1]
	port, _ := portNamed(c.x, psName, name)
	if port != nil {
		if c.has("may-exist") {
			return nil
		}
		return fmt.Errorf("cannot create a port named %s on %s because a port with that name already exists", name, psName)
	}
	ps, err := mustSwitch(c.x, psName)
	if err != nil {
		return err
	}
	port = c.x.insertNew(hwvtep.TablePhysicalPort)
	c.x.setString(port, "name", name)
	c.x.addRef(ps, "ports", port)
	return nil
}

func delPort(c *call) error {
	port, ps, err := mustPort(c.x, c.args[0], c.args[1])
	if err != nil {
		if c.has("if-exists") {
			return nil
		}
		return err
	}
	c.x.dropRef(ps, "ports", port)
	c.x.remove(port)
	return nil
}
