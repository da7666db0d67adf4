package igmp

import (
	"encoding/binary"
	"time"
)

const (
	defaultHold = 105 * time.Second // RFC 7761, 4.11
	foreverHold = 0xffff            // as the hold time: it does not end
)

// parsePIM reads a hello of PIM version 2.
func parsePIM(p *content) (Message, Reason) {
	b := p.body
	if len(b) < 4 {
		return Message{}, Malformed
	}
	if b[0] != 2<<4 { // of another version, or no hello
		return Message{}, Other
	}
	sum, routers := uint32(0), pimRouters4
	if p.dst.Is6() {
		sum, routers = pseudoHeader(p.src, p.dst, protoPIM, len(b)), pimRouters6
	}
	switch {
	case checksum(sum, b) != 0:
		return Message{}, BadChecksum
	case p.dst != routers || p.src.IsUnspecified() || p.src.IsMulticast() || p.src.IsLoopback():
		return Message{}, BadAddress
	}
	m := Message{Kind: Router, Hold: defaultHold}
	for options := b[4:]; len(options) > 0; {
		if len(options) < 4 {
			return Message{}, Malformed
		}
		n := 4 + int(binary.BigEndian.Uint16(options[2:]))
		if n > len(options) {
			return Message{}, Malformed
		}
		if binary.BigEndian.Uint16(options) == 1 && n == 6 {
			// Without an end it is one of the longest that can be said.
			m.Hold = time.Duration(min(binary.BigEndian.Uint16(options[4:]), foreverHold-1)) * time.Second
		}
		options = options[n:]
	}
	return m, ""
}
