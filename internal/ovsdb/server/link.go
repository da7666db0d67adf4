package server

import (
	"errors"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/reconnect"
)

// probeID is the id of the echo requests that probe an idle peer.
const probeID = "echo"

var errNoAnswer = errors.New("no response to inactivity probe")

// link watches over the connection of one session, or of one active remote over the
// sessions it has one after another: it probes an idle peer, and ends the session of one
// that does not answer.
type link struct {
	mu    sync.Mutex // guards what follows
	fsm   *reconnect.FSM
	sess  *session // nil: not connected
	timer *time.Timer
	told  time.Time // the activity that fsm knows of
}

// newLink returns the link of an accepted connection, or with sess nil that of an active
// remote before its first attempt.
func newLink(fsm *reconnect.FSM, sess *session) *link {
	l := &link{fsm: fsm, sess: sess}
	if sess != nil {
		fsm.SetQuiet(true)
		fsm.SetMaxTries(0)
		fsm.Connected(time.Now())
		fsm.ReceiveAttempted(time.Now())
		l.mu.Lock()
		l.schedule()
		l.mu.Unlock()
	}
	return l
}

// do runs f under the link's lock, and then sees to the time of the next probe.
func (l *link) do(f func(fsm *reconnect.FSM, now time.Time)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f(l.fsm, time.Now())
	l.schedule()
}

// attach tells that there is a session, detach that it has ended.
func (l *link) attach(sess *session) {
	l.do(func(fsm *reconnect.FSM, now time.Time) {
		fsm.Connected(now)
		fsm.ReceiveAttempted(now)
		l.sess = sess
	})
}

func (l *link) detach(err error) {
	l.do(func(fsm *reconnect.FSM, now time.Time) {
		l.sess = nil
		fsm.Disconnected(now, err)
	})
}

// stop ends the watch.
func (l *link) stop() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sess = nil
	if l.timer != nil {
		l.timer.Stop()
	}
}

// schedule sets the timer to the next deadline of a connected link. The caller holds mu.
func (l *link) schedule() {
	if l.sess == nil {
		if l.timer != nil {
			l.timer.Stop()
		}
		return
	}
	at, ok := l.fsm.Deadline(time.Now())
	switch {
	case !ok && l.timer != nil:
		l.timer.Stop()
	case !ok:
	case l.timer == nil:
		l.timer = time.AfterFunc(time.Until(at), l.tick)
	default:
		l.timer.Reset(time.Until(at))
	}
}

// tick runs when a deadline has come.
func (l *link) tick() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sess == nil {
		return
	}
	l.observe()
	switch l.fsm.Run(time.Now()) {
	case reconnect.Probe:
		l.sess.send(jsonrpc.AppendRequest(nil, "echo", []byte("[]"), quoted(probeID)))
	case reconnect.Disconnect:
		l.sess.abort(errNoAnswer)
		l.sess = nil
		return
	}
	l.schedule()
}

// observe tells the state machine what the session has seen of its peer. The caller holds
// mu.
func (l *link) observe() {
	if l.sess == nil {
		return
	}
	if l.sess.reading.Load() {
		l.fsm.ReceiveAttempted(time.Now())
	}
	if seen := l.sess.conn.Activity(); seen.After(l.told) {
		l.told = seen
		l.fsm.Activity(seen)
	}
}
