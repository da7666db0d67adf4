package ovsdb

import (
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// MaxAtomRange is the number of integers that a range in the text notation may
// stand for.
const MaxAtomRange = 4096

// complaint is an error in the words of the ctl tools, ready for the user.
type complaint string

func (c complaint) Error() string { return string(c) }

func complain(format string, args ...any) error { return complaint(sprintf(format, args)) }

// ParseAtomString parses s, the text notation of an atom of type b, and checks
// the constraints of b. A string may be bare or quoted as in JSON; a boolean
// may be written in several ways. With syms, @name stands for the symbol of
// that name, @ included. Errors are plain messages, ready for the user.
func ParseAtomString(s string, b *BaseType, syms *SymbolTable) (Atom, error) {
	a, _, _, err := parseAtomRange(s, b, false, syms)
	return a, err
}

// parseAtomRange is ParseAtomString, but with ranges it takes "a-b" for an
// integer and returns the end too.
func parseAtomRange(s string, b *BaseType, ranges bool, syms *SymbolTable) (a Atom, end int64, isRange bool, err error) {
	if b.Type == Integer && ranges {
		if start, end, ok := splitRange(s); ok {
			return IntAtom(start), end, true, checkRange(s, start, end, b)
		}
	}
	if a, err = parseAtomText(s, b, syms); err == nil {
		err = b.Check(a)
	}
	return a, 0, false, err
}

func parseAtomText(s string, b *BaseType, syms *SymbolTable) (Atom, error) {
	switch b.Type {
	case Integer:
		if i, rest, ok := leadingInt(s); ok && rest == "" {
			return IntAtom(i), nil
		}
		return Atom{}, complain(`"%s" is not a valid integer or range`, s)
	case Real:
		if f, ok := parseReal(s); ok {
			return RealAtom(f), nil
		}
		return Atom{}, complain(`"%s" is not a valid real number`, s)
	case Boolean:
		switch s {
		case "true", "yes", "on", "1":
			return BoolAtom(true), nil
		case "false", "no", "off", "0":
			return BoolAtom(false), nil
		}
		return Atom{}, complain(`"%s" is not a valid boolean (use "true" or "false")`, s)
	case String:
		return parseStringText(s)
	}
	if strings.HasPrefix(s, "@") && syms != nil {
		sym := syms.Insert(s)
		sym.refer(b)
		return RefTo(&sym.UUID), nil
	}
	if u, ok := ParseUUID(s); ok {
		return UUIDAtom(u), nil
	}
	return Atom{}, complain(`"%s" is not a valid UUID`, s)
}

func parseStringText(s string) (Atom, error) {
	if s == "" {
		return Atom{}, complain(`An empty string is not valid as input; use "" to represent the empty string`)
	}
	if s[0] != '"' {
		return StringAtom(clone(s)), nil
	}
	if len(s) < 2 || s[len(s)-1] != '"' {
		return Atom{}, complain("%s: missing quote at end of quoted string", s)
	}
	text, err := wire.Unescape(nil, s[1:len(s)-1])
	if err != nil {
		return Atom{}, complain("%s: %s", s, err)
	}
	return StringAtom(string(text)), nil
}

// splitRange splits "a-b"; both may have signs.
func splitRange(s string) (start, end int64, ok bool) {
	start, rest, ok := leadingInt(s)
	if !ok || !strings.HasPrefix(rest, "-") {
		return 0, 0, false
	}
	end, rest, ok = leadingInt(rest[1:])
	return start, end, ok && rest == ""
}

func checkRange(s string, start, end int64, b *BaseType) error {
	if end < start {
		return complain(`"%s" is not a valid range. Range end cannot be before start.`, s)
	}
	if err := b.Check(IntAtom(start)); err != nil {
		return err
	}
	if b.Enum != nil {
		for i := start + 1; i <= end && i > start; i++ { // ends soon after the enumeration does
			if err := b.Check(IntAtom(i)); err != nil {
				return err
			}
		}
	} else if err := b.Check(IntAtom(end)); err != nil {
		return err
	}
	if uint64(end)-uint64(start) >= MaxAtomRange {
		return ConstraintError(`Range "%d-%d" is too big. Maximum allowed size is %d.`, start, end, MaxAtomRange)
	}
	return nil
}

// leadingInt parses a decimal integer, with an optional sign, at the beginning
// of s, and returns what follows it.
func leadingInt(s string) (i int64, rest string, ok bool) {
	s = skipSpace(s)
	n := 0
	if strings.HasPrefix(s, "+") || strings.HasPrefix(s, "-") {
		n++
	}
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	i, err := strconv.ParseInt(s[:n], 10, 64)
	return i, s[n:], err == nil
}

// parseReal parses what C's strtod does.
func parseReal(s string) (float64, bool) {
	s = skipSpace(s)
	if strings.Contains(s, "_") {
		return 0, false // Go would take it in hexadecimal numbers
	}
	if hex := strings.ToLower(s); strings.Contains(hex, "0x") && !strings.Contains(hex, "p") {
		s += "p0"
	}
	f, err := strconv.ParseFloat(s, 64)
	if f == 0 {
		f = 0 // there is no negative zero
	}
	return f, err == nil
}

// ParseDatumString parses s, the text notation of a value of type t, and
// checks the constraints of t. Elements are separated by commas or white
// space. The brackets may be left out, but for the empty value. Integers may
// be given as ranges. Errors are plain messages, ready for the user.
func ParseDatumString(s string, t *Type, syms *SymbolTable) (Datum, error) {
	p := textParser{whole: s, rest: skipSpace(s), t: t, syms: syms}
	if err := p.parse(); err != nil {
		return Datum{}, err
	}
	stride, kind := 1, "value"
	if t.IsMap() {
		stride, kind = 2, "pair"
	}
	n := len(p.atoms) / stride
	if n < t.Min {
		return Datum{}, complain("%s: %d %s(s) specified but the minimum number is %d", s, n, kind, t.Min)
	}
	if n > t.Max {
		return Datum{}, complain("%s: %d %s(s) specified but the maximum number is %d", s, n, kind, t.Max)
	}
	sortAtoms(p.atoms, stride, t.Key.Type)
	if len(dedup(p.atoms, stride, t.Key.Type)) < len(p.atoms) {
		if t.IsMap() {
			return Datum{}, complain("%s: map contains duplicate key", s)
		}
		return Datum{}, complain("%s: set contains duplicate value", s)
	}
	return datumOf(p.atoms, t.IsMap()), nil
}

// textParser parses one value in the text notation.
type textParser struct {
	whole string // for messages
	rest  string
	t     *Type
	syms  *SymbolTable
	atoms []Atom
}

func (p *textParser) parse() error {
	left, right := "[", "]"
	if p.t.IsMap() {
		left, right = "{", "}"
	}
	if p.rest == "" {
		if p.t.IsMap() {
			return complain(`use "{}" to specify the empty map`)
		}
		return complain(`use "[]" to specify the empty set`)
	}
	bracketed := strings.HasPrefix(p.rest, left)
	if bracketed {
		p.rest = skipSpace(p.rest[1:])
	}
	for p.rest != "" && (!bracketed || p.rest[0] != right[0]) {
		if IsTokenDelimiter(p.rest[0]) {
			return complain(`%s: unexpected "%c" parsing %s`, p.whole, p.rest[0], p.t.English())
		}
		if err := p.element(); err != nil {
			return err
		}
		p.rest = skipSpace(p.rest)
		if strings.HasPrefix(p.rest, ",") {
			p.rest = skipSpace(p.rest[1:])
		}
	}
	if !bracketed {
		return nil
	}
	if p.rest == "" {
		return complain(`%s: missing "%s" at end of data`, p.whole, right)
	}
	if skipSpace(p.rest[1:]) != "" {
		return complain(`%s: trailing garbage after "%s"`, p.whole, right)
	}
	return nil
}

// element parses an atom, a range, or a pair.
func (p *textParser) element() error {
	start := p.rest
	token, err := p.token()
	if err != nil {
		return err
	}
	key, end, isRange, err := parseAtomRange(token, &p.t.Key, true, p.syms)
	if err != nil {
		return err
	}
	var value Atom
	if p.t.IsMap() {
		p.rest = skipSpace(p.rest)
		if !strings.HasPrefix(p.rest, "=") {
			at := p.rest[:min(1, len(p.rest))]
			return complain(`%s: syntax error at "%s" expecting "="`, start, at)
		}
		p.rest = skipSpace(p.rest[1:])
		if token, err = p.token(); err != nil {
			return err
		}
		if value, err = ParseAtomString(token, &p.t.Value, p.syms); err != nil {
			return err
		}
	}
	n := int64(1)
	if isRange {
		n = end - key.Int() + 1
	}
	for i := range n {
		if isRange {
			p.atoms = append(p.atoms, IntAtom(key.Int()+i))
		} else {
			p.atoms = append(p.atoms, key)
		}
		if p.t.IsMap() {
			p.atoms = append(p.atoms, value)
		}
	}
	return nil
}

func (p *textParser) token() (string, error) {
	token, rest, err := ParseToken(p.rest)
	p.rest = rest
	return token, err
}

// ParseToken takes the first token from s: all up to a delimiter. In double
// quotes, which remain part of the token, and after a backslash there is none.
// The backslash is dropped outside quotes. The token is empty if s begins with
// a delimiter.
func ParseToken(s string) (token, rest string, err error) {
	var b strings.Builder
	quoted := false
	for i := 0; i < len(s); i++ {
		c := s[i]
		switch {
		case c == '\\':
			if i++; i == len(s) {
				return "", "", complain("%s: backslash at end of argument", s)
			}
			if quoted {
				b.WriteByte('\\')
			}
			b.WriteByte(s[i])
		case !quoted && IsTokenDelimiter(c):
			return b.String(), s[i:], nil
		default:
			b.WriteByte(c)
			if c == '"' {
				quoted = !quoted
			}
		}
	}
	if quoted {
		return "", "", complain("%s: quoted string extends past end of argument", s)
	}
	return b.String(), "", nil
}

// IsTokenDelimiter reports whether c ends a token.
func IsTokenDelimiter(c byte) bool { return strings.IndexByte(":=, []{}!<>", c) >= 0 }

// skipSpace drops the white space at the beginning of s.
func skipSpace(s string) string { return strings.TrimLeft(s, " \t\n\v\f\r") }
