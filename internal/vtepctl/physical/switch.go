// Package physical has the commands for physical switches, their ports, and what these are bound to.
package physical

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// SwitchCommands returns the commands for physical switches.
func SwitchCommands() command.Group {
	return command.Group{
		Title: "Physical switches",
		Intro: "A physical switch is a VTEP: a set of ports and a tunnel address. A VTEP acts on the one that has its own name.",
		Commands: []command.Command{
			{Name: "add-ps", Args: "PS", Min: 1, Max: 1, Options: []getopt.Option{command.MayExist}, Writes: true,
				Brief: "create a physical switch named PS", Text: "It has no ports and no tunnel address at first.",
				Needs: NeedSwitches, Run: addPS},
			{Name: "del-ps", Args: "PS", Min: 1, Max: 1, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "delete PS and all of its ports",
				Needs: NeedPorts, Run: delPS},
			{Name: "list-ps", Brief: "print the names of all physical switches",
				Needs: NeedSwitches, Run: listPS},
			{Name: "ps-exists", Args: "PS", Min: 1, Max: 1,
				Brief: "exit with status 2 if PS does not exist",
				Needs: NeedSwitches, Run: psExists},
		},
	}
}

// NeedSwitches asks for what SwitchNamed finds a switch by.
func NeedSwitches(c *command.Call) error {
	c.Needed.Named(hwvtep.TableGlobal, "switches")
	c.Needed.Named(hwvtep.TablePhysicalSwitch, "name")
	return nil
}

// Switches returns the physical switches.
func Switches(x *txn.Txn) []*txn.Record {
	return x.Follow(hwvtep.TablePhysicalSwitch, x.Global().Field("switches"))
}

// SwitchNamed returns a physical switch, or nil. What it says is verified.
func SwitchNamed(x *txn.Txn, name string) *txn.Record {
	x.VerifyNamed(x.Global(), "switches")
	for _, ps := range Switches(x) {
		if ps.Str("name") == name {
			return ps
		}
	}
	return nil
}

// MustSwitch is SwitchNamed of a switch that must exist.
func MustSwitch(x *txn.Txn, name string) (*txn.Record, error) {
	if ps := SwitchNamed(x, name); ps != nil {
		return ps, nil
	}
	return nil, fmt.Errorf("no physical switch named %s", name)
}

func addPS(c *command.Call) error {
	name := c.Args[0]
	if SwitchNamed(c.X, name) != nil {
		if c.Has("may-exist") {
			return nil
		}
		return fmt.Errorf("cannot create physical switch %s because it already exists", name)
	}
	ps := c.X.InsertNew(hwvtep.TablePhysicalSwitch)
	c.X.SetString(ps, "name", name)
	c.X.AddRef(c.X.Global(), "switches", ps)
	return nil
}

func delPS(c *command.Call) error {
	ps, err := MustSwitch(c.X, c.Args[0])
	if err != nil {
		if c.Has("if-exists") {
			return nil
		}
		return err
	}
	RemoveSwitch(c.X, ps)
	return nil
}

// RemoveSwitch removes a physical switch with its ports.
func RemoveSwitch(x *txn.Txn, ps *txn.Record) {
	for _, port := range PortsOf(x, ps) {
		x.Remove(port)
	}
	x.DropRef(x.Global(), "switches", ps)
	x.Remove(ps)
}

func listPS(c *command.Call) error {
	c.ListNames(Switches(c.X))
	return nil
}

func psExists(c *command.Call) error { return command.Exists(SwitchNamed(c.X, c.Args[0])) }
