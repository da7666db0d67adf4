package capture

import (
	"bufio"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// mostInterfaces bounds those of one file: then frames are of such as have no VLAN and VNI in their name.
const mostInterfaces = 4096

// writer writes pcapng. Interface 0 is the VTEP itself, with the statistics of the whole capture.
type writer struct {
	to         *bufio.Writer
	interfaces map[string]int
	snaplen    int
	began      time.Time
	told       Total
}

func newWriter(to io.Writer, source Source, request string, snaplen int, now time.Time) (*writer, error) {
	w := &writer{to: bufio.NewWriter(to), interfaces: map[string]int{}, snaplen: snaplen, began: now}
	var o options
	o = o.text(sectionProgram, source.Program).text(optionComment, "vtep capture "+request).text(sectionOS, runtime.GOOS)
	_, err := w.to.Write(sectionBlock(o))
	if err == nil {
		err = w.describe("vtep", "Physical_Switch "+word(source.Name)+": what is counted of the capture")
	}
	if err == nil {
		err = w.to.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("write the capture: %w", err)
	}
	return w, nil
}

// describe writes one more interface.
func (w *writer) describe(name, description string) error {
	var o options
	o = o.text(interfaceName, name)
	if description != "" {
		o = o.text(interfaceDescription, description)
	}
	_, err := w.to.Write(interfaceBlock(w.snaplen, o))
	return err
}

// frame writes one.
func (w *writer) frame(f *frame, names *Names) error {
	number, err := w.interfaceOf(f, names)
	if err == nil {
		_, err = w.to.Write(packetBlock(number, f.At, f.Data, f.Length, optionsOf(f, names)))
	}
	if err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

func optionsOf(f *frame, names *Names) options {
	var o options
	o = o.text(optionComment, comment(&f.Captured, names))
	switch f.What {
	case plane.CameIn:
		o = o.uint32(packetFlags, flagInbound)
	case plane.WentOut:
		o = o.uint32(packetFlags, flagOutbound)
	}
	if f.Frame != 0 {
		o = o.uint64(packetID, f.Frame)
	}
	if f.What == plane.Dropped {
		o = o.add(packetVerdict, verdictByTC, verdictShot, 0, 0, 0, 0, 0, 0, 0)
	}
	return o
}

// interfaceOf gives the number of the interface that the frame is of.
func (w *writer) interfaceOf(f *frame, names *Names) (int, error) {
	name, description := nameOf(&f.Captured, names)
	if len(w.interfaces) >= mostInterfaces {
		name, _, _ = strings.Cut(name, "/")
		description = ""
	}
	if number, there := w.interfaces[name]; there {
		return number, nil
	}
	number := len(w.interfaces) + 1
	w.interfaces[name] = number
	return number, w.describe(name, description)
}

// flush hands on what was written, with the statistics if they are news.
func (w *writer) flush(total Total, over bool, now time.Time) error {
	var err error
	if over || total.Lost != w.told.Lost {
		var o options
		o = o.time(statisticsStart, w.began)
		if over {
			o = o.time(statisticsEnd, now)
		}
		o = o.uint64(statisticsDropped, total.Lost).uint64(statisticsReceived, total.Written+total.Lost)
		_, err = w.to.Write(statisticsBlock(0, now, o))
		w.told = total
	}
	if err == nil {
		err = w.to.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

// nameOf is the name of the place where the frame is, and what that is.
func nameOf(c *plane.Captured, names *Names) (name, description string) {
	at := c.From
	if c.What == plane.WentOut {
		at = c.To
	}
	switch {
	case c.Device != "":
		return "underlay " + c.Device, "packets of VXLAN at the device " + c.Device
	case c.What == plane.Dropped:
		return "drop " + c.Reason, "frames that were dropped: " + c.Reason
	case at.Port != "":
		name = fmt.Sprintf("port %s", at.Port)
		description = "port " + at.Port
		if at.VLAN > 0 {
			name += fmt.Sprintf("/%d", at.VLAN)
			description += fmt.Sprintf(", VLAN %d", at.VLAN)
		} else if at.VLAN == 0 {
			description += ", untagged"
		}
	case at.Tunnel.Peer.IsValid():
		name = fmt.Sprintf("tunnel %v/%d", at.Tunnel.Peer, at.Tunnel.VNI)
		description = fmt.Sprintf("frames in tunnels, peer %v, VNI %d", at.Tunnel.Peer, at.Tunnel.VNI)
	default:
		return "vtep", "frames of the VTEP itself"
	}
	if s, ok := names.Switches[c.Switch]; ok {
		description += ", Logical_Switch " + s.Name
		if s.OverlayUp() && at.Port != "" {
			description += fmt.Sprintf(", VNI %d", s.VNI)
		}
	}
	return name, description
}

// comment says in one line what happens to a frame.
func comment(c *plane.Captured, names *Names) string {
	b := &strings.Builder{}
	b.WriteString(string(c.What))
	say := func(key, value string) { fmt.Fprintf(b, " %s=%s", key, word(value)) }
	if c.Reason != "" {
		say("reason", c.Reason)
	}
	if c.Device != "" {
		say("underlay", c.Device)
	}
	place := func(prefix string, at plane.CapturePlace) bool {
		if at.Port != "" {
			say(prefix+"port", at.Port)
			say(prefix+"vlan", vlan(at.VLAN))
		} else if at.Tunnel.Peer.IsValid() {
			say(prefix+"peer", at.Tunnel.Peer.String())
			say(prefix+"vni", strconv.FormatUint(uint64(at.Tunnel.VNI), 10))
		}
		return at.Port == "" && at.Tunnel.Peer.IsValid()
	}
	tunnel := false
	if c.What == plane.WentOut {
		tunnel = place("", c.To)
	} else {
		tunnel = place("", c.From)
	}
	if c.Switch != (intent.SwitchID{}) {
		s, ok := names.Switches[c.Switch]
		if !ok {
			s.Name = c.Switch.String()
		}
		say("switch", s.Name)
		if s.OverlayUp() && !tunnel {
			say("vni", strconv.FormatUint(uint64(s.VNI), 10))
		}
	}
	if c.What == plane.WentOut && c.Device == "" {
		if place("from-", c.From); c.From == (plane.CapturePlace{}) {
			say("from", "vtep")
		}
	}
	if c.Segment != 0 {
		say("segment", strconv.Itoa(c.Segment))
	}
	return b.String()
}

func vlan(n int) string {
	switch n {
	case plane.NoVLAN:
		return "unknown"
	case plane.OtherTag:
		return "other"
	}
	return strconv.Itoa(n)
}

// word is a name as a word of a comment.
func word(name string) string {
	if name == "" || strings.ContainsFunc(name, func(r rune) bool { return r <= ' ' || r == '"' || r == '=' || r == '\\' || r == 0x7f }) {
		return strconv.Quote(name)
	}
	return name
}
