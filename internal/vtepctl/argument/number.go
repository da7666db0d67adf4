package argument

import (
	"errors"
	"strconv"
	"strings"
)

// Strtoll is what C's strtoll makes of s with base 10, or with base 0: the number at its
// beginning, with base 0 octal after "0" and hexadecimal after "0x"; the nearest that fits; or 0.
func Strtoll(s string, base int) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	sign := ""
	if s != "" && (s[0] == '-' || s[0] == '+') {
		sign, s = s[:1], s[1:]
	}
	digits := "0123456789"
	switch {
	case base == 10:
	case len(s) > 2 && (s[:2] == "0x" || s[:2] == "0X") && strings.IndexByte("0123456789abcdefABCDEF", s[2]) >= 0:
		base, digits, s = 16, "0123456789abcdefABCDEF", s[2:]
	case s != "" && s[0] == '0':
		base, digits = 8, "01234567"
	default:
		base = 10
	}
	end := 0
	for end < len(s) && strings.IndexByte(digits, s[end]) >= 0 {
		end++
	}
	n, err := strconv.ParseInt(sign+s[:end], base, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0
	}
	return n
}
