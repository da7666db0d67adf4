package vtepctl

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
)

func routerCommands() group {
	return group{
		title: "Logical routers",
		commands: []command{
			{name: "add-lr", args: "LR", min: 1, max: 1, options: []getopt.Option{mayExist}, writes: true,
				brief: "create a logical router named LR",
				needs: needLR, run: addLR},
			{name: "del-lr", args: "LR", min: 1, max: 1, options: []getopt.Option{ifExists}, writes: true,
				brief: "delete LR",
				needs: needLR, run: delLR},
			{name: "list-lr", brief: "print the names of all logical routers",
				needs: needLR, run: listLR},
			{name: "lr-exists", args: "LR", min: 1, max: 1, brief: "exit with status 2 if LR does not exist",
				needs: needLR, run: lrExists},
		},
	}
}

func needLR(c *call) error {
	c.needed.named(hwvtep.TableLogicalRouter, "name")
	return nil
}

func addLR(c *call) error { return addNamed(c, hwvtep.TableLogicalRouter, "logical router") }

func delLR(c *call) error {
	lr := c.x.named(hwvtep.TableLogicalRouter, c.args[0])
	switch {
	case lr != nil:
		c.x.remove(lr)
	case !c.has("if-exists"):
		return fmt.Errorf("no logical router named %s", c.args[0])
	}
	return nil
}

func listLR(c *call) error {
	c.listNames(c.x.all(tableNamed(hwvtep.TableLogicalRouter)))
	return nil
}

func lrExists(c *call) error { return exists(c.x.named(hwvtep.TableLogicalRouter, c.args[0])) }
