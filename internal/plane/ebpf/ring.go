package ebpf

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// reopenPause is how long a ring buffer that can't be read is left alone.
const reopenPause = time.Second

// ring is a ring buffer of the programs. One that can't be read is opened again: what they have put
// in meanwhile is still there, and what had no room they have counted.
type ring struct {
	what string // is told in it

	mu     sync.Mutex // guards what follows
	open   func() (*ringbuf.Reader, error)
	reader *ringbuf.Reader // nil: it can't be read
	err    error           // why
}

func openRing(what string, open func() (*ringbuf.Reader, error)) (*ring, error) {
	r := &ring{what: what, open: open}
	if err := r.reopen(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *ring) reopen() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	reader, err := r.open()
	if err != nil {
		r.err = fmt.Errorf("open the ring buffer of %s: %w", r.what, err)
		return r.err
	}
	r.reader, r.err = reader, nil
	return nil
}

// current is nil while it can't be read.
func (r *ring) current() *ringbuf.Reader {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.reader
}

// fail notes that it can't be read.
func (r *ring) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.reader != nil {
		r.reader.Close()
	}
	r.reader, r.err = nil, fmt.Errorf("read the ring buffer of %s: %w", r.what, err)
}

// flush has whoever reads return.
func (r *ring) flush() error {
	reader := r.current()
	if reader == nil {
		return nil
	}
	if err := reader.Flush(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil // whoever reads is about to notice
}

func (r *ring) close() {
	if reader := r.current(); reader != nil {
		reader.Close()
	}
}

// problem says that it can't be read, and what follows.
func (r *ring) problem(name, follows string) []problem.Problem {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		return nil
	}
	return []problem.Problem{{Kind: problem.Unread, Object: problem.PhysicalSwitch(name), Text: follows + ": " + r.err.Error(),
		Remedy: "it is tried again every second; if that does not help, restart the process: forwarding goes on meanwhile"}}
}

// ringProblems says which rings can't be read.
func (p *Plane) ringProblems() []problem.Problem {
	list := p.ring.problem(p.opts.Name, "MACs that are new on a port, or on another one, are told late or not at all")
	list = append(list, p.punts.problem(p.opts.Name, "addresses of hosts, members of groups and neighbors of routers are not heard of")...)
	return append(list, p.watchman.ring.problem(p.opts.Name, "what peers say anew by BFD is not heard, so that sessions go down or stay down")...)
}

// readRing hands each record to handle, with the number of bytes that wait behind it, from the first Apply until Close.
func (p *Plane) readRing(r *ring, handle func(b []byte, rest int)) {
	select {
	case <-p.ready:
	case <-p.stop:
		return
	}
	var rec ringbuf.Record
	for {
		reader := r.current()
		if reader == nil {
			select {
			case <-time.After(reopenPause):
			case <-p.stop:
				return
			}
			if r.reopen() == nil {
				p.queue.add(plane.ReportChanged{})
			}
			continue
		}
		switch err := reader.ReadInto(&rec); {
		case err == nil:
			handle(rec.RawSample, rec.Remaining)
		case errors.Is(err, ringbuf.ErrFlushed):
			return // Close wants it
		default:
			r.fail(err)
			p.queue.add(plane.ReportChanged{})
		}
	}
}
