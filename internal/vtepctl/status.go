package vtepctl

import "strconv"

// The exit statuses.
const (
	statusOK     = 0
	statusFailed = 1
	statusAbsent = 2 // what a *-exists command asked for is not there
)

// exitStatus ends a run early, without a message.
type exitStatus int

func (e exitStatus) Error() string { return "exit status " + strconv.Itoa(int(e)) }
