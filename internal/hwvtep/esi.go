package hwvtep

import (
	"encoding/hex"
	"fmt"
	"strings"
)

// ParseESI reads the identifier of an Ethernet segment, in other_config:evpn_esi of a Physical_Port: ten octets of two
// hexadecimal digits with colons between, neither all zero nor all ones, which mean something else, and of types 1, 2, 4 and 5 with a zero at the end (RFC 7432,
// section 5): there are speakers that end the session for another.
// The VTEP and the bridge to EVPN read it alike: else a port is announced as a link of a
// segment, and gets what another VTEP has given to that.
func ParseESI(text string) (esi [10]byte, err error) {
	words := strings.Split(text, ":")
	if len(words) != len(esi) {
		return esi, fmt.Errorf("%q is not ten octets with colons between", text)
	}
	same := true
	for i, word := range words {
		b, err := hex.DecodeString(word)
		if err != nil || len(b) != 1 {
			return [10]byte{}, fmt.Errorf("%q: %q is not an octet of two hexadecimal digits", text, word)
		}
		esi[i] = b[0]
		same = same && b[0] == esi[0]
	}
	if same && (esi[0] == 0 || esi[0] == 0xff) {
		return [10]byte{}, fmt.Errorf("%q is no segment: all octets are %02x", text, esi[0])
	}
	if t := esi[0]; (t == 1 || t == 2 || t == 4 || t == 5) && esi[9] != 0 {
		return [10]byte{}, fmt.Errorf("%q is no segment: of type %d the last octet is 00", text, t)
	}
	return esi, nil
}
