package logical

import (
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/vtepctl/command"
)

// RouterCommands returns the commands for logical routers.
func RouterCommands() command.Group {
	return command.Group{
		Title: "Logical routers",
		Commands: []command.Command{
			{Name: "add-lr", Args: "LR", Min: 1, Max: 1, Options: []getopt.Option{command.MayExist}, Writes: true,
				Brief: "create a logical router named LR",
				Needs: routers.need, Run: routers.add},
			{Name: "del-lr", Args: "LR", Min: 1, Max: 1, Options: []getopt.Option{command.IfExists}, Writes: true,
				Brief: "delete LR",
				Needs: routers.need, Run: routers.del},
			{Name: "list-lr", Brief: "print the names of all logical routers",
				Needs: routers.need, Run: routers.list},
			{Name: "lr-exists", Args: "LR", Min: 1, Max: 1, Brief: "exit with status 2 if LR does not exist",
				Needs: routers.need, Run: routers.exists},
		},
	}
}
