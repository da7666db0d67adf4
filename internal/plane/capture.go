package plane

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

// Capturer is a Plane that can show the frames that it handles. It may be asked by any goroutine, and by
// several at the same time. What it costs it costs while something is captured.
type Capturer interface {
	// StartCapture has show called for each frame that want wants, from before it returns until Close
	// returns, by one goroutine after another. show must not block, and what it is given is its own only
	// until it returns.
	StartCapture(ctx context.Context, want CaptureFilter, show func(*Captured)) (Capture, error)

	// DropReasons are the reasons for which frames are dropped that can be shown.
	DropReasons() []string

	// ShowsAround says whether there are packets around frames to be shown.
	ShowsAround() bool
}

// Capture is one that is under way.
type Capture interface {
	// Lost says how many frames could not be shown because they came too fast. Of several captures at the
	// same time each is told what any has lost.
	Lost() uint64
	// Close ends it.
	Close() error
}

// Happening is what happened to a captured frame.
type Happening string

// What happens.
const (
	CameIn  Happening = "in"   // it has come in
	WentOut Happening = "out"  // it, or a copy of it, leaves
	Dropped Happening = "drop" // it, or a copy of it, goes nowhere: Captured.Reason says why
	Held    Happening = "held" // it waits for a router to know its next hop
)

// Happenings are all of them.
var Happenings = []Happening{CameIn, WentOut, Dropped, Held}

// Captured is a frame at a moment of its way.
type Captured struct {
	At     time.Time
	Frame  uint64 // the same for all that happens to one frame; 0: not known
	What   Happening
	Reason string // of Dropped, as in Stats.Drops

	// Device is the one of the underlay where the packet around the frame was seen, and Data is that packet;
	// "": Data is the frame itself, at a port as it is on the wire, for a tunnel as it is inside.
	Device string

	From   CapturePlace    // where it came in; zero: the VTEP itself made it, or that is not known
	To     CapturePlace    // where it leaves, of WentOut
	Switch intent.SwitchID // zero: none, or not known

	Data    []byte // the first bytes
	Inner   []byte // of these: without what is around the frame, and at a port without the outermost tag
	Length  int    // of all
	Segment int    // it stands for several frames, with this much payload each (segmentation offload); 0: for one
}

// CapturePlace is a VLAN of a port, or else a tunnel.
type CapturePlace struct {
	Port   string
	VLAN   int // 0: untagged; or NoVLAN, OtherTag
	Tunnel intent.Tunnel
}

// CaptureFilter says which frames are wanted. Of what is not set any is.
type CaptureFilter struct {
	What    []Happening // nil: all
	Reasons []string    // of Dropped; nil: all
	Port    string      // it came in there, or leaves there
	VLAN    int         // likewise; less than 0: any

	Switch      *intent.SwitchID
	VNI         *uint32           // of its tunnel, or of its switch:
	VNISwitches []intent.SwitchID // those that have it
	Peer        netip.Addr        // it came from it, or goes to it
	MAC         *intent.MAC       // of the frame, not of the packet around it

	Inside bool // the frames themselves
	Around bool // the packets around them
	// AnyPort wants the packets around frames whatever Port and VLAN are, which nobody knows of them.
	AnyPort bool

	Bytes int // the most of a frame
}

// Wants says whether f wants c.
func (f *CaptureFilter) Wants(c *Captured) bool {
	around := c.Device != ""
	switch {
	case around && !f.Around || !around && !f.Inside:
	case f.What != nil && !slices.Contains(f.What, c.What):
	case c.What == Dropped && f.Reasons != nil && !slices.Contains(f.Reasons, c.Reason):
	case !f.wantsPort(c, around):
	case f.Switch != nil && *f.Switch != c.Switch:
	case f.VNI != nil && c.From.vni() != int64(*f.VNI) && c.To.vni() != int64(*f.VNI) && !slices.Contains(f.VNISwitches, c.Switch):
	case f.Peer.IsValid() && c.From.Tunnel.Peer != f.Peer && c.To.Tunnel.Peer != f.Peer:
	default:
		return f.MAC == nil || f.wantsMAC(c)
	}
	return false
}

func (f *CaptureFilter) wantsPort(c *Captured, around bool) bool {
	if f.Port == "" && f.VLAN < 0 || around && f.AnyPort {
		return true
	}
	return f.is(c.From) || f.is(c.To)
}

func (f *CaptureFilter) is(at CapturePlace) bool {
	return at.Port != "" && (f.Port == "" || f.Port == at.Port) && (f.VLAN < 0 || f.VLAN == at.VLAN)
}

// vni is that of a tunnel, else -1.
func (at CapturePlace) vni() int64 {
	if !at.Tunnel.Peer.IsValid() {
		return -1
	}
	return int64(at.Tunnel.VNI)
}

func (f *CaptureFilter) wantsMAC(c *Captured) bool {
	b := c.Inner
	return len(b) >= 12 && (intent.MAC(b[:6]) == *f.MAC || intent.MAC(b[6:12]) == *f.MAC)
}
