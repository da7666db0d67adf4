package ebpf

import (
	"errors"
	"fmt"
	"os"
	"time"
	"unsafe"

	"github.com/cilium/ebpf/ringbuf"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// readCaptured shows what the programs do, until the set is closed.
func (p *Plane) readCaptured(set *captureSet) {
	var rec ringbuf.Record
	for {
		err := set.ring.ReadInto(&rec)
		if errors.Is(err, os.ErrClosed) {
			return
		}
		if err != nil {
			p.log.Warn("what is captured can't be read", "err", err)
			return
		}
		if c, ok := set.captured(rec.RawSample); ok {
			p.showCaptured(c)
		}
	}
}

// showCaptured hands it to those who want it.
func (p *Plane) showCaptured(c *plane.Captured) {
	p.captures.mu.Lock()
	defer p.captures.mu.Unlock()
	for _, one := range p.captures.running {
		if one.want.Wants(c) {
			one.show(c)
		}
	}
}

// adjust finds out what time it is by the clock of the programs. The time of day may be set meanwhile.
func (s *captureSet) adjust() {
	offset := time.Now().UnixNano() - int64(monotonic())
	if d := offset - s.offset.Load(); d < int64(time.Millisecond) && d > -int64(time.Millisecond) {
		return
	}
	best := time.Hour
	for range 8 {
		before := monotonic()
		now := time.Now().UnixNano()
		if took := monotonic() - before; took < best {
			best, offset = took, now-int64(before+took/2)
		}
	}
	s.offset.Store(offset)
}

// captured reads a struct capture_head and what follows it.
func (s *captureSet) captured(b []byte) (*plane.Captured, bool) {
	var h layout.CaptureHead
	const size = int(unsafe.Sizeof(h))
	if len(b) < size || copy(unsafe.Slice((*byte)(unsafe.Pointer(&h)), size), b) < size || len(b)-size < int(h.Kept) {
		return nil, false
	}
	s.adjust()
	n := s.names.Load()
	c := &plane.Captured{
		At: time.Unix(0, int64(h.At)+s.offset.Load()), Frame: h.Frame, What: plane.WentOut,
		Inner: b[size : size+int(h.Kept)], Length: int(h.Length), Segment: int(h.GsoSize),
	}
	c.Data = c.Inner
	if h.BD != 0 && n != nil {
		c.Switch = n.switches[h.BD]
	}
	c.From = n.cameFrom(&h)
	switch h.Kind {
	case layout.CaptureIn:
		c.What = plane.CameIn
	case layout.CaptureOutPort:
		c.To = plane.CapturePlace{Port: n.port(h.Ifindex), VLAN: int(h.VID)}
	case layout.CaptureOutTunnel:
		c.To.Tunnel = intent.Tunnel{Peer: h.Peer.Addr(), VNI: h.VNI}
	case layout.CaptureDrop:
		c.What, c.Reason = plane.Dropped, fmt.Sprintf("reason %d", h.Reason)
		if int(h.Reason) < len(dropReasons) {
			c.Reason = dropReasons[h.Reason]
		}
	case layout.CaptureHeld:
		c.What = plane.Held
	default:
		return nil, false
	}
	if h.Tag != 0 && len(c.Inner) >= 12 {
		c.Data = withTag(c.Inner, networkOrder(uint16(h.Tag>>16)), uint16(h.Tag))
		c.Length += 4
	}
	return c, true
}

func (n *captureNames) port(ifindex uint32) string {
	if n != nil && n.ports[ifindex] != "" {
		return n.ports[ifindex]
	}
	return fmt.Sprintf("ifindex %d", ifindex)
}

// cameFrom is where the frame came in, as its control block says.
func (n *captureNames) cameFrom(h *layout.CaptureHead) (at plane.CapturePlace) {
	what := h.Came[0] & (layout.ByPort - 1)
	switch h.Came[0] &^ (layout.ByPort - 1) {
	case layout.ByPort:
		at.Port, at.VLAN = n.port(h.Came[1]), int(what)
		switch what {
		case layout.VLANUnknown:
			at.VLAN = plane.NoVLAN
		case layout.VLANOther:
			at.VLAN = plane.OtherTag
		}
	case layout.ByTunnel:
		at.Tunnel = intent.Tunnel{Peer: layout.Address{Word: [4]uint32(h.Came[1:])}.Addr(), VNI: what}
	}
	return at
}
