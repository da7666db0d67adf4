package lab

import (
	"fmt"
	"html"
	"strings"
)

// State is what the picture of a fabric says beside the names: who runs, and what the controller knows.
type State struct {
	Running map[string]bool   // VTEPs by name, and "nvc"
	Linked  map[string]bool   // VTEPs whose database the controller follows
	MACs    map[string]int    // known in each logical switch
	VNIs    map[string]int64  // of each logical switch
	Notes   map[string]string // of members, "" for none
}

// below is who is behind each member, in order.
func (f *Fabric) below(m Member) (hosts []Host) {
	for _, h := range f.Hosts {
		if h.At == m.Name {
			hosts = append(hosts, h)
		}
	}
	return hosts
}

// word says how a member does.
func (f *Fabric) word(m Member, s State) string {
	switch {
	case m.Peer:
		return "kernel VXLAN"
	case !s.Running[m.Name]:
		return f.Options.Plane + ", not running"
	case f.Options.NoNVC:
		return f.Options.Plane
	case !s.Linked[m.Name]:
		return f.Options.Plane + ", not with the NVC"
	}
	return f.Options.Plane
}

// Text draws the fabric in characters.
func (f *Fabric) Text(s State) string {
	var b strings.Builder
	fmt.Fprintf(&b, "lab %s\n\n", f.Name)
	nvc := "nvc"
	switch {
	case f.Options.NoNVC:
		nvc = "no controller"
	case !s.Running[nvcName]:
		nvc = "nvc, not running"
	}
	fmt.Fprintf(&b, "  [%s]\n", nvc)
	for _, ls := range f.switches() {
		fmt.Fprintf(&b, "    %s: VNI %d, %d MACs\n", ls, s.VNIs[ls], s.MACs[ls])
	}
	b.WriteString("\n  underlay\n")
	for i, m := range f.Members {
		branch, trunk := "├", "│"
		if i == len(f.Members)-1 {
			branch, trunk = "└", " "
		}
		fmt.Fprintf(&b, "  %s── [%s] %s (%s)\n", branch, m.Name, m.IP, f.word(m, s))
		hosts := f.below(m)
		for j, h := range hosts {
			leaf := "├"
			if j == len(hosts)-1 {
				leaf = "└"
			}
			fmt.Fprintf(&b, "  %s     %s── %-6s %-3s %-12s %s\n", trunk, leaf, h.Name, h.Switch, h.IP, h.MAC)
		}
	}
	return b.String()
}

// Measures of the drawing, in pixels.
const (
	boxWidth   = 190
	boxHeight  = 52
	hostHeight = 40
	indent     = 18 // of hosts
	gap        = 24
	margin     = 24
)

// colours of the logical switches, by turns; they differ in lightness, too.
var colours = []string{"#0b6e99", "#b5541c", "#3d7a3d", "#7a4fa3", "#a8324a", "#6b6b1f"}

// SVG draws the fabric as a picture: the controller above the members, the underlay that joins them, the hosts
// below, in the colour of their switch.
func (f *Fabric) SVG(s State) string {
	deepest := 0
	for _, m := range f.Members {
		deepest = max(deepest, len(f.below(m)))
	}
	width := 2*margin + len(f.Members)*(boxWidth+gap) - gap
	bus := margin + boxHeight + 2*gap
	memberTop := bus + gap
	legend := memberTop + boxHeight + gap + deepest*(hostHeight+8) + gap
	height := legend + len(f.switches())*20 + margin
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" font-family="sans-serif" font-size="13">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, "<title>lab %s</title>\n<rect width=\"100%%\" height=\"100%%\" fill=\"#ffffff\"/>\n", html.EscapeString(f.Name))
	line := func(x1, y1, x2, y2 int, style string) {
		fmt.Fprintf(&b, `<line x1="%d" y1="%d" x2="%d" y2="%d" %s/>`+"\n", x1, y1, x2, y2, style)
	}
	box := func(x, y, w, h int, fill, stroke, first, second string) {
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="%d" height="%d" rx="6" fill="%s" stroke="%s" stroke-width="1.5"/>`+"\n", x, y, w, h, fill, stroke)
		fmt.Fprintf(&b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", x+10, y+h/2-3, html.EscapeString(first))
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#444444" font-size="11">%s</text>`+"\n", x+10, y+h/2+13, html.EscapeString(second))
	}
	middle := width/2 - boxWidth/2
	if !f.Options.NoNVC {
		state, stroke := "follows the databases", "#222222"
		if !s.Running[nvcName] {
			state, stroke = "does not run", "#a8324a"
		}
		for i, m := range f.Members {
			if !m.Peer && s.Linked[m.Name] {
				line(width/2, margin+boxHeight, margin+i*(boxWidth+gap)+boxWidth/2, memberTop, `stroke="#999999" stroke-dasharray="4 3"`)
			}
		}
		box(middle, margin, boxWidth, boxHeight, "#f4f4f4", stroke, "nvc", state)
	}
	line(margin, bus, width-margin, bus, `stroke="#222222" stroke-width="4"`)
	fmt.Fprintf(&b, `<text x="%d" y="%d" font-size="11" fill="#444444">underlay</text>`+"\n", margin, bus-7)
	for i, m := range f.Members {
		x := margin + i*(boxWidth+gap)
		line(x+boxWidth/2, bus, x+boxWidth/2, memberTop, `stroke="#222222" stroke-width="2"`)
		fill, stroke := "#eaf3fb", "#222222"
		if m.Peer {
			fill = "#eeeeee"
		} else if !s.Running[m.Name] {
			stroke = "#a8324a"
		}
		box(x, memberTop, boxWidth, boxHeight, fill, stroke, m.Name+"  "+m.IP.String(), f.word(m, s))
		y := memberTop + boxHeight + gap
		for _, h := range f.below(m) {
			c := colours[(f.vni(h.Switch)-fabricVNI)%len(colours)]
			line(x+indent/2, memberTop+boxHeight, x+indent/2, y+hostHeight/2, `stroke="#222222" stroke-width="1.5"`)
			line(x+indent/2, y+hostHeight/2, x+indent, y+hostHeight/2, `stroke="`+c+`" stroke-width="2"`)
			box(x+indent, y, boxWidth-indent, hostHeight, "#ffffff", c, h.Name+"  "+h.IP.String(), h.Switch+"  "+h.MAC)
			y += hostHeight + 8
		}
	}
	for i, ls := range f.switches() {
		y := legend + i*20
		fmt.Fprintf(&b, `<rect x="%d" y="%d" width="12" height="12" fill="%s"/>`+"\n", margin, y, colours[i%len(colours)])
		fmt.Fprintf(&b, `<text x="%d" y="%d">%s</text>`+"\n", margin+20, y+11, html.EscapeString(fmt.Sprintf("%s: VNI %d, %d MACs", ls, s.VNIs[ls], s.MACs[ls])))
	}
	b.WriteString("</svg>\n")
	return b.String()
}
