package relay

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v4/pkg/packet/bgp"
)

// What an Event is.
type What int

// The events of a neighbour come in this order, from one session after the other.
const (
	Opened What = iota // a session has begun
	Heard              // routes are announced, or withdrawn
	Whole              // all that there was to say at the beginning has been (End-of-RIB)
	Ended
)

// Event is what has come of a neighbour.
type Event struct {
	Neighbor netip.Addr
	What     What
	Update   *Update // of Heard

	// Keep is of Ended how long the routes stay without a session; 0: they go at once. Of Opened it is not 0 if those of the
	// session before stay till Whole. (Graceful restart: RFC 4724.)
	Keep time.Duration

	Restarted bool // of Opened: the neighbour has restarted, and nobody is to wait for all that it has to say
}

// Update is a message of routes of EVPN.
type Update struct {
	Announced, Withdrawn []bgp.PathNLRI
	Attrs                []bgp.PathAttributeInterface // of Announced
	Flags                NDFlags                      // of Announced
	Election             Election                     // likewise
}

// Election is the community of RFC 8584 about how the designated forwarder of a segment is elected. The zero Election is that
// of a route without it.
type Election struct {
	Algorithm  uint8  // 0: by modulo
	Preference uint16 // for ByPreference
}

// ByPreference is the algorithm of RFC 9785: the highest preference.
const ByPreference = 2

// NDFlags are those of the community of RFC 9047 about the address of a host; 0: there is no such community.
type NDFlags uint16

// The flags.
const (
	Router    NDFlags = 0x01 // the host is an IPv6 router
	Override  NDFlags = 0x02 // it is no anycast address
	Immutable NDFlags = 0x08 // the address does not go to another MAC
	Present   NDFlags = 1 << 8
)

// Names are those of the flags that are set.
func (f NDFlags) Names() []string {
	names := []string{}
	for _, flag := range []struct {
		flag NDFlags
		name string
	}{{Router, "router"}, {Override, "override"}, {Immutable, "immutable"}} {
		if f&flag.flag != 0 {
			names = append(names, flag.name)
		}
	}
	return names
}

// session is that of one connection to the neighbour, and one of the library.
type session struct {
	*link
	library, neighbor net.Conn
	from              *bufio.Reader // of library
	offered           byte          // of ADD-PATH, by the library

	accepted  chan struct{} // closed when the library has accepted the neighbour's open
	notified  atomic.Bool   // either has ended the session by a notification
	as        atomic.Uint32 // that the neighbour says it is of
	why       atomic.Value  // a string: what has ended the session; nil: nobody has said
	refreshes atomic.Bool   // the neighbour may ask for routes

	writing sync.Mutex    // guards what follows
	to      *bufio.Writer // of library

	saying sync.Mutex    // guards what follows
	out    *bufio.Writer // of neighbor

	// What follows is of inbound.
	screen    screen
	options   bgp.MarshallingOption
	restart   time.Duration // in which the neighbour means to be back
	graceful  bool          // it has said so for EVPN
	restarted bool          // it has restarted
	extended  bool          // messages may be longer (RFC 8654), as the library always offers
	confirmed bool          // it has accepted the library's open
	opened    bool          // Opened was told
	forgets   bool          // it may not say all at the beginning, and is to be asked again (forgetful.go)
	ends      bool          // it says when it has said all
	offers    bool          // routes of EVPN
	assured   time.Time     // when the library has heard last, in place of routes, that the neighbour is there
}

// families are those of a session.
var families = map[bgp.Family]bgp.BGPAddPathMode{bgp.RF_EVPN: bgp.BGP_ADD_PATH_NONE}

// batch is how many octets are read from, or written to, a neighbour at once.
const batch = 16 << 10

// inbound carries what the neighbour says. Routes go into the events, and in place of them the library hears that the neighbour
// is there.
func (s *session) inbound(ctx context.Context) error {
	from, buf := bufio.NewReaderSize(s.neighbor, batch), make([]byte, usualLen)
	s.screen = screen{drop: s.ignore}
	for {
		if from.Buffered() == 0 {
			if err := s.flush(); err != nil {
				return err
			}
		}
		m, err := readMessage(from, buf)
		if err != nil {
			return errors.Join(&neighborError{err}, s.flush())
		}
		switch m[18] {
		case typeOpen:
			s.read(m)
		case typeNotification:
			s.notified.Store(true)
			s.says("the neighbor has sent " + notification(m))
		case typeUpdate:
			if m, err = s.update(ctx, m); err != nil {
				return err
			}
			if m == nil {
				continue
			}
		}
		if m[18] == typeKeepalive { // at once: a neighbour with much to say may make no pause before the library has waited too long
			err = s.answer(m)
		} else {
			err = s.write(m)
		}
		if err != nil {
			return err
		}
		if m[18] == typeKeepalive && !s.confirmed {
			s.confirmed = true
			if err := s.begin(ctx); err != nil {
				return err
			}
		}
	}
}

// write says something to the library, with the next flush.
func (s *session) write(m []byte) error {
	s.writing.Lock()
	defer s.writing.Unlock()
	_, err := s.to.Write(m)
	return err
}

func (s *session) flush() error {
	s.writing.Lock()
	defer s.writing.Unlock()
	return s.to.Flush()
}

// answer says something to the library at once.
func (s *session) answer(m []byte) error {
	if err := s.write(m); err != nil {
		return err
	}
	return s.flush()
}

// read reads the neighbour's open. What is wrong with it the library finds out.
func (s *session) read(m []byte) {
	s.screen.addPath = addPathOf(m)&2 != 0 && s.offered&1 != 0
	s.options.AddPath = families
	if s.screen.addPath {
		s.options.AddPath = map[bgp.Family]bgp.BGPAddPathMode{bgp.RF_EVPN: bgp.BGP_ADD_PATH_RECEIVE}
	}
	s.options.Use2ByteAS = true
	parsed, err := bgp.ParseBGPMessage(m)
	if s.offers = err != nil; s.offers {
		return // what it offers is not known
	}
	open := parsed.Body.(*bgp.BGPOpen)
	s.as.Store(uint32(open.MyAS))
	for _, p := range open.OptParams {
		p, ok := p.(*bgp.OptionParameterCapability)
		if !ok {
			continue
		}
		for _, c := range p.Capability {
			switch c := c.(type) {
			case *bgp.CapFourOctetASNumber:
				s.options.Use2ByteAS = false
				s.as.Store(c.CapValue)
			case *bgp.CapMultiProtocol:
				s.offers = s.offers || c.CapValue == bgp.RF_EVPN
			case *bgp.CapRouteRefresh:
				s.refreshes.Store(true)
			case *bgp.CapExtendedMessage:
				s.extended = true
			case *bgp.CapSoftwareVersion:
				s.forgets = forgetful(c.SoftwareVersion)
			case *bgp.CapGracefulRestart:
				s.ends, s.graceful, s.restart, s.restarted = true, false, time.Duration(c.Time)*time.Second, c.Flags&(flagRestart>>4) != 0
				for _, t := range c.Tuples {
					s.graceful = s.graceful || t.AFI == afiL2VPN && t.SAFI == safiEVPN
				}
			}
		}
	}
}

// begin waits until the library has accepted the neighbour: until then nobody knows whether what it says counts.
func (s *session) begin(ctx context.Context) error {
	select {
	case <-s.accepted:
	case <-ctx.Done():
		return ctx.Err()
	}
	s.opened = true
	lacks := ""
	if !s.offers {
		lacks = whyNoEVPN
	}
	s.begins(lacks)
	keep := time.Duration(0)
	if s.graceful {
		keep = max(s.restart, time.Second)
	}
	return s.emit(ctx, Event{What: Opened, Keep: keep, Restarted: s.restarted})
}

// end tells of the end of the session. A neighbour whose connection has ended without a word, or that was quiet for
// too long, may be about to come back. why is what has ended the connection, if nobody has said anything else; "": that is nobody's trouble.
func (s *session) end(why string) {
	if said, ok := s.why.Load().(string); ok {
		why = said
	}
	if !s.opened {
		if why != "" {
			s.hinder(why)
		}
		return
	}
	s.lost(why)
	e := Event{Neighbor: s.Address, What: Ended}
	if s.graceful && !s.notified.Load() {
		e.Keep = s.restart
	}
	select {
	case s.events <- e:
	case <-s.over: // nobody reads any more
	}
}

// alive is how often the library hears that the neighbour is there, while that says something, or has to wait. Hold times are
// of three seconds, or more; that long may pass three times, where events have to wait, too.
const alive = time.Second / 2

// emit tells of an event, when there is room. The neighbour has to wait till then, but is there.
func (s *session) emit(ctx context.Context, e Event) error {
	e.Neighbor = s.Address
	select {
	case s.events <- e:
		return nil
	default:
	}
	again := time.NewTicker(alive)
	defer again.Stop()
	for {
		select {
		case s.events <- e:
			return nil
		case <-again.C:
			if err := s.answer(keepalive); err != nil {
				return err
			}
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// update tells of the routes in a message, and returns what the library gets in place of it, nil for nothing. Of what has no form
// that is the message itself: the library ends the session.
func (s *session) update(ctx context.Context, m []byte) ([]byte, error) {
	if len(m) > bgp.BGP_MAX_MESSAGE_LENGTH && !s.extended || !s.opened {
		return m, nil
	}
	original := m
	s.screen.flags, s.screen.election, s.screen.elects = 0, Election{}, false
	if m = s.screen.update(m); m == nil {
		return s.there(), nil
	}
	m = slices.Clone(m) // what is read of it refers to it
	parsed, err := bgp.ParseBGPMessage(m, &s.options)
	if parsed == nil {
		return original, nil
	}
	body, ok := parsed.Body.(*bgp.BGPUpdate)
	if !ok || len(body.NLRI)+len(body.WithdrawnRoutes) > 0 {
		return original, nil
	}
	if err == nil {
		_, err = bgp.ValidateUpdateMsg(body, families, s.External, false, true)
	}
	handling := bgp.ERROR_HANDLING_NONE
	if wrong := (*bgp.MessageError)(nil); errors.As(err, &wrong) {
		handling = wrong.ErrorHandling
	} else if err != nil {
		return original, nil
	}
	u, whole := s.routes(body)
	switch {
	case handling == bgp.ERROR_HANDLING_SESSION_RESET || handling == bgp.ERROR_HANDLING_AFISAFI_DISABLE:
		return original, nil
	case handling == bgp.ERROR_HANDLING_TREAT_AS_WITHDRAW: // RFC 7606, section 2
		s.ignore(MalformedAttribute)
		u.Withdrawn, u.Announced = append(u.Withdrawn, u.Announced...), nil
	case handling == bgp.ERROR_HANDLING_ATTRIBUTE_DISCARD:
		s.ignore(MalformedAttribute)
	}
	if asked, err := s.again(whole); err != nil {
		return nil, err
	} else if whole && !asked {
		return m, s.emit(ctx, Event{What: Whole}) // the library may wait for it
	}
	if len(u.Announced)+len(u.Withdrawn) == 0 {
		return m, nil
	}
	return s.there(), s.emit(ctx, Event{What: Heard, Update: u})
}

// there is what the library gets in place of routes, nil for nothing: it has heard a short time ago that the neighbour is there. It would look at
// each message.
func (s *session) there() []byte {
	now := time.Now()
	if now.Sub(s.assured) < alive {
		return nil
	}
	s.assured = now
	return keepalive
}

// routes are those of EVPN of a message. whole says that it is the End-of-RIB of EVPN.
func (s *session) routes(body *bgp.BGPUpdate) (u *Update, whole bool) {
	u = &Update{Attrs: body.PathAttributes, Flags: s.screen.flags, Election: s.screen.election}
	for _, a := range body.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			if a.AFI == afiL2VPN && a.SAFI == safiEVPN {
				u.Announced = a.Value
			}
		case *bgp.PathAttributeMpUnreachNLRI:
			if a.AFI == afiL2VPN && a.SAFI == safiEVPN {
				u.Withdrawn = a.Value
				whole = len(a.Value) == 0 && len(body.PathAttributes) == 1
			}
		}
	}
	return u, whole
}

// outbound carries what the library says.
func (s *session) outbound() error {
	buf := make([]byte, usualLen)
	screen, ending := screen{own: true}, ending{last: s.last, ask: s.refresh}
	accepted := false
	for {
		if s.from.Buffered() == 0 {
			if err := s.flushOut(); err != nil {
				return &neighborError{err}
			}
		}
		m, err := readMessage(s.from, buf)
		if err != nil {
			return errors.Join(err, s.flushOut())
		}
		switch m[18] {
		case typeKeepalive:
			if !accepted {
				accepted = true
				close(s.accepted)
			}
		case typeNotification:
			if len(m) < headerLen+1 || m[headerLen] != bgp.BGP_ERROR_HOLD_TIMER_EXPIRED {
				s.notified.Store(true)
			}
			s.says("this side has sent " + s.told(m))
		case typeUpdate:
			if m = ending.update(m); m != nil && !s.NDFlags {
				m = screen.update(m)
			}
		}
		if err := s.say(m); err != nil { // nil: nothing
			return &neighborError{err}
		}
	}
}

// says notes what ends the session: what was said first.
func (s *session) says(why string) { s.why.CompareAndSwap(nil, why) }

// told is what a notification of the library's is about.
func (s *session) told(m []byte) string {
	text := notification(m)
	if b := m[headerLen:]; len(b) > 1 && b[0] == bgp.BGP_ERROR_OPEN_MESSAGE_ERROR && b[1] == bgp.BGP_ERROR_SUB_BAD_PEER_AS {
		text += fmt.Sprintf(": the neighbor is of AS %d", s.as.Load())
	}
	return text
}

// say says something to the neighbour, with the next flush.
func (s *session) say(m []byte) error {
	s.saying.Lock()
	defer s.saying.Unlock()
	_, err := s.out.Write(m)
	return err
}

func (s *session) flushOut() error {
	s.saying.Lock()
	defer s.saying.Unlock()
	return s.out.Flush()
}
