// Package logical has the commands for logical switches and routers.
package logical

import (
	"errors"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// SwitchCommands returns the commands for logical switches.
func SwitchCommands() command.Group {
	return command.Group{
		Title: "Logical switches",
		Intro: "A logical switch is an Ethernet network that spans VTEPs. Its tunnel_key column is its VNI: \"set Logical_Switch LS tunnel_key=5000\".",
		Commands: []command.Command{
			{Name: "add-ls", Args: "LS", Min: 1, Max: 1, Options: []getopt.Option{command.MayExist}, Writes: true,
				Brief: "create a logical switch named LS",
				Needs: switches.need, Run: switches.add},
			{Name: "del-ls", Args: "LS", Min: 1, Max: 1, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "delete LS", Text: "It is an error if something refers to LS: bindings, MAC addresses, routers.",
				Needs: switches.need, Run: switches.del},
			{Name: "list-ls", Brief: "print the names of all logical switches",
				Needs: switches.need, Run: switches.list},
			{Name: "ls-exists", Args: "LS", Min: 1, Max: 1, Brief: "exit with status 2 if LS does not exist",
				Needs: switches.need, Run: switches.exists},
			{Name: "set-replication-mode", Args: "LS MODE", Min: 2, Max: 2, Writes: true,
				Brief: "set how LS floods: source_node or service_node",
				Text: "With source_node the VTEP sends a copy of broadcasts, multicasts and frames to unknown " +
					"addresses to every member of the locator set. With service_node, the default, it sends one copy " +
					"to one of them, which passes it on.",
				Needs: needReplicationMode, Run: setReplicationMode},
			{Name: "get-replication-mode", Args: "LS", Min: 1, Max: 1, Brief: "print how LS floods",
				Text:  "It prints \"(null)\" if nothing is set.",
				Needs: needReplicationMode, Run: getReplicationMode},
		},
	}
}

// Need asks for what Must finds a logical switch by.
func Need(c *command.Call) error { return switches.need(c) }

// Must returns a logical switch that must exist.
func Must(x *txn.Txn, name string) (*txn.Record, error) { return switches.must(x, name) }

func needReplicationMode(c *command.Call) error {
	c.Needed.Named(hwvtep.TableLogicalSwitch, "replication_mode")
	return Need(c)
}

func setReplicationMode(c *command.Call) error {
	mode := c.Args[1]
	if mode != "service_node" && mode != "source_node" {
		//lint:ignore ST1005 the text of vtep-ctl
		return errors.New("Replication mode must be 'service_node' or 'source_node'")
	}
	ls, err := Must(c.X, c.Args[0])
	if err != nil {
		return err
	}
	c.X.SetString(ls, "replication_mode", mode)
	return nil
}

func getReplicationMode(c *command.Call) error {
	ls, err := Must(c.X, c.Args[0])
	if err != nil {
		return err
	}
	mode := "(null)" // what a C program makes of it, and test suites expect
	c.Value = output.JSONText("null")
	if d := ls.Field("replication_mode"); d.Len() > 0 {
		mode = d.Key(0).Str()
		c.Value = output.JSONString(mode)
	}
	c.Printf("%s\n", mode)
	return nil
}
