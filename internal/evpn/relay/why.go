package relay

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strings"
	"syscall"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// Why there is no session with a neighbour the library tells by the states of its connection to the relay. The relay knows
// what was said, and by whom, and what the kernel has answered.

// trouble is why a link has no session, or what is wrong with the one that it has. The zero trouble: nothing is known.
type trouble struct {
	up    bool
	ended string // why the last session has ended; "": there was none
	since string // why there is no connection, or no session; while there is one, what is missing in it
	told  string // what of that was logged last
}

// whySilent is most often so since the neighbor knows nobody with this address.
const whySilent = "the neighbor ends connections without a word, as where it has no neighbor of this address"

// Other reasons.
const (
	whyClosed = "the neighbor has closed the connection"
	whyOwnEnd = "this side has closed the connection"
	whyNoEVPN = "the neighbor does not offer the address family l2vpn evpn: it has to be activated there"
)

// cantConnect is before what the kernel says.
const cantConnect = "can't connect: "

// neighborError is that of a connection to a neighbour, not to the library.
type neighborError struct{ err error }

func (e *neighborError) Error() string { return e.err.Error() }

func (e *neighborError) Unwrap() error { return e.err }

// whyEnded says by the error of a connection what has ended it.
func whyEnded(err error) string {
	of := (*neighborError)(nil)
	switch {
	case !errors.As(err, &of) || errors.Is(of, net.ErrClosed):
		return whyOwnEnd
	case errors.Is(of, io.EOF), errors.Is(of, io.ErrUnexpectedEOF), errors.Is(of, syscall.ECONNRESET), errors.Is(of, syscall.EPIPE):
		return whyClosed
	}
	return "the connection has failed: " + of.Error()
}

// Trouble is why there is no session with a neighbour, or what is missing in the one that there is; "": nothing is known.
func (r *Relay) Trouble(neighbor netip.Addr) string {
	l := r.link(neighbor)
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.trouble.text()
}

// NoSession is why there is no session with a neighbour; "": nothing is known, as of one whose end has not been noted yet.
func (r *Relay) NoSession(neighbor netip.Addr) string {
	l := r.link(neighbor)
	if l == nil {
		return ""
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble.up {
		return ""
	}
	return l.trouble.text()
}

func (t *trouble) text() string {
	if t.ended == "" || t.ended == t.since {
		return t.since
	}
	return strings.TrimSuffix(t.ended+"; "+t.since, "; ")
}

// hinder notes why there is no connection, or no session. It is logged once, until there is one or the reason is another.
func (l *link) hinder(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble.up {
		return
	}
	l.trouble.since = why
	if l.trouble.told != why {
		l.trouble.told = why
		l.log.Info("no connection to a neighbor yet", "neighbor", l.Address, "why", why)
	}
}

// unhinder notes that there is a connection.
func (l *link) unhinder() {
	l.mu.Lock()
	l.trouble.since = ""
	l.mu.Unlock()
}

// begins notes that there is a session, and what it lacks.
func (l *link) begins(lacks string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.trouble = trouble{up: true, since: lacks}
	if lacks != "" {
		l.log.Warn("BGP session", "neighbor", l.Address, "err", lacks)
	}
}

// lost notes why the session has ended; "": what is known stays.
func (l *link) lost(why string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.trouble.up = false; why != "" {
		l.trouble = trouble{ended: why}
	}
}

// notification says what one is about (RFC 4271, section 4.5), with the words of a shutdown (RFC 9003).
func notification(m []byte) string {
	b := m[headerLen:]
	if len(b) < 2 {
		return "a NOTIFICATION without a code"
	}
	text := fmt.Sprintf("NOTIFICATION %v", bgp.NewNotificationErrorCode(b[0], b[1]))
	const cease, shutdown, reset = 6, 2, 4
	if words := b[2:]; b[0] == cease && (b[1] == shutdown || b[1] == reset) && len(words) > 0 && int(words[0]) < len(words) {
		if said := strings.ToValidUTF8(string(words[1:1+words[0]]), "?"); said != "" {
			text += fmt.Sprintf(" %q", said)
		}
	}
	return text
}

// unreached says why a connection has not come about. Segments with another signature get no answer.
func unreached(err error) string {
	text := cantConnect + err.Error()
	if timeout := net.Error(nil); errors.As(err, &timeout) && timeout.Timeout() {
		text += "; nobody answers, as where the neighbor has another password, or only one of both has one"
	}
	return text
}
