package command

import "strconv"

// The exit statuses.
const (
	StatusOK     = 0
	StatusFailed = 1
	StatusAbsent = 2 // what a *-exists command asked for is not there
)

// ExitStatus ends a run early, without a message.
type ExitStatus int

func (e ExitStatus) Error() string { return "exit status " + strconv.Itoa(int(e)) }
