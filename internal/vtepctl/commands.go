package vtepctl

import (
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/vtepctl/apply"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/database"
	"github.com/vtep/vtep/internal/vtepctl/logical"
	"github.com/vtep/vtep/internal/vtepctl/mac"
	"github.com/vtep/vtep/internal/vtepctl/manager"
	"github.com/vtep/vtep/internal/vtepctl/overview"
	"github.com/vtep/vtep/internal/vtepctl/physical"
)

// Groups returns all commands, in the order of the help.
func Groups() []command.Group {
	return []command.Group{
		overview.Commands(),
		physical.SwitchCommands(),
		physical.PortCommands(),
		logical.SwitchCommands(),
		physical.BindingCommands(),
		logical.RouterCommands(),
		mac.LocalCommands(),
		mac.RemoteCommands(),
		manager.Commands(),
		apply.Commands(),
		database.Commands(),
		toolCommands(),
	}
}

// GlobalOptions returns the options of a run, for the manual page: they are not to be set.
func GlobalOptions() []getopt.Option { return (&globals{}).options() }
