package wire

import "errors"

// MaxDepth is the deepest nesting of arrays and objects that Parse accepts.
const MaxDepth = 1000

// Parse parses b, which must hold exactly one JSON value, possibly with white
// space around it. b must not be changed afterwards.
func Parse(b []byte) (Value, error) {
	return Value{}, errors.New("not parsed")
}

// ParseString is Parse for a string.
func ParseString(s string) (Value, error) { return Parse([]byte(s)) }
