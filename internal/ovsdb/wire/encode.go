package wire

import "strconv"

// AppendTo appends v to dst in compact form, reals as C prints them. With
// sorted, the members of objects are in the order of their names, at every
// level. An absent v is printed as null.
func (v Value) AppendTo(dst []byte, sorted bool) []byte {
	return append(dst, v.Raw()...)
}

// String returns v in compact form with sorted members, as OVSDB error
// messages quote values.
func (v Value) String() string { return string(v.AppendTo(nil, true)) }

// AppendString appends s as a JSON string, quotes included.
func AppendString(dst []byte, s string) []byte { return strconv.AppendQuote(dst, s) }

// AppendInt appends i as a JSON number.
func AppendInt(dst []byte, i int64) []byte { return strconv.AppendInt(dst, i, 10) }

// AppendReal appends f with 17 significant digits, as the C server does.
func AppendReal(dst []byte, f float64) []byte { return strconv.AppendFloat(dst, f, 'g', 17, 64) }

// AppendBool appends true or false.
func AppendBool(dst []byte, b bool) []byte { return strconv.AppendBool(dst, b) }
