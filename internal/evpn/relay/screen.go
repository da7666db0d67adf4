package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
)

// The messages of BGP (RFC 4271, section 4.1).
const (
	headerLen        = 19
	usualLen         = 4096 // that messages have at most, but for extended ones (RFC 8654)
	typeOpen         = 1
	typeUpdate       = 2
	typeNotification = 3
	typeKeepalive    = 4
	typeRefresh      = 5
	afiL2VPN         = 25
	safiEVPN         = 70
	attrReach        = 14
	attrUnreach      = 15
	attrExtComm      = 16
)

// Which of EVPN's communities (0x06) those are that the library can't read.
const (
	SubElection = 0x06 // RFC 8584
	SubNDFlags  = 0x08 // RFC 9047
)

// keepalive is the message.
var keepalive = slices.Concat(bytes.Repeat([]byte{0xff}, 16), []byte{0, headerLen, typeKeepalive})

// refresh asks for routes of EVPN (RFC 2918).
var refresh = slices.Concat(bytes.Repeat([]byte{0xff}, 16), []byte{0, headerLen + 4, typeRefresh, 0, afiL2VPN, 0, safiEVPN})

var errFraming = errors.New("no message of BGP: wrong length")

// readMessage reads one, with its header, into buf, or if it is longer than that, into memory of its own.
func readMessage(r io.Reader, buf []byte) ([]byte, error) {
	if _, err := io.ReadFull(r, buf[:headerLen]); err != nil {
		return nil, err
	}
	n := int(binary.BigEndian.Uint16(buf[16:]))
	if n < headerLen {
		return nil, errFraming
	}
	if n > len(buf) {
		buf = append(make([]byte, 0, n), buf[:headerLen]...)
	}
	if _, err := io.ReadFull(r, buf[headerLen:n]); err != nil {
		return nil, err
	}
	return buf[:n], nil
}

// screen takes out of updates what the library's decoder can't read. It is of one session, and one direction.
type screen struct {
	addPath bool // routes have identifiers (RFC 7911)
	drop    func(reason string)
	own     bool // messages are those of the library, which are to be without the community of RFC 9047

	// Of the last message:
	flags    NDFlags
	election Election
	elects   bool // there was one
}

// update returns the message without what the library can't read, or nil if nothing is left. What is not even of the
// form of an update it leaves alone: the library ends the session then.
func (s *screen) update(m []byte) []byte {
	body := m[headerLen:]
	if len(body) < 4 {
		return m
	}
	withdrawn := int(binary.BigEndian.Uint16(body))
	if len(body) < 4+withdrawn {
		return m
	}
	attrs := body[4+withdrawn:]
	n := int(binary.BigEndian.Uint16(body[2+withdrawn:]))
	if len(attrs) < n {
		return m
	}
	kept, changed, routes, ok := s.attributes(attrs[:n])
	if !ok {
		return m
	}
	if withdrawn+len(attrs)-n > 0 && !s.own {
		s.drop(familyFault(1, 1)) // which has its routes beside the attributes
		changed = true
	}
	switch {
	case !changed:
		return m
	case !routes:
		return nil
	}
	out := append(make([]byte, 0, len(m)), m[:headerLen]...)
	out = append(out, 0, 0)
	out = binary.BigEndian.AppendUint16(out, uint16(len(kept)))
	out = append(out, kept...)
	binary.BigEndian.PutUint16(out[16:], uint16(len(out)))
	return out
}

// familyFault tells of routes of a family that the session is not for.
func familyFault(afi uint16, safi byte) string {
	return fmt.Sprintf("routes of family %d/%d", afi, safi)
}

// attributes screens path attributes. routes says whether there are any of EVPN, or the end of them.
func (s *screen) attributes(all []byte) (kept []byte, changed, routes, ok bool) {
	for len(all) > 0 {
		if len(all) < 3 {
			return nil, false, false, false
		}
		head, n := 3, int(all[2])
		if all[0]&0x10 != 0 {
			if len(all) < 4 {
				return nil, false, false, false
			}
			head, n = 4, int(binary.BigEndian.Uint16(all[2:]))
		}
		if len(all) < head+n {
			return nil, false, false, false
		}
		one, value := all[:head+n], all[head:head+n]
		all = all[head+n:]
		was := value
		switch {
		case s.own && one[1] != attrExtComm:
			routes = true
		case one[1] == attrReach:
			if value = s.reach(value); value == nil {
				changed = true
				continue
			}
			routes = true
		case one[1] == attrUnreach:
			if value = s.unreach(value); value == nil {
				changed = true
				continue
			}
			routes = true
		case one[1] == attrExtComm:
			if value = s.communities(value); len(value) == 0 && len(was) > 0 {
				changed = true
				continue
			}
		}
		if len(value) == len(was) {
			kept = append(kept, one...)
			continue
		}
		changed = true
		kept = append(kept, one[0]|0x10, one[1])
		kept = append(binary.BigEndian.AppendUint16(kept, uint16(len(value))), value...)
	}
	return kept, changed, routes, true
}

// reach screens MP_REACH_NLRI (RFC 4760); nil: no route is left.
func (s *screen) reach(v []byte) []byte {
	if len(v) < 5 || len(v) < 5+int(v[3]) {
		return v
	}
	if afi := binary.BigEndian.Uint16(v); afi != afiL2VPN || v[2] != safiEVPN {
		s.drop(familyFault(afi, v[2]))
		return nil
	}
	return s.routes(v, 5+int(v[3]))
}

// unreach screens MP_UNREACH_NLRI; nil: no route is left. One that never had any ends the routes (RFC 4724).
func (s *screen) unreach(v []byte) []byte {
	if len(v) <= 3 {
		return v
	}
	if afi := binary.BigEndian.Uint16(v); afi != afiL2VPN || v[2] != safiEVPN {
		s.drop(familyFault(afi, v[2]))
		return nil
	}
	return s.routes(v, 3)
}

// routes screens those that begin at an offset.
func (s *screen) routes(v []byte, at int) []byte {
	kept := append(make([]byte, 0, len(v)), v[:at]...)
	all, dropped := v[at:], false
	for len(all) > 0 {
		head := 2
		if s.addPath {
			head += 4
		}
		if len(all) < head || len(all) < head+int(all[head-1]) {
			kept = append(kept, all...) // cut off: where the next begins nobody knows
			break
		}
		kind, one := all[head-2], all[:head+int(all[head-1])]
		all = all[len(one):]
		if why := fault(kind, one[head:]); why != "" {
			s.drop(why)
			dropped = true
			continue
		}
		kept = append(kept, one...)
	}
	switch {
	case !dropped:
		return v
	case len(kept) == at:
		return nil
	}
	return kept
}

// fault says what is wrong with a route that is told by its type and length alone, "" if nothing is. (RFC 7606,
// section 5.4: types that are not known are ignored.)
func fault(kind byte, b []byte) string {
	// Of the ESIs of some types the last octet is 0 (RFC 7432, section 5): the library ends the session for one that is not.
	if kind != 3 && kind <= 5 && len(b) >= 18 && b[17] != 0 && (b[8] == 1 || b[8] == 2 || b[8] == 4 || b[8] == 5) {
		return Malformed
	}
	// at is where the length of an address is, with what comes before it and behind.
	address := func(at int, before, behind int, lens ...int) string {
		if len(b) > at {
			for _, bits := range lens {
				if int(b[at]) == bits && len(b) == before+bits/8+behind {
					return ""
				}
			}
		}
		return Malformed
	}
	switch kind {
	case 1: // RD, ESI, tag, label
		if len(b) != 25 {
			return Malformed
		}
	case 2: // RD, ESI, tag, length and MAC, length and IP, one label or two
		if len(b) < 30 || b[22] != 48 || address(29, 30, 3, 0, 32, 128) != "" && address(29, 30, 6, 0, 32, 128) != "" {
			return Malformed
		}
	case 3: // RD, tag, length and IP
		return address(12, 13, 0, 32, 128)
	case 4: // RD, ESI, length and IP
		return address(18, 19, 0, 32, 128)
	case 5: // RD, ESI, tag, length, prefix, gateway, label
		if bits := map[int]byte{34: 32, 58: 128}[len(b)]; bits == 0 || b[22] > bits {
			return Malformed
		}
	default:
		return fmt.Sprintf("route type %d", kind)
	}
	return ""
}

// communities screens extended communities: the library's decoder fails for those that it does not know.
func (s *screen) communities(v []byte) []byte {
	if len(v)%8 != 0 {
		return v
	}
	kept := make([]byte, 0, len(v))
	for ; len(v) > 0; v = v[8:] {
		switch kind, sub := v[0], v[1]; {
		case kind == 0x06 && sub == SubNDFlags: // which the library can't read
			if s.flags == 0 { // only the first counts
				s.flags = NDFlags(v[2])&(Router|Override|Immutable) | Present
			}
		case s.own:
			kept = append(kept, v[:8]...)
		case kind == 0x06 && sub == SubElection:
			if !s.elects {
				s.elects, s.election = true, Election{v[2] & 0x1f, binary.BigEndian.Uint16(v[6:])}
			}
		case kind == 0x06 && (sub > 5 && sub != 9 || sub == 9 && v[3] == 0):
			s.drop(fmt.Sprintf("community 06%02x", sub))
		case kind == 0x0c:
			s.drop("community 0c")
		default:
			kept = append(kept, v[:8]...)
		}
	}
	return kept
}

// addPathOf reads from an open message which of the ways of RFC 7911 it offers for EVPN: 1 to receive, 2 to send.
func addPathOf(m []byte) (mode byte) {
	for code, tuples := range capabilities(m) {
		if code != 69 {
			continue
		}
		for ; len(tuples) >= 4; tuples = tuples[4:] {
			if binary.BigEndian.Uint16(tuples) == afiL2VPN && tuples[2] == safiEVPN {
				mode |= tuples[3]
			}
		}
	}
	return mode
}

// capabilities are those of an open message (RFC 5492), by their codes. The values are parts of the message.
func capabilities(m []byte) iter.Seq2[byte, []byte] {
	return func(yield func(byte, []byte) bool) {
		if len(m) < headerLen+10 || m[18] != typeOpen {
			return
		}
		params, wide := m[headerLen+10:], false
		if m[headerLen+9] == 255 && len(params) >= 3 && params[0] == 255 { // RFC 9072
			params, wide = params[3:], true
		}
		next := func(b []byte, wide bool) (kind byte, value, rest []byte) {
			head := 2
			if wide {
				head = 3
			}
			if len(b) < head {
				return 0, nil, nil
			}
			n := int(b[1])
			if wide {
				n = int(binary.BigEndian.Uint16(b[1:]))
			}
			if len(b) < head+n {
				return 0, nil, nil
			}
			return b[0], b[head : head+n], b[head+n:]
		}
		for len(params) > 0 {
			var kind byte
			var value []byte
			if kind, value, params = next(params, wide); kind != 2 {
				continue
			}
			for len(value) > 0 {
				var code byte
				var one []byte
				if code, one, value = next(value, false); !yield(code, one) {
					return
				}
			}
		}
	}
}
