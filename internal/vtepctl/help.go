package vtepctl

func (t *tool) help(args []string) error     { return nil }
func (t *tool) suggest(name string) []string { return nil }
func toolCommands() group                    { return group{} }
func listTunnelsCommand() command            { return command{name: "list-tunnels"} }
