package relay

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// Graceful restart of this speaker (RFC 4724). A neighbour keeps the routes of the session before until it hears the
// End-of-RIB of this one. The library says that as soon as there is a session, when hosts are not announced yet; and it knows
// neither that this process has begun, nor that VTEPs forward whatever becomes of it. So the relay
//
//   - says in the open that the speaker has restarted, until Options.Last has been announced: nobody is to wait for it;
//   - says there that forwarding goes on;
//   - takes the End-of-RIB out, until Options.Last has come by, which the library has got behind everything else, and asks for another
//     one then: the library sorts what it announces at once by attributes, and says the End-of-RIB behind that.

// The capability (section 3).
const (
	capGraceful  = 64
	flagRestart  = 0x80 // of the first octet: the speaker has restarted
	flagForwards = 0x80 // of a family: forwarding goes on
)

// Complete says that all that there is to say at the beginning has been given to the library; Options.Last comes next.
func (r *Relay) Complete() { r.complete.Store(true) }

// opening is the library's open as the neighbour gets it.
func (l *link) opening(open []byte) []byte {
	if len(l.last) == 0 {
		return open
	}
	open = slices.Clone(open)
	for code, value := range capabilities(open) {
		if code != capGraceful || len(value) < 2 {
			continue
		}
		if !l.complete.Load() {
			value[0] |= flagRestart
		}
		for of := value[2:]; len(of) >= 4; of = of[4:] {
			of[3] |= flagForwards
		}
	}
	return open
}

// ending is what takes the End-of-RIB out of a session.
type ending struct {
	last []byte       // as in Options; nil: nothing is taken out
	ask  func() error // has the library announce everything again, and an End-of-RIB behind it; it may say that it can't
	come bool         // last has come by
	out  []byte       // an End-of-RIB that was taken out
}

// update returns what the neighbour gets of an update of the library's, nil for nothing.
func (e *ending) update(m []byte) []byte {
	switch {
	case e.last == nil:
		return m
	case bytes.Contains(m, e.last):
		out := e.out
		e.come, e.out = true, nil
		if out == nil || e.ask() == nil {
			return nil
		}
		return out
	case !e.come && ends(m):
		e.out = slices.Clone(m)
		return nil
	}
	return m
}

// errNoRefresh is of a neighbour: the library takes no request for routes from it.
var errNoRefresh = errors.New("the neighbor does not ask for routes")

// refresh asks the library for its routes, in the name of the neighbour.
func (s *session) refresh() error {
	if !s.refreshes.Load() {
		return errNoRefresh
	}
	return s.answer(refresh)
}

// ends says whether an update is the End-of-RIB of EVPN (section 2): MP_UNREACH_NLRI without routes, and nothing else.
func ends(m []byte) bool {
	b := m[headerLen:]
	if len(b) < 10 || binary.BigEndian.Uint16(b) != 0 || b[5] != attrUnreach {
		return false
	}
	value := b[7:]
	if b[4]&0x10 != 0 {
		value = b[8:]
	}
	return len(value) == 3 && binary.BigEndian.Uint16(value) == afiL2VPN && value[2] == safiEVPN
}
