package capture

import (
	"encoding/binary"
	"fmt"
	"io"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// mostInterfaces bounds those of one file: then frames are of such as have no VLAN and VNI in their name.
const mostInterfaces = 4096

const verdictShot = 2 // TC_ACT_SHOT

// writer writes pcapng. Interface 0 is the VTEP itself, with the statistics of the whole capture.
type writer struct {
	ng         *pcapgo.NgWriter
	interfaces map[string]int
	snaplen    int
	began      time.Time
	told       Total
}

func newWriter(to io.Writer, source Source, request string, snaplen int) (*writer, error) {
	w := &writer{interfaces: map[string]int{}, snaplen: snaplen, began: time.Now()}
	info := pcapgo.NgSectionInfo{Application: source.Program, OS: runtime.GOOS, Comment: "vtep capture " + request}
	var err error
	w.ng, err = pcapgo.NewNgWriterInterface(to, w.about("vtep", "Physical_Switch "+word(source.Name)+": what is counted of the capture"),
		pcapgo.NgWriterOptions{SectionInfo: info})
	if err == nil {
		err = w.ng.Flush()
	}
	if err != nil {
		return nil, fmt.Errorf("write the capture: %w", err)
	}
	return w, nil
}

func (w *writer) about(name, description string) pcapgo.NgInterface {
	return pcapgo.NgInterface{Name: name, Description: description, LinkType: layers.LinkTypeEthernet, TimestampResolution: 9, SnapLength: uint32(w.snaplen)}
}

// frame writes one.
func (w *writer) frame(f *frame, names *Names) error {
	id, err := w.interfaceOf(f, names)
	if err != nil {
		return err
	}
	o := pcapgo.NgPacketOptions{Comments: []string{comment(&f.Captured, names)}}
	if f.Frame != 0 {
		o.PacketID = &f.Frame
	}
	switch f.What {
	case plane.CameIn:
		o.Flags = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionInbound}
	case plane.WentOut:
		o.Flags = &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionOutbound}
	case plane.Dropped:
		o.Verdicts = []pcapgo.NgEpbVerdict{{Type: pcapgo.NgEpbVerdictTypeLinuxeBPFTC, Data: binary.LittleEndian.AppendUint64(nil, verdictShot)}}
	}
	info := gopacket.CaptureInfo{Timestamp: f.At, CaptureLength: len(f.Data), Length: max(f.Length, len(f.Data)), InterfaceIndex: id}
	if err := w.ng.WritePacketWithOptions(info, f.Data, o); err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

// interfaceOf gives the number of the interface that the frame is of.
func (w *writer) interfaceOf(f *frame, names *Names) (int, error) {
	name, description := interfaceName(&f.Captured, names)
	if len(w.interfaces) >= mostInterfaces {
		name, _, _ = strings.Cut(name, "/")
		description = ""
	}
	if id, there := w.interfaces[name]; there {
		return id, nil
	}
	id, err := w.ng.AddInterface(w.about(name, description))
	if err != nil {
		return 0, fmt.Errorf("write the capture: %w", err)
	}
	w.interfaces[name] = id
	return id, nil
}

// flush hands on what was written, with the statistics if they are news.
func (w *writer) flush(total Total, over bool) error {
	var err error
	if over || total.Lost != w.told.Lost {
		s := pcapgo.NgInterfaceStatistics{LastUpdate: time.Now(), StartTime: w.began, PacketsReceived: total.Written + total.Lost, PacketsDropped: total.Lost}
		if over {
			s.EndTime = s.LastUpdate
		}
		err = w.ng.WriteInterfaceStats(0, s)
		w.told = total
	}
	if err == nil {
		err = w.ng.Flush()
	}
	if err != nil {
		return fmt.Errorf("write the capture: %w", err)
	}
	return nil
}

// interfaceName is the name of the place where the frame is, and what that is.
func interfaceName(c *plane.Captured, names *Names) (name, description string) {
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
