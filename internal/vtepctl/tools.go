package vtepctl

import (
	"fmt"

	"github.com/vtep/vtep/internal/completion"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/help"
)

func toolCommands() command.Group {
	return command.Group{
		Title: "This program",
		Commands: []command.Command{
			{Name: "help", Args: "[COMMAND]", Max: 1, Extra: true, Brief: "print all commands, or more about one",
				Alone: func(c *command.Call) error {
					if len(c.Args) > 0 && command.Find(c.Tool.Groups, c.Args[0]) == nil {
						return &command.UnknownCommand{Name: c.Args[0]}
					}
					help.Print(c.Tool, c.Args)
					return nil
				}},
			{Name: "completion", Args: "SHELL", Min: 1, Max: 1, Extra: true, Brief: "print a script that completes commands in bash, zsh or fish",
				Text: "In bash: \"source <(vtep-ctl completion bash)\". In zsh: \"vtep-ctl completion zsh > DIR/_vtep-ctl\", with DIR in " +
					"$fpath. In fish: \"vtep-ctl completion fish | source\". Names of switches, ports and records come from the database.",
				Alone: func(c *command.Call) error {
					script, ok := completion.Script(c.Args[0], "vtep-ctl")
					if !ok {
						return fmt.Errorf("completion: unknown shell '%s': there are bash, zsh and fish", c.Args[0])
					}
					c.Tool.Out.WriteString(script)
					return nil
				}},
		},
	}
}
