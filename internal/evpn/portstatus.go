package evpn

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
)

// PortStatus is a port of ours that is a link of an Ethernet segment, or would be.
type PortStatus struct {
	Port       string            `json:"port"`
	ESI        string            `json:"esi"`
	Number     uint32            `json:"number"`
	Single     bool              `json:"single_active"`
	State      string            `json:"state"`      // one of PortStates
	By         string            `json:"by"`         // "preference" or "modulo"
	Blocked    string            `json:"blocked"`    // as in the row: "all", or VLANs; "": this VTEP is designated for all
	Candidates []CandidateStatus `json:"candidates"` // in the order of addresses
	Fault      string            `json:"fault"`

	short string // Blocked for a person
}

// PortStates are those of a PortStatus: another VTEP forwards what is flooded to all networks of the segment in all but the
// first two; which one is elected is not known in the last two.
var PortStates = []string{"designated", "shared", "not designated", "electing", "no link"}

// CandidateStatus is a VTEP that is attached to a segment.
type CandidateStatus struct {
	VTEP       string `json:"vtep"`
	Preference int    `json:"preference"` // -1: it does not elect by preference
}

func (b *Bridge) portStatus() []PortStatus {
	list := []PortStatus{}
	for _, a := range b.database.ports {
		faults := slices.DeleteFunc([]string{a.fault, a.why, a.denied.why}, func(s string) bool { return s == "" })
		if a.segment == (esi{}) && len(faults) == 0 {
			continue
		}
		s := PortStatus{Port: a.port.Name, ESI: cmp.Or(a.segment.String(), a.port.OtherConfig[hwvtep.KeyESI]), Number: a.number, Single: a.single, Blocked: a.outcome.text(), short: a.outcome.short(), Candidates: []CandidateStatus{}, Fault: strings.Join(faults, "; ")}
		all := b.candidates(a)
		slices.SortFunc(all, candidate.compare)
		if s.By = "modulo"; byPreference(all) {
			s.By = "preference"
		}
		for _, c := range all {
			one := CandidateStatus{c.vtep.String(), int(c.Preference)}
			if !byPreference([]candidate{c}) {
				one.Preference = -1
			}
			s.Candidates = append(s.Candidates, one)
		}
		switch {
		case s.Fault != "":
			s.State = ""
		case !a.up && (slices.Contains(a.port.PortFaultStatus, portDown) || !a.vtep.IsValid()):
			s.State = PortStates[4]
		case !a.up || !a.due || !b.begun:
			s.State = PortStates[3]
		case a.outcome.all || len(a.outcome.blocked) > 0 && len(a.outcome.blocked) == len(a.port.VLANBindings):
			s.State = PortStates[2]
		case len(a.outcome.blocked) > 0:
			s.State = PortStates[1]
		default:
			s.State = PortStates[0]
		}
		list = append(list, s)
	}
	slices.SortFunc(list, func(x, y PortStatus) int { return cmp.Compare(x.Port, y.Port) })
	return list
}

func (s PortStatus) String() string {
	if s.Fault != "" {
		return fmt.Sprintf("%s: %s", s.Port, s.Fault)
	}
	mode := "all-active"
	if s.Single {
		mode = "single-active"
	}
	var words []string
	for _, c := range s.Candidates {
		word := c.VTEP
		if s.By == "preference" {
			word += fmt.Sprintf(" with %d", c.Preference)
		}
		words = append(words, word)
	}
	text := fmt.Sprintf("%s: number %d, segment %s (%s), %s, elected by %s of [%s]", s.Port, s.Number, s.ESI, mode, s.State, s.By, strings.Join(words, ", "))
	if s.State == PortStates[1] {
		text += ", another VTEP is for VLANs " + s.short
	}
	return text
}
