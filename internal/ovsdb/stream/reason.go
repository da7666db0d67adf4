package stream

import (
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
)

// Reason words an error the way Open vSwitch programs do in status columns and messages:
// the system's text for an errno ("Connection refused"), "End of file" for a closed peer.
func Reason(err error) string {
	var errno syscall.Errno
	switch {
	case err == nil:
		return ""
	case errors.As(err, &errno):
		return capital(errno.Error())
	case errors.Is(err, io.EOF):
		return "End of file"
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		return "Connection timed out"
	}
	return err.Error()
}

func capital(s string) string {
	if s == "" {
		return s
	}
	return strings.ToUpper(s[:1]) + s[1:]
}
