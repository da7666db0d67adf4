package wire

import (
	"math"
	"strconv"
)

// number parses the number at i and returns the offset after it.
func (p *parser) number(i int) (int, error) {
	src := p.src
	at, digits := i, i
	if src[i] == '-' {
		digits++
	}
	// The usual case: an integer that fits with room to spare.
	var n int64
	for at = digits; at < len(src) && src[at]-'0' <= 9 && at-digits < 18; at++ {
		n = n*10 + int64(src[at]-'0')
	}
	if at == len(src) && p.more {
		return 0, errMore
	}
	if at == len(src) || !inNumber(src[at]) {
		if at > digits && (src[digits] != '0' || at == digits+1) {
			if digits > i {
				n = -n
			}
			p.nodes = append(p.nodes, node{off: uint32(i), end: uint32(at), x: uint64(n)})
			return at, nil
		}
	}
	for at < len(src) && inNumber(src[at]) {
		at++
	}
	if at == len(src) && p.more {
		return 0, errMore
	}
	num, msg := parseNumber(view(src[i:at]))
	if msg != "" {
		return 0, p.fail(at, "%s", msg)
	}
	num.off, num.end = uint32(i), uint32(at)|num.end
	p.nodes = append(p.nodes, num)
	return at, nil
}

// inNumber reports whether a number goes on with c.
func inNumber(c byte) bool {
	return c-'0' <= 9 || c == '.' || c == 'e' || c == 'E' || c == '-' || c == '+'
}

// decimal is a number as significand × 10^pow10.
type decimal struct {
	significand uint64
	pow10       int
	inexact     bool // digits other than 0 did not fit
}

// digit takes one more digit. Of those that do not fit, the ones before the
// decimal point count in pow10.
func (d *decimal) digit(c byte, fraction bool) {
	const limit = math.MaxUint64 / 10
	if d.significand < limit || d.significand == limit && c <= '0'+math.MaxUint64%10 {
		d.significand = d.significand*10 + uint64(c-'0')
		if fraction {
			d.pow10--
		}
		return
	}
	if !fraction {
		d.pow10++
	}
	if c != '0' {
		d.inexact = true
	}
}

// integer returns the number if it is an integer in range, however it was written.
func (d *decimal) integer(negative bool) (int64, bool) {
	if d.significand == 0 {
		return 0, true
	}
	if d.inexact {
		return 0, false
	}
	n, pow10 := d.significand, d.pow10
	for ; pow10 > 0 && n < math.MaxUint64/10; pow10-- {
		n *= 10
	}
	for ; pow10 < 0 && n%10 == 0; pow10++ {
		n /= 10
	}
	switch {
	case pow10 != 0:
		return 0, false
	case negative && n <= 1<<63:
		return -int64(n), true
	}
	return int64(n), !negative && n <= math.MaxInt64
}

// parseNumber parses s, made of the characters of numbers, to a node without
// offsets, or says what is wrong.
func parseNumber(s string) (node, string) {
	var d decimal
	i := 0
	isDigit := func() bool { return i < len(s) && s[i]-'0' <= 9 }
	negative := s[0] == '-'
	if negative {
		i++
	}
	if !isDigit() {
		return node{}, "'-' must be followed by digit"
	}
	leadingZero := s[i] == '0'
	for first := i; isDigit(); i++ {
		if leadingZero && i > first {
			return node{}, "leading zeros not allowed"
		}
		d.digit(s[i], false)
	}
	if i < len(s) && s[i] == '.' {
		if i++; !isDigit() {
			return node{}, "decimal point must be followed by digit"
		}
		for ; isDigit(); i++ {
			d.digit(s[i], true)
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		sign := 1
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			if s[i] == '-' {
				sign = -1
			}
			i++
		}
		if !isDigit() {
			return node{}, "exponent must contain at least one digit"
		}
		exponent := 0
		for ; isDigit(); i++ {
			if exponent >= math.MaxInt32/10 {
				return node{}, "exponent outside valid range"
			}
			exponent = exponent*10 + int(s[i]-'0')
		}
		d.pow10 += sign * exponent
	}
	if i < len(s) {
		return node{}, "syntax error in number"
	}
	if n, ok := d.integer(negative); ok {
		return node{x: uint64(n)}, ""
	}
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return node{}, "number outside valid range"
	}
	if f == 0 {
		f = 0 // there is no negative zero
	}
	return node{end: flag, x: math.Float64bits(f)}, ""
}
