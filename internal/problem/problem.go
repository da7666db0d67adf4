// Package problem has the list of what is wrong with a running VTEP, in words that its operator
// can act on: what it is about, by the names of rows and devices, what follows from it, and
// what to do.
//
// A Problem is a refusal (something that was asked for is not done) or a doubt (it is done, but
// hardly as it was meant); its Kind says which. Whoever finds one hands it to the Set, which
// lists each once and logs when it comes and when it goes. Nobody logs a Problem himself.
package problem

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong. Two that are equal are one. Numbers that grow by
// themselves, as counters do, have no place in it.
type Problem struct {
	Kind   Kind
	Object string // what it is about; see Port, LogicalSwitch, ...
	Text   string // what is wrong, and what follows
	Remedy string // what to do about it
}

// String is the line of the list: the kind, what it is about, what is wrong, what to do.
func (p Problem) String() string {
	s := string(p.Kind) + ": " + p.Object + ": " + p.Text
	if p.Remedy != "" {
		s += "; " + p.Remedy
	}
	return s
}

// Compare orders a list: refusals first, then by kind and object.
func (p Problem) Compare(q Problem) int {
	if p.Kind.Doubt() != q.Kind.Doubt() {
		if q.Kind.Doubt() {
			return -1
		}
		return 1
	}
	return cmp.Or(cmp.Compare(p.Kind, q.Kind), cmp.Compare(p.Object, q.Object), cmp.Compare(p.Text, q.Text), cmp.Compare(p.Remedy, q.Remedy))
}

func (p Problem) level() slog.Level {
	switch {
	case p.Kind.Doubt():
		return slog.LevelInfo
	case p.Kind == Frozen:
		return slog.LevelError
	}
	return slog.LevelWarn
}

// Error is an error that knows its kind and what to do about it.
type Error struct {
	Kind   Kind
	Remedy string
	Err    error
}

func (e *Error) Error() string {
	if e.Remedy == "" {
		return e.Err.Error()
	}
	return e.Err.Error() + "; " + e.Remedy
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes an Error, whose text is as that of fmt.Errorf.
func Errorf(kind Kind, remedy, format string, args ...any) *Error {
	return &Error{kind, remedy, fmt.Errorf(format, args...)}
}

// Of makes a Problem of an error. Where that is no Error, it is of the kind otherwise, and the
// text has to do.
func Of(object string, err error, otherwise Kind) Problem {
	var e *Error
	if errors.As(err, &e) {
		return Problem{e.Kind, object, e.Err.Error(), e.Remedy}
	}
	return Problem{Kind: otherwise, Object: object, Text: err.Error()}
}

// The objects of problems.

// PhysicalSwitch is the switch called name.
func PhysicalSwitch(name string) string { return "Physical_Switch " + Name(name) }

// LogicalSwitch is the logical switch called name.
func LogicalSwitch(name string) string { return "Logical_Switch " + Name(name) }

// Port is the port, and the network device, called name.
func Port(name string) string { return "Physical_Port " + Name(name) }

// PortVLAN is one VLAN of a port; 0: untagged frames.
func PortVLAN(name string, vlan uint16) string { return fmt.Sprintf("%s VLAN %d", Port(name), vlan) }

// Peer is another VTEP.
func Peer(ip netip.Addr) string { return "peer " + ip.String() }

// Device is a network device that is no port: one of the underlay, our own.
func Device(name string) string { return "device " + Name(name) }

// Argument is a name as a remedy shows it in a command that may be pasted into a shell: NAME,
// if it would have to be quoted there.
func Argument(s string) string {
	for i, r := range s {
		plain := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_.:/@+", r) || r == '-' && i > 0
		if !plain {
			return "NAME"
		}
	}
	if s == "" || len(s) > maxName {
		return "NAME"
	}
	return s
}

// maxName is how much of a name a Problem repeats, in bytes.
const maxName = 64

// Name is the name of a row as a Problem shows it. It may be anything, and any amount of it.
func Name(s string) string {
	more := ""
	if len(s) > maxName {
		s, more = s[:maxName], "..."
	}
	for _, r := range s {
		if r <= ' ' || r > '~' || r == '"' || r == ';' {
			return strconv.Quote(s) + more
		}
	}
	if s == "" {
		return `""`
	}
	return s + more
}
