package ovsdb

import (
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Error is the <error> of RFC 7047, with the members that ovsdb-server adds.
type Error struct {
	Tag     string // "syntax error", "constraint violation"...
	Details string // empty: absent
	Syntax  string // the JSON that was refused, as text; empty: absent
	IOError string // the operating system's message; empty: absent
}

// NewError returns an Error with the given tag ("" is "ovsdb error") and details.
func NewError(tag, format string, args ...any) *Error {
	if tag == "" {
		tag = "ovsdb error"
	}
	return &Error{Tag: tag, Details: sprintf(format, args)}
}

// SyntaxError returns an Error that quotes v, if it is present. With tag "" it
// is a "syntax error".
func SyntaxError(v wire.Value, tag, format string, args ...any) *Error {
	if tag == "" {
		tag = "syntax error"
	}
	e := &Error{Tag: tag, Details: sprintf(format, args)}
	if v.Exists() {
		e.Syntax = v.String()
	}
	return e
}

// ConstraintError returns a "constraint violation".
func ConstraintError(format string, args ...any) *Error {
	return &Error{Tag: "constraint violation", Details: sprintf(format, args)}
}

// IntegrityError returns a "referential integrity violation".
func IntegrityError(format string, args ...any) *Error {
	return &Error{Tag: "referential integrity violation", Details: sprintf(format, args)}
}

// ResourcesError returns a "resources exhausted".
func ResourcesError(format string, args ...any) *Error {
	return &Error{Tag: "resources exhausted", Details: sprintf(format, args)}
}

// IOError returns an "I/O error" caused by err.
func IOError(err error, format string, args ...any) *Error {
	return &Error{Tag: "I/O error", Details: sprintf(format, args), IOError: err.Error()}
}

// PermissionError returns a "permission error".
func PermissionError(format string, args ...any) *Error {
	return &Error{Tag: "permission error", Details: sprintf(format, args)}
}

// AsError returns the *Error in err's chain. An error without one becomes an
// internal error; nil remains nil.
func AsError(err error) *Error {
	if err == nil {
		return nil
	}
	var e *Error
	if errors.As(err, &e) {
		return e
	}
	return &Error{Tag: "internal error", Details: err.Error()}
}

// Error returns e in the form in which ovsdb-server and the ctl tools print it.
func (e *Error) Error() string {
	s := e.Tag
	if e.Syntax != "" {
		s = `syntax "` + e.Syntax + `": ` + s
	}
	if e.Details != "" {
		s += ": " + e.Details
	}
	if e.IOError != "" {
		s += " (" + e.IOError + ")"
	}
	return s
}

// AppendJSON appends e as a JSON object.
func (e *Error) AppendJSON(dst []byte) []byte {
	dst = append(dst, '{')
	if e.Details != "" {
		dst = append(wire.AppendString(append(dst, `"details":`...), e.Details), ',')
	}
	dst = wire.AppendString(append(dst, `"error":`...), e.Tag)
	if e.IOError != "" {
		dst = wire.AppendString(append(dst, `,"io-error":`...), e.IOError)
	}
	if e.Syntax != "" {
		dst = wire.AppendString(append(dst, `,"syntax":`...), e.Syntax)
	}
	return append(dst, '}')
}

// ParseError reads an <error> object that a peer sent. Members it does not
// know are ignored.
func ParseError(v wire.Value) (*Error, bool) {
	tag := v.Get("error")
	if tag.Kind() != wire.String {
		return nil, false
	}
	return &Error{
		Tag:     tag.Str(),
		Details: v.Get("details").Str(),
		Syntax:  v.Get("syntax").Str(),
		IOError: v.Get("io-error").Str(),
	}, true
}

func sprintf(format string, args []any) string {
	if len(args) == 0 {
		return format
	}
	return fmt.Sprintf(format, args...)
}
