package vtepctl

// What the tests of package vtepctl_test look at.
var (
	SplitShellLine = splitShellLine
	ConfigExample  = configExample
	Strtoll        = strtoll
	IsPartialUUID  = isPartialUUID
	CutToken       = cutToken
)

// Commands returns the names and one-line descriptions of all commands.
func Commands() map[string]string {
	all := map[string]string{}
	for _, g := range groups() {
		for _, c := range g.commands {
			all[c.name] = c.brief
		}
	}
	return all
}
