package capture

import (
	"context"
	"errors"
	"hash/maphash"
	"io"
	"slices"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

const (
	mostBytes  = 65535 // of a frame
	leastBytes = 128   // that a plane is asked for: by so many a frame is known again
	overhead   = 256   // bytes that a frame which waits takes beside its own

	// patience is how long frames wait for such as are older, which come by another way.
	patience = 20 * time.Millisecond
	// known is how long a frame is known again in a packet around it, at least.
	known = 2 * time.Second
	// mostKnown frames are known for less, if more come. Twice as many are noted at most.
	mostKnown = 1 << 16
	// namesPause is how long nothing is asked after names were.
	namesPause = time.Second
)

// Source is where frames come from.
type Source struct {
	Plane   plane.Capturer
	Names   func(context.Context) (Names, error)
	Name    string // of the Physical_Switch
	Program string // and its version
}

// Total is what came of a capture.
type Total struct {
	Written uint64 // frames and packets
	Lost    uint64 // those that there was no room for
}

// Add adds what came of another part of the same capture.
func (t *Total) Add(o Total) { t.Written, t.Lost = t.Written+o.Written, t.Lost+o.Lost }

// ErrCut is returned of a capture that was not brought to its end.
var ErrCut = errors.New("the VTEP has ended: what it did not write any more is missing")

// run is a capture that is under way.
type run struct {
	*job
	source Source
	seed   maphash.Seed

	mu      sync.Mutex // guards what follows
	total   Total
	queue   []frame
	waiting int // bytes of frames that were shown and are not written
	lost    uint64
	inner   map[uint64]sighting // frames that were seen lately, by their hash
	before  map[uint64]sighting // those before them
	turned  time.Time           // when the ones became the others
	more    chan struct{}
}

// frame is one that was shown.
type frame struct {
	plane.Captured
	hash  uint64 // of what is inside; 0: not known
	takes int    // bytes
}

// sighting is of a frame.
type sighting struct {
	frame uint64
	at    time.Time
}

// Capture is one that has begun.
type Capture struct {
	run   *run
	plane plane.Capture
	names Names
}

// Start has a capture begin. Its Write must be called.
func Start(ctx context.Context, source Source, q *Request) (*Capture, error) {
	names, err := source.Names(ctx)
	if err != nil {
		return nil, err
	}
	j, err := q.understand(&names, source.Plane.DropReasons())
	if err != nil {
		return nil, err
	}
	if !j.inside && !source.Plane.ShowsAround() {
		return nil, errors.New("this dataplane has no packets around frames, which --outer asks for alone: leave that out")
	}
	r := &run{job: j, source: source, seed: maphash.MakeSeed(), inner: map[uint64]sighting{}, more: make(chan struct{}, 1)}
	c, err := source.Plane.StartCapture(ctx, j.want, r.show)
	if err != nil {
		return nil, err
	}
	return &Capture{r, c, names}, nil
}

// Write writes it to w, as pcapng, until ctx ends, w takes no more, or all that was asked for has come. It ends
// the capture, and is called once.
func (c *Capture) Write(ctx context.Context, w io.Writer) (Total, error) {
	defer c.plane.Close()
	return c.run.write(ctx, w, c.plane, c.names)
}

// Total is what came of it so far. It may be called by any goroutine.
func (c *Capture) Total() Total {
	c.run.mu.Lock()
	defer c.run.mu.Unlock()
	return c.run.total
}

// show takes what a plane shows.
func (r *run) show(c *plane.Captured) {
	length := c.Length - (len(c.Data) - len(c.Inner))
	if !r.filter.Match(c.Inner, length) {
		return
	}
	f := frame{Captured: *c}
	if len(c.Inner) > 0 {
		f.hash = maphash.Bytes(r.seed, c.Inner[:min(len(c.Inner), leastBytes)]) + uint64(length)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if c.Device == "" && f.hash != 0 && r.want.Around {
		r.see(f.hash, sighting{c.Frame, c.At})
	}
	if c.Device == "" && !r.inside {
		return
	}
	f.Data = c.Data[:min(len(c.Data), r.snaplen)]
	f.takes = len(f.Data) + overhead
	if r.waiting+f.takes > r.buffer {
		r.lost++
		return
	}
	f.Data, f.Inner = slices.Clone(f.Data), nil
	r.waiting += f.takes
	r.queue = append(r.queue, f)
	select {
	case r.more <- struct{}{}:
	default:
	}
}

// see notes a frame. r.mu is held.
func (r *run) see(hash uint64, s sighting) {
	if len(r.inner) >= mostKnown || s.at.Sub(r.turned) >= known {
		r.inner, r.before, r.turned = map[uint64]sighting{}, r.inner, s.at
	}
	r.inner[hash] = s
}

// seen finds one that was noted. r.mu is held.
func (r *run) seen(hash uint64) (sighting, bool) {
	s, ok := r.inner[hash]
	if !ok {
		s, ok = r.before[hash]
	}
	return s, ok
}

// due takes out of the queue what was shown long enough ago, or with all everything, oldest first. Packets around frames that
// are not wanted are left out.
func (r *run) due(all bool) (list []frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	slices.SortStableFunc(r.queue, func(a, b frame) int { return a.At.Compare(b.At) })
	limit := time.Now().Add(-patience)
	n := 0
	for n < len(r.queue) && (all || r.queue[n].At.Before(limit)) {
		n++
	}
	for _, f := range r.queue[:n] {
		if f.Device != "" {
			s, ok := r.seen(f.hash)
			if !ok && r.want.AnyPort {
				r.waiting -= f.takes
				continue
			}
			f.Frame = s.frame
		}
		list = append(list, f)
	}
	r.queue = append(r.queue[:0:0], r.queue[n:]...)
	return list
}

// taken notes that frames are written.
func (r *run) taken(list []frame) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range list {
		r.waiting -= f.takes
	}
}

// write writes until ctx ends.
func (r *run) write(ctx context.Context, to io.Writer, c plane.Capture, names Names) (total Total, err error) {
	w, err := newWriter(to, r.source, r.text, r.snaplen)
	if err != nil {
		return total, err
	}
	if r.lasts != 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, r.lasts)
		defer cancel()
	}
	book := &names
	asked := time.Now()
	tick := time.NewTimer(patience)
	tick.Stop()
	ticking := false // frames that go on coming must not put it off
	for over := false; !over; {
		select {
		case <-r.more:
			if !ticking {
				tick.Reset(patience)
				ticking = true
			}
			continue
		case <-tick.C:
			ticking = false
		case <-ctx.Done():
			time.Sleep(patience) // the plane may have yet to show what was before
			over = true
		}
		list := r.due(over)
		for i := range list {
			f := &list[i]
			if _, there := book.Switches[f.Switch]; !there && f.Switch != (intent.SwitchID{}) && time.Since(asked) > namesPause {
				if fresh, err := r.source.Names(ctx); err == nil {
					book = &fresh
				}
				asked = time.Now()
			}
			if err := w.frame(f, book); err != nil {
				return total, err
			}
			if total.Written++; total.Written == r.count {
				over = true
				break
			}
		}
		r.taken(list)
		r.mu.Lock()
		if len(r.queue) > 0 && !over {
			tick.Reset(patience)
			ticking = true
		}
		total.Lost = r.lost + c.Lost()
		r.total = total
		r.mu.Unlock()
		if err := w.flush(total, over); err != nil {
			return total, err
		}
	}
	return total, nil
}
