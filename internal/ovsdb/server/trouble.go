package server

import (
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// Trouble is something that keeps a remote from its work.
type Trouble struct {
	Kind    TroubleKind
	Managed bool   // rows of a database list the remote; nobody named it to AddRemote
	Peer    string // the host that was refused
	Reason  string // in words
}

// TroubleKind says what a remote can't do.
type TroubleKind uint8

const (
	CannotListen TroubleKind = iota // it is not served: its address can't be had, or it may not be one
	NoAnswer                        // whom it names has not answered several times in a row
	PeerRefused                     // TLS with the Peer that connected last has failed
	troubleKinds
)

// triesBeforeTrouble is how many attempts in a row have to fail before there is a Trouble: a peer that is
// started again is none.
const triesBeforeTrouble = 3

// refusalMemory is how long it is told that a peer was refused, if it does not come again: it
// may never do.
const refusalMemory = 10 * time.Minute

// troubles is what Options.Troubles was told.
type troubles struct {
	tell func(target string, all []Trouble) // nil: nobody wants to know

	mu       sync.Mutex // guards what follows; held while tell is called, which keeps the order
	byTarget map[string]*troubled
	closed   bool
}

type troubled struct {
	of     [troubleKinds]*Trouble // nil: all is well
	forget *time.Timer            // for PeerRefused
}

func newTroubles(tell func(string, []Trouble)) *troubles {
	return &troubles{tell: tell, byTarget: map[string]*troubled{}}
}

// set takes one Trouble of a target.
func (t *troubles) set(target string, trouble Trouble) {
	if t.tell == nil {
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return
	}
	d := t.byTarget[target]
	if d == nil {
		d = &troubled{}
		t.byTarget[target] = d
	}
	if trouble.Kind == PeerRefused {
		if d.forget == nil {
			d.forget = time.AfterFunc(refusalMemory, func() { t.over(target, PeerRefused, "") })
		} else {
			d.forget.Reset(refusalMemory)
		}
	}
	if old := d.of[trouble.Kind]; old == nil || *old != trouble {
		d.of[trouble.Kind] = &trouble
		t.say(target, d)
	}
}

// over ends a Trouble; of PeerRefused, only that with the peer, if one is named.
func (t *troubles) over(target string, kind TroubleKind, peer string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	d := t.byTarget[target]
	if d == nil || d.of[kind] == nil || t.closed || peer != "" && d.of[kind].Peer != peer {
		return
	}
	d.of[kind] = nil
	t.say(target, d)
}

// say tells what a target has now. The caller holds mu.
func (t *troubles) say(target string, d *troubled) {
	var all []Trouble
	for _, trouble := range d.of {
		if trouble != nil {
			all = append(all, *trouble)
		}
	}
	if all == nil {
		t.drop(target, d)
	}
	t.tell(target, all)
}

func (t *troubles) drop(target string, d *troubled) {
	if d.forget != nil {
		d.forget.Stop()
	}
	delete(t.byTarget, target)
}

// settle takes which remotes there are to be, and which of them can't be opened.
func (t *troubles) settle(wanted map[string]remoteOptions, failed map[string]error) {
	if t.tell == nil {
		return
	}
	t.mu.Lock()
	var gone []string
	for target := range t.byTarget {
		if _, ok := wanted[target]; !ok {
			gone = append(gone, target)
		}
	}
	if !t.closed {
		for _, target := range gone {
			t.drop(target, t.byTarget[target])
			t.tell(target, nil)
		}
	}
	t.mu.Unlock()
	for target, opts := range wanted {
		err := failed[target]
		if opts.refused != "" {
			err = errors.New(opts.refused)
		}
		if err != nil {
			t.set(target, Trouble{Kind: CannotListen, Managed: opts.managed, Reason: stream.Reason(err)})
		} else {
			t.over(target, CannotListen, "")
		}
	}
}

// close ends all telling: that the server ends is no news about its remotes.
func (t *troubles) close() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.closed = true
	for target, d := range t.byTarget {
		t.drop(target, d)
	}
}

// refusal says whether a handshake failed because one side would not have the other, rather
// than because the connection ended, as that of a peer that only looks who is there.
func refusal(err error) bool {
	return !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, net.ErrClosed) &&
		!errors.Is(err, os.ErrDeadlineExceeded) && !errors.As(err, new(syscall.Errno)) && !errors.Is(err, errRemoved)
}

// hostOf is the peer's address, without the port, which is another each time.
func hostOf(nc net.Conn) string {
	if host, _, err := net.SplitHostPort(nc.RemoteAddr().String()); err == nil {
		return host
	}
	return nc.RemoteAddr().String()
}
