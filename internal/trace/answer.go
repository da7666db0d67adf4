package trace

import (
	"fmt"
	"strings"
)

// Answer is what would become of a frame.
type Answer struct {
	At    string `json:"at"`    // where it comes in
	Frame string `json:"frame"` // what it is
	Bytes string `json:"bytes"` // in hexadecimal

	Steps  []Step  `json:"steps"`
	Copies []Copy  `json:"copies"`
	Drop   *Drop   `json:"drop"`   // of the frame itself; null: it is not dropped
	Missed []Drop  `json:"missed"` // copies that are dropped, where others are not
	Doubts []Doubt `json:"doubts"`

	Rehearsal *Rehearsal `json:"rehearsal"` // by the dataplane itself; null: it can't
}

// Step is one thing that the frame meets with on its way.
type Step struct {
	Kind string `json:"kind"` // "port", "binding", "acl", ...
	Text string `json:"text"`
	Rows []Row  `json:"rows"` // where it comes from
}

// Row is a row of the database.
type Row struct {
	Table  string `json:"table"`
	UUID   string `json:"uuid"`
	Column string `json:"column"` // "": the row as a whole
}

// Copy is one that leaves: at a port, or by a tunnel.
type Copy struct {
	Port    string `json:"port"` // "": by a tunnel
	VLAN    int    `json:"vlan"` // with this tag; 0: none of a binding
	Peer    string `json:"peer"`
	VNI     uint32 `json:"vni"`
	Source  string `json:"source"` // of the tunnel
	TOS     uint8  `json:"tos"`    // of the outer IP header
	Device  string `json:"device"` // by which it leaves; "": the kernel finds it when the packet is sent
	NextHop string `json:"next_hop"`
	MTU     int    `json:"mtu"`    // of the way out; 0: not known
	Length  int    `json:"length"` // in bytes: as on the wire of the port; in a tunnel, of the inner frame
	Bytes   string `json:"bytes"`  // likewise, in hexadecimal
	Problem string `json:"problem"`
}

// Drop is why a frame, or a copy of it, ends.
type Drop struct {
	Reason string `json:"reason"` // as vtep/drops and docs/reference.md have it
	Text   string `json:"text"`
	Need   string `json:"need"` // the row that would have to be, "": none would do
}

// Doubt is a difference between what is installed and what the database says, or something wrong
// with what is installed.
type Doubt struct {
	Entry     string `json:"entry"`
	Installed string `json:"installed"`
	Database  string `json:"database"`
}

// Rehearsal is what the dataplane itself decides.
type Rehearsal struct {
	By     string   `json:"by"` // what of it
	Agrees bool     `json:"agrees"`
	Copies []string `json:"copies"`
	Drops  []string `json:"drops"`
	Error  string   `json:"error"` // why it could not be asked
}

// String returns a in lines for people.
func (a Answer) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n%s\n\n", a.At, a.Frame)
	for n, s := range a.Steps {
		fmt.Fprintf(&b, "%2d. %s\n", n+1, s.Text)
		for _, r := range s.Rows {
			fmt.Fprintf(&b, "      %s\n", r)
		}
	}
	b.WriteByte('\n')
	for _, c := range a.Copies {
		fmt.Fprintf(&b, "-> %s\n", c)
	}
	if a.Drop != nil {
		fmt.Fprintf(&b, "dropped: %s\n", a.Drop)
	} else if len(a.Copies) == 0 {
		b.WriteString("no copy leaves\n")
	}
	for _, d := range a.Missed {
		fmt.Fprintf(&b, "a copy is dropped: %s\n", d)
	}
	for _, d := range a.Doubts {
		fmt.Fprintf(&b, "%s\n", d)
	}
	if a.Rehearsal != nil {
		b.WriteString(a.Rehearsal.String())
	}
	return b.String()
}

func (r Row) String() string {
	if r.Column != "" {
		return r.Table + " " + r.UUID + " " + r.Column
	}
	return r.Table + " " + r.UUID
}

func (c Copy) String() string {
	if c.Port != "" {
		text := "port " + c.Port
		if c.VLAN != 0 {
			text += fmt.Sprintf(" with VLAN %d", c.VLAN)
		}
		return text + fmt.Sprintf(": %d bytes", c.Length)
	}
	text := fmt.Sprintf("tunnel from %s to %s, VNI %d", c.Source, c.Peer, c.VNI)
	if c.TOS != 0 {
		text += fmt.Sprintf(", TOS %#02x", c.TOS)
	}
	text += fmt.Sprintf(": %d bytes inside", c.Length)
	if c.Device != "" {
		text += " by device " + c.Device
	}
	if c.NextHop != "" && c.NextHop != c.Peer {
		text += " to next hop " + c.NextHop
	}
	if c.Problem != "" {
		text += " (" + c.Problem + ")"
	}
	return text
}

func (d Drop) String() string {
	text := d.Reason + ": " + d.Text
	if d.Need != "" {
		text += "\n   what would have to be: " + d.Need
	}
	return text
}

func (d Doubt) String() string {
	switch {
	case d.Database == "" && d.Installed == "":
		return d.Entry
	case d.Installed == "":
		return fmt.Sprintf("not as the database has it: %s: nothing is installed, the database says %s", d.Entry, d.Database)
	case d.Database == "":
		return fmt.Sprintf("not as the database has it: %s: installed is %s, the database says nothing", d.Entry, d.Installed)
	}
	return fmt.Sprintf("not as the database has it: %s: installed is %s, the database says %s", d.Entry, d.Installed, d.Database)
}

func (r Rehearsal) String() string {
	var b strings.Builder
	switch {
	case r.Error != "":
		fmt.Fprintf(&b, "the dataplane could not be asked: %s\n", r.Error)
	case r.Agrees:
		fmt.Fprintf(&b, "%s says the same\n", r.By)
	default:
		fmt.Fprintf(&b, "%s says something else:\n", r.By)
		for _, c := range r.Copies {
			fmt.Fprintf(&b, "  -> %s\n", c)
		}
		for _, d := range r.Drops {
			fmt.Fprintf(&b, "  dropped: %s\n", d)
		}
	}
	return b.String()
}
