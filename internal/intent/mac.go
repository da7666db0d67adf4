package intent

import (
	"bytes"
	"fmt"
)

// ParseMAC parses xx:xx:xx:xx:xx:xx, two hexadecimal digits of either case for each byte.
func ParseMAC(s string) (MAC, error) {
	var m MAC
	if len(s) != 17 {
		return MAC{}, fmt.Errorf("%q is not a MAC address", s)
	}
	for i := range m {
		hi, lo := unhex(s[3*i]), unhex(s[3*i+1])
		if hi|lo > 15 || i > 0 && s[3*i-1] != ':' {
			return MAC{}, fmt.Errorf("%q is not a MAC address", s)
		}
		m[i] = hi<<4 | lo
	}
	return m, nil
}

func unhex(c byte) byte {
	switch {
	case '0' <= c && c <= '9':
		return c - '0'
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// String returns the form that ParseMAC reads, in lower case.
func (m MAC) String() string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 17)
	for i, c := range m {
		if i > 0 {
			b = append(b, ':')
		}
		b = append(b, digits[c>>4], digits[c&15])
	}
	return string(b)
}

// IsGroup says whether m addresses more than one station; broadcast does.
func (m MAC) IsGroup() bool { return m[0]&1 != 0 }

// IsZero says whether m is 00:00:00:00:00:00, which is no station's address.
func (m MAC) IsZero() bool { return m == MAC{} }

// Reserved says whether m is one of 01:80:c2:00:00:00 to 01:80:c2:00:00:0f, which are for the
// other end of a link and which a bridge does not forward (IEEE 802.1Q, 8.6.3).
func (m MAC) Reserved() bool {
	return m[5]&0xf0 == 0 && [5]byte(m[:5]) == [5]byte{0x01, 0x80, 0xc2, 0x00, 0x00}
}

// Compare orders addresses by their bytes.
func (m MAC) Compare(o MAC) int { return bytes.Compare(m[:], o[:]) }
