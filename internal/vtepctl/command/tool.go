package command

import (
	"bufio"
	"fmt"
	"log/slog"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/vtepctl/session"
)

// Tool is what commands see of the run that they are part of.
type Tool struct {
	Program  string
	Logger   func(module string) *slog.Logger
	Terminal bool // a person reads what goes to standard error
	Strict   bool // arguments are to be doubted
	Out      *bufio.Writer
	Style    output.Style
	Groups   []Group         // all commands
	Globals  []getopt.Option // the options of a run
	Connect  func() (*session.Session, error)
	// Ports asks the VTEPs that run on this machine behind which of their ports the MACs of a
	// logical switch are.
	Ports func(ls string) (string, error)
}

// Warn logs a warning of a module, which goes to standard error by default.
func (t *Tool) Warn(module, format string, args ...any) {
	t.Logger(module).Warn(fmt.Sprintf(format, args...))
}

// Strictly warns of arguments that make no sense, where that is wanted. The database takes any
// string for a MAC address and so do its clients: nothing is refused.
func (t *Tool) Strictly(ok bool, format string, args ...any) {
	if t.Strict && !ok {
		t.Warn("vtep_ctl", format, args...)
	}
}
