package physical

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// PortCommands returns the commands for ports.
func PortCommands() command.Group {
	return command.Group{
		Title: "Ports",
		Intro: "A port is a network device of the VTEP that hosts are attached to, under the device's name.",
		Commands: []command.Command{
			{Name: "list-ports", Args: "PS", Min: 1, Max: 1,
				Brief: "print the names of all ports of PS", Text: "A port named like the switch is not printed.",
				Needs: NeedPorts, Run: listPorts},
			{Name: "add-port", Args: "PS PORT", Min: 2, Max: 2, Options: []getopt.Option{command.MayExist}, Writes: true,
				Brief: "add network device PORT to PS",
				Needs: NeedPorts, Run: addPort},
			{Name: "del-port", Args: "PS PORT", Min: 2, Max: 2, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "delete PORT from PS",
				Needs: NeedPorts, Run: delPort},
		},
	}
}

// NeedPorts asks for the ports of switches, by their names.
func NeedPorts(c *command.Call) error {
	c.Needed.Named(hwvtep.TablePhysicalSwitch, "ports")
	c.Needed.Named(hwvtep.TablePhysicalPort, "name")
	return NeedSwitches(c)
}

// PortsOf returns the ports of a physical switch.
func PortsOf(x *txn.Txn, ps *txn.Record) []*txn.Record {
	return x.Follow(hwvtep.TablePhysicalPort, ps.Field("ports"))
}

// portNamed returns a port of a switch, and the switch, or nil. A port named like its switch
// is not found. What it says is verified.
func portNamed(x *txn.Txn, psName, name string) (port, ps *txn.Record) {
	ps = SwitchNamed(x, psName)
	if ps == nil {
		return nil, nil
	}
	x.VerifyNamed(ps, "ports")
	if name == psName {
		return nil, ps
	}
	for _, port := range PortsOf(x, ps) {
		if port.Str("name") == name {
			return port, ps
		}
	}
	return nil, ps
}

// mustPort is portNamed of a port that must exist.
func mustPort(x *txn.Txn, psName, name string) (port, ps *txn.Record, err error) {
	if port, ps = portNamed(x, psName, name); port == nil {
		return nil, nil, fmt.Errorf("no port named %s", name)
	}
	return port, ps, nil
}

func listPorts(c *command.Call) error {
	ps, err := MustSwitch(c.X, c.Args[0])
	if err != nil {
		return err
	}
	c.X.VerifyNamed(ps, "ports")
	var shown []*txn.Record
	for _, port := range PortsOf(c.X, ps) {
		if port.Str("name") != ps.Str("name") {
			shown = append(shown, port)
		}
	}
	c.ListNames(shown)
	return nil
}

func addPort(c *command.Call) error {
	psName, name := c.Args[0], c.Args[1]
	port, _ := portNamed(c.X, psName, name)
	if port != nil {
		if c.Has("may-exist") {
			return nil
		}
		return fmt.Errorf("cannot create a port named %s on %s because a port with that name already exists", name, psName)
	}
	ps, err := MustSwitch(c.X, psName)
	if err != nil {
		return err
	}
	port = c.X.InsertNew(hwvtep.TablePhysicalPort)
	c.X.SetString(port, "name", name)
	c.X.AddRef(ps, "ports", port)
	return nil
}

func delPort(c *command.Call) error {
	port, ps, err := mustPort(c.X, c.Args[0], c.Args[1])
	if err != nil {
		if c.Has("if-exists") {
			return nil
		}
		return err
	}
	c.X.DropRef(ps, "ports", port)
	c.X.Remove(port)
	return nil
}
