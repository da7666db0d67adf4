package wire

import (
	"cmp"
	"math"
	"slices"
	"strconv"
)

// AppendTo appends v to dst in compact form, reals as C prints them. With
// sorted, the members of objects are in the order of their names, at every
// level. An absent v is printed as null.
func (v Value) AppendTo(dst []byte, sorted bool) []byte {
	switch v.Kind() {
	case True:
		return append(dst, "true"...)
	case False:
		return append(dst, "false"...)
	case Integer:
		return AppendInt(dst, v.Int())
	case Real:
		return AppendReal(dst, v.Real())
	case String:
		return v.doc.appendString(dst, v.i)
	case Array:
		dst = append(dst, '[')
		first := true
		for e := range v.Elems() {
			if !first {
				dst = append(dst, ',')
			}
			first = false
			dst = e.AppendTo(dst, sorted)
		}
		return append(dst, ']')
	case Object:
		return v.appendObject(dst, sorted)
	}
	return append(dst, "null"...)
}

func (v Value) appendObject(dst []byte, sorted bool) []byte {
	names := make([]uint32, 0, v.Len())
	end := v.doc.next(v.i)
	for i := v.i + 1; i < end; i = v.doc.next(i + 1) {
		names = append(names, i)
	}
	if sorted {
		slices.SortFunc(names, func(a, b uint32) int { return cmp.Compare(v.doc.str(a), v.doc.str(b)) })
	}
	dst = append(dst, '{')
	for k, i := range names {
		if k > 0 {
			dst = append(dst, ',')
		}
		dst = append(v.doc.appendString(dst, i), ':')
		dst = Value{v.doc, i + 1}.AppendTo(dst, sorted)
	}
	return append(dst, '}')
}

// appendString appends the string at node i: as it was written, unless that
// was with escapes, which may be others than ours.
func (d *document) appendString(dst []byte, i uint32) []byte {
	n := &d.nodes[i]
	if n.end&flag != 0 {
		return AppendString(dst, d.str(i))
	}
	return append(dst, d.src[n.off:n.end]...)
}

// String returns v in compact form with sorted members, as OVSDB error
// messages quote values.
func (v Value) String() string { return string(v.AppendTo(nil, true)) }

// AppendString appends s as a JSON string, quotes included. Only what must be
// escaped is.
func AppendString(dst []byte, s string) []byte {
	const hex = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[start:i]...)
		start = i + 1
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		case '\b':
			dst = append(dst, `\b`...)
		case '\f':
			dst = append(dst, `\f`...)
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		}
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}

// AppendInt appends i as a JSON number.
func AppendInt(dst []byte, i int64) []byte { return strconv.AppendInt(dst, i, 10) }

// AppendReal appends f with up to 15 significant digits, as the C server does. The few at
// the end of the range get 17, because their 15 would be a number that no parser takes.
func AppendReal(dst []byte, f float64) []byte {
	digits := 15
	if math.Abs(f) >= 1.797693134862315e308 {
		digits = 17
	}
	return strconv.AppendFloat(dst, f, 'g', digits, 64)
}

// AppendExactReal appends f as AppendReal does if that names f, or else with as many digits
// as it takes.
func AppendExactReal(dst []byte, f float64) []byte {
	start := len(dst)
	dst = AppendReal(dst, f)
	if back, err := strconv.ParseFloat(string(dst[start:]), 64); err == nil && back == f {
		return dst
	}
	return strconv.AppendFloat(dst[:start], f, 'g', 17, 64)
}

// AppendBool appends true or false.
func AppendBool(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }
