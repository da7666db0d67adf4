package wire

// Cursor reads JSON text that is written as programs write it, without white space or escapes,
// from one byte to the next, and makes no document of it. It is for large texts of a known
// shape: what it does not take may be right all the same, and is for Parse to judge.
type Cursor struct {
	Text []byte
	At   int // the offset of the next byte
}

// Skip goes past s, if that is next.
func (c *Cursor) Skip(s string) bool {
	end := c.At + len(s)
	if end > len(c.Text) || view(c.Text[c.At:end]) != s {
		return false
	}
	c.At = end
	return true
}

// Next returns the next byte, 0 at the end.
func (c *Cursor) Next() byte {
	if c.At < len(c.Text) {
		return c.Text[c.At]
	}
	return 0
}

// Str reads a string without escapes. It shares memory with the text.
func (c *Cursor) Str() (string, bool) {
	if c.Next() != '"' {
		return "", false
	}
	p := parser{src: c.Text}
	end, escaped, err := p.endOfString(c.At + 1)
	if err != nil || escaped {
		return "", false
	}
	s := view(c.Text[c.At+1 : end])
	c.At = end + 1
	return s, true
}

// Int reads an integer of up to 18 digits, without fraction or exponent.
func (c *Cursor) Int() (int64, bool) {
	i := c.At
	negative := c.Next() == '-'
	if negative {
		i++
	}
	first, x := i, int64(0)
	for i < len(c.Text) && c.Text[i] >= '0' && c.Text[i] <= '9' {
		x = 10*x + int64(c.Text[i]-'0')
		i++
	}
	digits := i - first
	if digits == 0 || digits > 18 || digits > 1 && c.Text[first] == '0' {
		return 0, false
	}
	if i < len(c.Text) {
		switch c.Text[i] {
		case '.', 'e', 'E':
			return 0, false
		}
	}
	if negative && x == 0 {
		return 0, false // whatever that is
	}
	if negative {
		x = -x
	}
	c.At = i
	return x, true
}
