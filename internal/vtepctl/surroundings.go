package vtepctl

import (
	"bufio"
	"fmt"
	"log/slog"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/output"
)

// Tool is what commands see of the run that they are part of.
type Tool struct {
	program  string
	logger   func(module string) *slog.Logger
	terminal bool // a person reads what goes to standard error
	strict   bool // arguments are to be doubted
	out      *bufio.Writer
	style    output.Style
	groups   []group         // all commands
	globals  []getopt.Option // the options of a run
	connect  func() (*session, error)
	// ports asks the VTEPs that run on this machine behind which of their ports the MACs of a
	// logical switch are.
	ports func(ls string) (string, error)
}

// warn logs a warning of a module, which goes to standard error by default.
func (t *Tool) warn(module, format string, args ...any) {
	t.logger(module).Warn(fmt.Sprintf(format, args...))
}

// strictly warns of arguments that make no sense, where that is wanted. The database takes any
// string for a MAC address and so do its clients: nothing is refused.
func (t *Tool) strictly(ok bool, format string, args ...any) {
	if t.strict && !ok {
		t.warn("vtep_ctl", format, args...)
	}
}
