package ovsdb

import (
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// The text notation is what the ctl tools print and read: atoms bare where
// that is safe, sets as [a, b], maps as {k=v, l=w}.

// FormatAtom returns a, of type t, in the text notation, which ParseAtomString
// reads.
func FormatAtom(a Atom, t AtomicType) string { return string(AppendAtomText(nil, a, t)) }

// AppendAtomText appends FormatAtom to dst.
func AppendAtomText(dst []byte, a Atom, t AtomicType) []byte {
	switch t {
	case Integer:
		return strconv.AppendInt(dst, a.Int(), 10)
	case Real:
		return append(dst, formatReal(a.Real())...)
	case Boolean:
		return strconv.AppendBool(dst, a.Bool())
	case String:
		if needsQuotes(a.Str()) {
			return wire.AppendString(dst, a.Str())
		}
		return append(dst, a.Str()...)
	case UUIDType:
		return a.UUID().AppendText(dst)
	}
	return dst
}

// AppendAtomBare appends a, of type t, with strings as they are.
func AppendAtomBare(dst []byte, a Atom, t AtomicType) []byte {
	if t == String {
		return append(dst, a.Str()...)
	}
	return AppendAtomText(dst, a, t)
}

// needsQuotes reports whether s would be taken for something else, or for more
// than one token, without quotes.
func needsQuotes(s string) bool {
	for i := range len(s) {
		c := s[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c == '_':
		case i > 0 && (c >= '0' && c <= '9' || c == '-' || c == '.'):
		default:
			return true
		}
	}
	if s == "" || s == "true" || s == "false" {
		return true
	}
	_, isUUID := ParseUUID(s)
	return isUUID
}

// FormatDatum returns d, of type t, in the text notation. What can hold only
// one element, and does, has no brackets.
func FormatDatum(d Datum, t *Type) string { return string(AppendDatumText(nil, d, t)) }

// AppendDatumText appends FormatDatum to dst.
func AppendDatumText(dst []byte, d Datum, t *Type) []byte {
	left, right := byte('['), byte(']')
	if t.IsMap() {
		left, right = '{', '}'
	}
	brackets := t.Max > 1 || d.IsEmpty()
	if brackets {
		dst = append(dst, left)
	}
	dst = appendElements(dst, d, t, ", ", AppendAtomText)
	if brackets {
		dst = append(dst, right)
	}
	return dst
}

// FormatDatumBare returns d, of type t, as atoms without quotes separated by
// spaces, pairs as k=v: for scripts, though it cannot be read back.
func FormatDatumBare(d Datum, t *Type) string {
	return string(appendElements(nil, d, t, " ", AppendAtomBare))
}

func appendElements(dst []byte, d Datum, t *Type, separator string,
	appendAtom func([]byte, Atom, AtomicType) []byte) []byte {
	for i := range d.Len() {
		if i > 0 {
			dst = append(dst, separator...)
		}
		dst = appendAtom(dst, d.Key(i), t.Key.Type)
		if t.IsMap() {
			dst = appendAtom(append(dst, '='), d.Value(i), t.Value.Type)
		}
	}
	return dst
}

// formatReal prints f as C does with 15 digits.
func formatReal(f float64) string {
	return strings.TrimPrefix(strings.ToLower(strconv.FormatFloat(f, 'g', 15, 64)), "+")
}
