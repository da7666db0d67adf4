package memory

import (
	"context"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// shown are the reasons that a captured frame may have been dropped for.
var shown = []Drop{Runt, NoPort, UnboundVLAN, Reserved, UnknownTunnel, TaggedInside, SplitHorizon, Hairpin, NoDestination, BadTunnelFrame,
	DeviceGone, BFD, Congested, FloodLimited, BadSource, DoubleTagged, BadARP, BadND, BadIP, SourceRoute, Unroutable, NoRoute, NoNeighbor,
	TTLExceeded, Unserved, SpoofedRouter, ACLIngress, ACLEgress, ACLUnreadable, TooBig, NoTunnel}

// capturing is one capture.
type capturing struct {
	fabric *Fabric
	want   plane.CaptureFilter
	show   func(*plane.Captured)
}

// StartCapture implements plane.Capturer. There are no packets around frames.
func (p *Plane) StartCapture(_ context.Context, want plane.CaptureFilter, show func(*plane.Captured)) (plane.Capture, error) {
	unlock, err := p.use()
	if err != nil {
		return nil, err
	}
	defer unlock()
	c := &capturing{p.fabric, want, show}
	p.fabric.capturing = append(p.fabric.capturing, c)
	return c, nil
}

// DropReasons implements plane.Capturer.
func (p *Plane) DropReasons() (names []string) {
	for _, d := range shown {
		names = append(names, string(d))
	}
	slices.Sort(names)
	return names
}

// ShowsAround implements plane.Capturer.
func (p *Plane) ShowsAround() bool { return false }

// Lost implements plane.Capture: nothing ever is.
func (c *capturing) Lost() uint64 { return 0 }

// Close implements plane.Capture.
func (c *capturing) Close() error {
	c.fabric.mu.Lock()
	defer c.fabric.mu.Unlock()
	c.fabric.capturing = slices.DeleteFunc(c.fabric.capturing, func(o *capturing) bool { return o == c })
	return nil
}

// show shows what has become of the frame that came in last. f.mu is held.
func (f *Fabric) show(data []byte, outs []Out) {
	dropped := f.dropped
	f.dropped = nil
	if len(f.capturing) == 0 {
		return
	}
	f.frames++
	from := plane.CapturePlace{Port: f.came.Port, VLAN: f.came.VLAN, Tunnel: f.came.Tunnel}
	var id intent.SwitchID
	inner := data
	if from.Port != "" {
		at := intent.BindingKey{Port: from.Port, VLAN: uint16(max(from.VLAN, 0))}
		id = f.installed.Bindings[at].Switch
		if _, tagged := frame(data).tagOf(f.tpid(from.Port)); tagged {
			inner = frame(data).pop()
		}
	} else {
		from.VLAN = 0
		if id = f.installed.Decap.At(from.Tunnel); id == (intent.SwitchID{}) && f.installed.AcceptAnySource {
			id = f.ownVNI[from.Tunnel.VNI]
		}
	}
	c := plane.Captured{At: time.Now(), Frame: f.frames, What: plane.CameIn, From: from, Switch: id, Data: data, Inner: inner, Length: len(data)}
	f.showOne(c)
	for _, why := range dropped {
		d := c
		d.What, d.Reason = plane.Dropped, string(why)
		f.showOne(d)
	}
	for _, o := range outs {
		out := c
		out.What, out.Data, out.Inner, out.Length = plane.WentOut, o.Frame, o.Frame, len(o.Frame)
		out.To = plane.CapturePlace{Port: o.Port, Tunnel: o.Tunnel}
		if o.Port != "" {
			vid, tagged := frame(o.Frame).tagOf(f.tpid(o.Port))
			b, bound := f.installed.Bindings[intent.BindingKey{Port: o.Port, VLAN: vid}]
			if tagged && vid != 0 && bound {
				out.To.VLAN, out.Inner = int(vid), frame(o.Frame).pop()
			} else {
				b = f.installed.Bindings[intent.BindingKey{Port: o.Port}]
			}
			out.Switch = b.Switch
		}
		f.showOne(out)
	}
}

func (f *Fabric) showOne(c plane.Captured) {
	for _, one := range f.capturing {
		if one.want.Wants(&c) {
			one.show(&c)
		}
	}
}

// tagOf is vid for frames that may be too short to have a tag.
func (fr frame) tagOf(tpid uint16) (uint16, bool) {
	if len(fr) < headerLen+tagLen {
		return 0, false
	}
	return fr.vid(tpid)
}
