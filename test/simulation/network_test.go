package simulation

import (
	"context"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"sync"
	"syscall"
	"time"
)

// network carries the connections between nodes. What is written stays on its way until the
// scheduler delivers it, in any portions; of a partition nothing is delivered, and nothing is lost:
// what was on its way arrives when it ends, perhaps long after the writer has closed the
// connection and made another.
type network struct {
	mu        sync.Mutex // guards all of the network
	links     []*link    // in the order of their making; those that are over are taken out
	dials     []*dial
	listeners map[string]*listener // by node
	cut       map[[2]string]bool   // partitions, by nodes
}

func newNetwork() *network {
	return &network{listeners: map[string]*listener{}, cut: map[[2]string]bool{}}
}

func pair(a, b string) [2]string {
	if a > b {
		a, b = b, a
	}
	return [2]string{a, b}
}

// link is a connection.
type link struct {
	ends [2]*end // of who dialled, and of who listened
}

func (l *link) String() string {
	return l.ends[0].at.node + "-" + l.ends[1].at.node
}

// end is one end of a link.
type end struct {
	net    *network
	link   *link
	at     *process
	peer   *end
	come   *sync.Cond // something below has changed
	way    []byte     // what comes here, on its way
	ready  []byte     // and here, but not read yet
	finish bool       // behind what is on its way comes the end
	eof    bool       // it has come
	closed bool       // by the process that has it
	reset  bool       // the connection was reset
	until  time.Time  // deadline of writes
	wake   *time.Timer
}

// window is how much may be on its way, and not read, before writes wait.
const window = 256 << 10

var errReset = &net.OpError{Op: "read", Net: "sim", Err: os.NewSyscallError("read", syscall.ECONNRESET)}

func (e *end) Read(b []byte) (int, error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	for {
		switch {
		case e.closed || e.at.dead.Load():
			return 0, net.ErrClosed
		case e.reset:
			return 0, errReset
		case len(e.ready) > 0:
			n := copy(b, e.ready)
			e.ready = e.ready[n:]
			e.peer.come.Broadcast()
			return n, nil
		case e.eof:
			return 0, io.EOF
		}
		e.come.Wait()
	}
}

func (e *end) Write(b []byte) (int, error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	for {
		switch {
		case e.closed || e.at.dead.Load():
			return 0, net.ErrClosed
		case e.reset:
			return 0, errReset
		case !e.until.IsZero() && !time.Now().Before(e.until):
			return 0, os.ErrDeadlineExceeded
		case len(e.peer.way)+len(e.peer.ready) < window:
			e.peer.way = append(e.peer.way, b...)
			return len(b), nil
		}
		e.come.Wait()
	}
}

// Close has the peer see the end of the stream behind what is on its way.
func (e *end) Close() error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if !e.closed {
		e.closed = true
		e.peer.finish = true
		e.come.Broadcast()
	}
	return nil
}

func (e *end) SetWriteDeadline(t time.Time) error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	e.until = t
	if e.wake != nil {
		e.wake.Stop()
	}
	e.wake = time.AfterFunc(time.Until(t), func() {
		e.net.mu.Lock()
		defer e.net.mu.Unlock()
		e.come.Broadcast()
	})
	return nil
}

func (e *end) SetDeadline(t time.Time) error   { return e.SetWriteDeadline(t) }
func (e *end) SetReadDeadline(time.Time) error { return nil }
func (e *end) LocalAddr() net.Addr             { return addr(e.at.node) }
func (e *end) RemoteAddr() net.Addr            { return addr(e.peer.at.node) }

type addr string

func (a addr) Network() string { return "sim" }
func (a addr) String() string  { return string(a) }

// dial is an attempt to connect that the scheduler has not seen yet.
type dial struct {
	from *process
	to   string
	done chan dialled // cap 1
}

type dialled struct {
	end *end
	err error
}

// dial connects a process to the listener of a node.
func (n *network) dial(ctx context.Context, from *process, to string) (net.Conn, error) {
	d := &dial{from, to, make(chan dialled, 1)}
	n.mu.Lock()
	n.dials = append(n.dials, d)
	n.mu.Unlock()
	select {
	case r := <-d.done:
		if r.err != nil {
			return nil, r.err
		}
		return r.end, nil
	case <-ctx.Done():
		n.mu.Lock()
		defer n.mu.Unlock()
		n.dials = slices.DeleteFunc(n.dials, func(o *dial) bool { return o == d })
		select {
		case r := <-d.done:
			if r.err == nil {
				go r.end.Close()
			}
		default:
		}
		return nil, context.Cause(ctx)
	}
}

// listener accepts connections of a process.
type listener struct {
	net    *network
	at     *process
	come   *sync.Cond
	queue  []*end
	closed bool
}

func (n *network) listen(at *process) *listener {
	l := &listener{net: n, at: at, come: sync.NewCond(&n.mu)}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.listeners[at.node] = l
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	for len(l.queue) == 0 && !l.closed && !l.at.dead.Load() {
		l.come.Wait()
	}
	if l.closed || l.at.dead.Load() {
		return nil, net.ErrClosed
	}
	e := l.queue[0]
	l.queue = l.queue[1:]
	return e, nil
}

func (l *listener) Close() error {
	l.net.mu.Lock()
	defer l.net.mu.Unlock()
	l.closed = true
	if l.net.listeners[l.at.node] == l {
		delete(l.net.listeners, l.at.node)
	}
	l.come.Broadcast()
	return nil
}

func (l *listener) Addr() net.Addr { return addr(l.at.node) }

// progress delivers a part of what is on its way: of each stream all, something, or nothing. It says whether
// there was anything that could be delivered.
func (n *network) progress(r *rand.Rand, all bool) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	had := false
	luck := r.Uint64() // each stream has its own: what one has does not change the others
	of := func(from, to string) *rand.Rand {
		h := fnv.New64a()
		h.Write([]byte(from + " " + to))
		return rand.New(rand.NewPCG(luck, h.Sum64()))
	}
	dials := n.dials
	n.dials = nil
	for _, d := range dials {
		if n.cut[pair(d.from.node, d.to)] || !all && of(d.from.node, d.to).IntN(3) == 0 {
			n.dials = append(n.dials, d)
			continue
		}
		had = true
		l := n.listeners[d.to]
		if l == nil || d.from.dead.Load() {
			d.done <- dialled{err: &net.OpError{Op: "dial", Net: "sim", Err: syscall.ECONNREFUSED}}
			continue
		}
		d.done <- dialled{end: n.connect(d.from, l)}
	}
	n.links = slices.DeleteFunc(n.links, func(l *link) bool {
		a, b := l.ends[0], l.ends[1]
		return a.gone() && b.gone()
	})
	for _, l := range n.links {
		if n.cut[pair(l.ends[0].at.node, l.ends[1].at.node)] {
			continue
		}
		for _, e := range l.ends {
			if len(e.way) == 0 && (!e.finish || e.eof) || e.reset || e.at.silent.Load() {
				continue
			}
			had = true
			if all {
				e.deliver(nil, true)
			} else if r := of(e.peer.at.node, e.at.node); r.IntN(3) > 0 {
				e.deliver(r, false)
			}
		}
	}
	return had
}

// gone says that nobody uses the end any more, nor ever will.
func (e *end) gone() bool { return e.closed || e.at.dead.Load() && !e.at.silent.Load() }

// deliver delivers what is on its way to e, or a part of it. The network is locked.
func (e *end) deliver(r *rand.Rand, all bool) {
	if e.gone() { // as the kernel answers for a socket that is not there
		e.way = nil
		e.finish, e.eof = true, true
		if !e.peer.closed {
			e.peer.reset = true
			e.peer.come.Broadcast()
		}
		return
	}
	k := len(e.way)
	if !all && k > 0 && r.IntN(4) == 0 {
		k = r.IntN(k)
	}
	e.ready = append(e.ready, e.way[:k]...)
	if e.way = e.way[k:]; len(e.way) == 0 {
		e.way = nil
		e.eof = e.finish
	}
	e.come.Broadcast()
}

// connect makes a link. The network is locked.
func (n *network) connect(from *process, l *listener) *end {
	k := &link{}
	for i, at := range []*process{from, l.at} {
		k.ends[i] = &end{net: n, link: k, at: at, come: sync.NewCond(&n.mu)}
	}
	k.ends[0].peer, k.ends[1].peer = k.ends[1], k.ends[0]
	n.links = append(n.links, k)
	l.queue = append(l.queue, k.ends[1])
	l.come.Broadcast()
	return k.ends[0]
}

// kill ends what a process has in the network. A machine that has lost power says nothing, until it is back;
// of a process that has died the kernel closes the connections.
func (n *network) kill(p *process, silent bool) {
	p.silent.Store(silent)
	p.dead.Store(true)
	n.mu.Lock()
	defer n.mu.Unlock()
	if l := n.listeners[p.node]; l != nil && l.at == p {
		delete(n.listeners, p.node)
		l.come.Broadcast()
	}
	for _, k := range n.links {
		for _, e := range k.ends {
			if e.at != p {
				continue
			}
			e.come.Broadcast()
			if !silent {
				e.peer.finish = true
			}
		}
	}
}

// reboot has the machine of a process that lost power answer again: it knows of no connection.
func (n *network) reboot(p *process) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, k := range n.links {
		for _, e := range k.ends {
			if e.at == p && !e.peer.closed && p.silent.Load() {
				e.peer.reset = true
				e.peer.come.Broadcast()
			}
		}
	}
	p.silent.Store(false)
}

// sever resets the oldest connection of a node to another, at both ends. What was on its way to the one that dialled is lost; what was on its
// way to the other, too, or it has arrived.
func (n *network) sever(r *rand.Rand, from, to string) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	i := slices.IndexFunc(n.links, func(k *link) bool { return k.ends[0].at.node == from && k.ends[1].at.node == to })
	if i < 0 {
		return ""
	}
	k := n.links[i]
	if r.IntN(2) == 0 && !n.cut[pair(k.ends[0].at.node, k.ends[1].at.node)] {
		k.ends[1].deliver(r, true) // requests arrive, their answers do not
		k.ends[0].way, k.ends[0].reset = nil, true
		k.ends[1].finish, k.ends[1].eof = true, true
	} else {
		for _, e := range k.ends {
			e.way, e.reset = nil, true
		}
	}
	for _, e := range k.ends {
		e.come.Broadcast()
	}
	return k.String()
}

// partition cuts nodes off from each other, or joins them again.
func (n *network) partition(a, b string, cut bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if cut {
		n.cut[pair(a, b)] = true
	} else {
		delete(n.cut, pair(a, b))
	}
}

func (n *network) isCut(a, b string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cut[pair(a, b)]
}

func (n *network) heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	clear(n.cut)
}
