package client

import (
	"net"
	"strconv"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Local is the client's end of a connection to a server in the same process.
type Local struct {
	net.Conn
	Values *Values
}

// Values hands rows from a server to a client in the same process, which then share them: nothing is
// written as text, read again, and kept twice. The messages are the same as ever, in the same order,
// but for a token that stands where the changed rows would: it is exchanged for them when its message
// is read. Nothing of this is done unless the client has called Open, and its methods may be called by
// any goroutine.
type Values struct {
	mu   sync.Mutex // guards what follows
	open bool
	last uint64 // token that was given out
	held map[uint64]handed
	size int // of all in held
}

type handed struct {
	changes ovsdb.Changes
	size    int
}

// NewValues returns Values that nobody has opened.
func NewValues() *Values { return &Values{held: map[uint64]handed{}} }

// Open says that tokens are understood in updates of monitors that are made from now on.
func (v *Values) Open() {
	if v == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.open = true
}

// Wanted says whether tokens are understood.
func (v *Values) Wanted() bool {
	if v == nil {
		return false
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.open
}

// Put gives a token, as JSON, for changes that keep about size bytes from being freed. nil: they have to be
// written as text, as what was handed over and not taken yet would keep more than limit bytes.
func (v *Values) Put(changes ovsdb.Changes, size, limit int) (token []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.size > 0 && v.size+size > limit {
		return nil
	}
	v.last++
	v.held[v.last] = handed{changes, size}
	v.size += size
	return strconv.AppendUint(nil, v.last, 10)
}

// take gives the changes for a token; nil: it is none.
func (v *Values) take(token wire.Value) ovsdb.Changes {
	if v == nil || token.Kind() != wire.Integer {
		return nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	h := v.held[uint64(token.Int())]
	delete(v.held, uint64(token.Int()))
	v.size -= h.size
	return h.changes
}
