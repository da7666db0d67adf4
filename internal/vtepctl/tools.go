package vtepctl

import "fmt"

func toolCommands() group {
	return group{
		title: "This program",
		commands: []command{
			{name: "help", args: "[COMMAND]", max: 1, extra: true, brief: "print all commands, or more about one",
				alone: func(c *call) error {
					if len(c.args) > 0 && findCommand(c.tool.groups, c.args[0]) == nil {
						return &unknownCommand{c.args[0]}
					}
					help(c.tool, c.args)
					return nil
				}},
			{name: "completion", args: "SHELL", min: 1, max: 1, extra: true, brief: "print a script that completes commands in bash, zsh or fish",
				text: "In bash: \"source <(vtep-ctl completion bash)\". In zsh: \"vtep-ctl completion zsh > DIR/_vtep-ctl\", with DIR in " +
					"$fpath. In fish: \"vtep-ctl completion fish | source\". Names of switches, ports and records come from the database.",
				alone: func(c *call) error {
					script, ok := completionScripts[c.args[0]]
					if !ok {
						return fmt.Errorf("completion: unknown shell '%s': there are bash, zsh and fish", c.args[0])
					}
					c.tool.out.WriteString(script)
					return nil
				}},
		},
	}
}
