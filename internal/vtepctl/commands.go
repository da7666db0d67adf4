package vtepctl

// groups returns all commands, in the order of the help.
func groups() []group {
	return []group{
		overviewCommands(),
		physicalSwitchCommands(),
		portCommands(),
		logicalSwitchCommands(),
		bindingCommands(),
		routerCommands(),
		localMACCommands(),
		remoteMACCommands(),
		managerCommands(),
		applyCommands(),
		databaseCommands(),
		toolCommands(),
	}
}
