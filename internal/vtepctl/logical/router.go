package logical

import (
	"fmt"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/txn"
)

// RouterCommands returns the commands for logical routers.
func RouterCommands() command.Group {
	return command.Group{
		Title: "Logical routers",
		Commands: []command.Command{
			{Name: "add-lr", Args: "LR", Min: 1, Max: 1, Options: []getopt.Option{command.MayExist}, Writes: true,
				Brief: "create a logical router named LR",
				Needs: needLR, Run: addLR},
			{Name: "del-lr", Args: "LR", Min: 1, Max: 1, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "delete LR",
				Needs: needLR, Run: delLR},
			{Name: "list-lr", Brief: "print the names of all logical routers",
				Needs: needLR, Run: listLR},
			{Name: "lr-exists", Args: "LR", Min: 1, Max: 1, Brief: "exit with status 2 if LR does not exist",
				Needs: needLR, Run: lrExists},
		},
	}
}

func needLR(c *command.Call) error {
	c.Needed.Named(hwvtep.TableLogicalRouter, "name")
	return nil
}

func addLR(c *command.Call) error { return addNamed(c, hwvtep.TableLogicalRouter, "logical router") }

func delLR(c *command.Call) error {
	lr := c.X.Named(hwvtep.TableLogicalRouter, c.Args[0])
	switch {
	case lr != nil:
		c.X.Remove(lr)
	case !c.Has("if-exists"):
		return fmt.Errorf("no logical router named %s", c.Args[0])
	}
	return nil
}

func listLR(c *command.Call) error {
	c.ListNames(c.X.All(txn.TableNamed(hwvtep.TableLogicalRouter)))
	return nil
}

func lrExists(c *command.Call) error {
	return command.Exists(c.X.Named(hwvtep.TableLogicalRouter, c.Args[0]))
}
