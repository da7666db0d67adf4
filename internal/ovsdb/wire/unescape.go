package wire

import (
	"errors"
	"fmt"
	"strings"
)

var (
	errEscapeEnd    = errors.New(`quoted string ends within \u escape`)
	errEscape       = errors.New(`malformed \u escape`)
	errNUL          = errors.New("null bytes not supported in quoted strings")
	errSurrogate    = errors.New("malformed escaped surrogate pair")
	errTrailing     = errors.New("second half of escaped surrogate pair is not trailing surrogate")
	errQuote        = errors.New(`quoted string may not include unescaped "`)
	errEndBackslash = errors.New("quoted string may not end with backslash")
)

// Unescape appends the string whose text between the quotes is s.
func Unescape(dst []byte, s string) ([]byte, error) {
	for s != "" {
		plain := strings.IndexAny(s, `"\`)
		if plain < 0 {
			return append(dst, s...), nil
		}
		dst = append(dst, s[:plain]...)
		if s[plain] == '"' {
			return nil, errQuote
		}
		if s = s[plain+1:]; s == "" {
			return nil, errEndBackslash
		}
		c := s[0]
		s = s[1:]
		switch c {
		case '"', '\\', '/':
		case 'b':
			c = '\b'
		case 'f':
			c = '\f'
		case 'n':
			c = '\n'
		case 'r':
			c = '\r'
		case 't':
			c = '\t'
		case 'u':
			r, rest, err := unescapeRune(s)
			if err != nil {
				return nil, err
			}
			dst, s = appendRune(dst, r), rest
			continue
		default:
			return nil, fmt.Errorf(`bad escape \%c`, c)
		}
		dst = append(dst, c)
	}
	return dst, nil
}

// unescapeRune reads what follows \u, and another \u if it is a leading surrogate.
func unescapeRune(s string) (r rune, rest string, err error) {
	lead, err := hex4(s)
	if err != nil {
		return 0, "", err
	}
	s = s[4:]
	if lead < 0xd800 || lead > 0xdbff {
		return lead, s, nil
	}
	if !strings.HasPrefix(s, `\u`) {
		return 0, "", errSurrogate
	}
	trail, err := hex4(s[2:])
	if err != nil {
		return 0, "", err
	}
	if trail < 0xdc00 || trail > 0xdfff {
		return 0, "", errTrailing
	}
	return 0x10000 + (lead-0xd800)<<10 + (trail - 0xdc00), s[6:], nil
}

func hex4(s string) (rune, error) {
	if len(s) < 4 {
		return 0, errEscapeEnd
	}
	var r rune
	for i := range 4 {
		c := s[i]
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, errEscape
		}
		r = r<<4 | rune(c)
	}
	if r == 0 {
		return 0, errNUL
	}
	return r, nil
}

// appendRune appends r in UTF-8. Unlike utf8.AppendRune it keeps a trailing
// surrogate that stands alone, so that what refuses the string later can say why.
func appendRune(dst []byte, r rune) []byte {
	if r >= 0xd800 && r <= 0xdfff {
		return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6&0x3f), 0x80|byte(r&0x3f))
	}
	return append(dst, string(r)...)
}
