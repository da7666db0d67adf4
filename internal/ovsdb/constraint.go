package ovsdb

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Check checks a, of type b.Type, against the constraints of b. References are
// not checked: that is for the end of the transaction.
func (b *BaseType) Check(a Atom) error {
	if b.Enum != nil {
		if _, ok := b.Enum.Find(a, b.Type); !ok {
			return ConstraintError("%s is not one of the allowed values (%s)",
				FormatAtom(a, b.Type), FormatDatum(*b.Enum, enumType(b.Type)))
		}
	}
	switch b.Type {
	case Integer:
		return b.checkInt(a.Int())
	case Real:
		return b.checkReal(a.Real())
	case String:
		return b.checkString(a.Str())
	}
	return nil
}

func (b *BaseType) checkInt(i int64) error {
	switch {
	case i >= b.MinInt && i <= b.MaxInt:
		return nil
	case b.MinInt == math.MinInt64:
		return ConstraintError("%d is greater than maximum allowed value %d", i, b.MaxInt)
	case b.MaxInt == math.MaxInt64:
		return ConstraintError("%d is less than minimum allowed value %d", i, b.MinInt)
	}
	return ConstraintError("%d is not in the valid range %d to %d (inclusive)", i, b.MinInt, b.MaxInt)
}

func (b *BaseType) checkReal(f float64) error {
	switch {
	case f >= b.MinReal && f <= b.MaxReal:
		return nil
	case b.MinReal == -math.MaxFloat64:
		return ConstraintError("%s is greater than maximum allowed value %s", formatReal(f), formatReal(b.MaxReal))
	case b.MaxReal == math.MaxFloat64:
		return ConstraintError("%s is less than minimum allowed value %s", formatReal(f), formatReal(b.MinReal))
	}
	return ConstraintError("%s is not in the valid range %s to %s (inclusive)",
		formatReal(f), formatReal(b.MinReal), formatReal(b.MaxReal))
}

func (b *BaseType) checkString(s string) error {
	if !utf8.ValidString(s) {
		return ConstraintError("not a valid UTF-8 string: invalid UTF-8 sequence%s", invalidSequence(s))
	}
	if b.MinLen == 0 && b.MaxLen == Unlimited {
		return nil
	}
	n := utf8.RuneCountInString(s)
	if n < b.MinLen {
		return ConstraintError(`"%s" length %d is less than minimum allowed length %d`, s, n, b.MinLen)
	}
	if n > b.MaxLen {
		return ConstraintError(`"%s" length %d is greater than maximum allowed length %d`, s, n, b.MaxLen)
	}
	return nil
}

// invalidSequence returns the bytes of s at which it ceases to be UTF-8: the
// first byte of a character, the good ones after it, and the bad one.
func invalidSequence(s string) string {
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		if r != utf8.RuneError || size > 1 {
			s = s[size:]
			continue
		}
		break
	}
	n := 1
	// A prefix that some continuation would make a character is good.
	for n < len(s) && n < utf8.UTFMax && !utf8.FullRuneInString(s[:n]) {
		n++
	}
	s += "\x00" // where the string ends, C sees a NUL
	if n < utf8.UTFMax && !utf8.FullRuneInString(s[:n]) {
		n++
	}
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, " 0x%02x", s[i])
	}
	return b.String()
}

// Check checks the atoms of d against the constraints of t, and their number.
func (d Datum) Check(t *Type) error {
	for i := range d.Len() {
		if err := t.Key.Check(d.Key(i)); err != nil {
			return err
		}
	}
	if t.IsMap() {
		for i := range d.Len() {
			if err := t.Value.Check(d.Value(i)); err != nil {
				return err
			}
		}
	}
	return d.CheckCount(t)
}

// CheckCount checks the number of elements of d against t.
func (d Datum) CheckCount(t *Type) error {
	if d.Len() < t.Min || d.Len() > t.Max {
		return ConstraintError("Attempted to store %d elements in %s.", d.Len(), t.English())
	}
	return nil
}
