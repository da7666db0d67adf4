package vtepctl

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
)

func logicalSwitchCommands() group {
	return group{
		title: "Logical switches",
		intro: "A logical switch is an Ethernet network that spans VTEPs. Its tunnel_key column is its VNI: \"set Logical_Switch LS tunnel_key=5000\".",
		commands: []command{
			{name: "add-ls", args: "LS", min: 1, max: 1, options: []getopt.Option{mayExist}, writes: true,
				brief: "create a logical switch named LS",
				needs: needLS, run: addLS},
			{name: "del-ls", args: "LS", min: 1, max: 1, options: []getopt.Option{ifExists}, writes: true,
				brief: "delete LS", text: "It is an error if something refers to LS: bindings, MAC addresses, routers.",
				needs: needLS, run: delLS},
			{name: "list-ls", brief: "print the names of all logical switches",
				needs: needLS, run: listLS},
			{name: "ls-exists", args: "LS", min: 1, max: 1, brief: "exit with status 2 if LS does not exist",
				needs: needLS, run: lsExists},
			{name: "set-replication-mode", args: "LS MODE", min: 2, max: 2, writes: true,
				brief: "set how LS floods: source_node or service_node",
				text: "With source_node the VTEP sends a copy of broadcasts, multicasts and frames to unknown " +
					"addresses to every member of the locator set. With service_node, the default, it sends one copy " +
					"to one of them, which passes it on.",
				needs: needReplicationMode, run: setReplicationMode},
			{name: "get-replication-mode", args: "LS", min: 1, max: 1, brief: "print how LS floods",
				text:  "It prints \"(null)\" if nothing is set.",
				needs: needReplicationMode, run: getReplicationMode},
		},
	}
}

func needLS(c *call) error {
	c.needed.named(hwvtep.TableLogicalSwitch, "name")
	return nil
}

func needReplicationMode(c *call) error {
	c.needed.named(hwvtep.TableLogicalSwitch, "replication_mode")
	return needLS(c)
}

// mustLS returns a logical switch that must exist.
func mustLS(x *txn, name string) (*record, error) {
	if ls := x.named(hwvtep.TableLogicalSwitch, name); ls != nil {
		return ls, nil
	}
	return nil, fmt.Errorf("no logical switch named %s", name)
}

func addLS(c *call) error { return addNamed(c, hwvtep.TableLogicalSwitch, "logical switch") }

// addNamed adds a row that is nothing but a name.
func addNamed(c *call, table, kind string) error {
	name := c.args[0]
	if c.x.named(table, name) != nil {
		if c.has("may-exist") {
			return nil
		}
		return fmt.Errorf("cannot create %s %s because it already exists", kind, name)
	}
	c.x.setString(c.x.insertNew(table), "name", name)
	return nil
}

func delLS(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		if c.has("if-exists") {
			return nil
		}
		return err
	}
	c.x.remove(ls)
	return nil
}

func listLS(c *call) error {
	c.listNames(c.x.all(tableNamed(hwvtep.TableLogicalSwitch)))
	return nil
}

func lsExists(c *call) error { return exists(c.x.named(hwvtep.TableLogicalSwitch, c.args[0])) }

func setReplicationMode(c *call) error {
	mode := c.args[1]
	if mode != "service_node" && mode != "source_node" {
		//lint:ignore ST1005 the text of vtep-ctl
		return errors.New("Replication mode must be 'service_node' or 'source_node'")
	}
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	c.x.setString(ls, "replication_mode", mode)
	return nil
}

func getReplicationMode(c *call) error {
	ls, err := mustLS(c.x, c.args[0])
	if err != nil {
		return err
	}
	mode := "(null)" // what a C program makes of it, and test suites expect
	c.value = jsonValue("null")
	if d := ls.field("replication_mode"); d.Len() > 0 {
		mode = d.Key(0).Str()
		c.value = jsonString(mode)
	}
	c.printf("%s\n", mode)
	return nil
}
