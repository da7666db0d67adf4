package vtep

import (
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/intent"
)

// given is the value of a key, or that somebody else is to say.
type given[T any] struct {
	value T
	is    bool
}

// or is what holds if g, or else the default, says; otherwise the zero value.
func (g given[T]) or(defaults given[T]) T {
	if g.is {
		return g.value
	}
	return defaults.value
}

func (s *settings) flooding(key string) (g given[intent.Flooding]) {
	text, ok := s.values[key]
	for f := intent.FloodAll; f <= intent.FloodNone; f++ {
		if text == f.String() {
			return given[intent.Flooding]{f, true}
		}
	}
	if ok {
		s.reject(key, text, "all, arp_nd or none")
	}
	return g
}

// protocolMACs are the last digits of the addresses of protocols, by their names.
var protocolMACs = map[string]uint8{"stp": 0x0, "lacp": 0x2, "eapol": 0x3, "lldp": 0xe}

const (
	reservedPrefix = "01:80:c2:00:00:0"

	// pauseMAC is the last digit of the address of PAUSE frames, which is for the other end of a
	// link whatever anybody wants (IEEE 802.3, 31B).
	pauseMAC = 0x1
)

// reservedMACs reads none, all, a mask as of the kernel's group_fwd_mask, or a list of protocols and
// addresses.
func (s *settings) reservedMACs(key string) (g given[intent.ReservedMACs]) {
	text, ok := s.values[key]
	if !ok {
		return g
	}
	g.value, g.is = parseReserved(text)
	if !g.is {
		s.reject(key, text, "none, all, a mask of 16 bits, or a list of stp, lacp, eapol, lldp and addresses from 01:80:c2:00:00:00 to 0f (01, of PAUSE, can't be)")
		g.value = 0
	}
	return g
}

func parseReserved(text string) (all intent.ReservedMACs, ok bool) {
	switch text {
	case "none":
		return 0, true
	case "all":
		return (1<<16 - 1) &^ (1 << pauseMAC), true
	}
	if mask, err := strconv.ParseUint(text, 0, 16); err == nil {
		return intent.ReservedMACs(mask), mask>>pauseMAC&1 == 0
	}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return r == ',' || r == ' ' }) {
		last, named := protocolMACs[word]
		if digit, isMAC := strings.CutPrefix(word, reservedPrefix); isMAC && len(digit) == 1 {
			n, err := strconv.ParseUint(digit, 16, 4)
			last, named = uint8(n), err == nil
		}
		if !named || last == pauseMAC {
			return 0, false
		}
		all |= 1 << last
	}
	return all, all != 0
}
