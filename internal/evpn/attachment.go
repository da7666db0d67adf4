package evpn

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
)

// electionWait is how long after the link came others have time to tell that they are attached (RFC 7432, section 8.5).
// Till then another one may be designated, for all that is known.
const electionWait = 3 * time.Second

// portDown is the fault of a port without link.
const portDown = hwvtep.FaultPortDown

// attachment is a port of ours that is a link of an Ethernet segment, or has keys from when it was one: segment is zero
// then.
type attachment struct {
	port    hwvtep.PhysicalPort
	segment esi
	of      string     // the port's switch
	vtep    netip.Addr // and its tunnel IP
	number  uint32     // hwvtep.KeySegment
	single  bool
	ballot  relay.Election
	up      bool                     // it has link, its switch a tunnel IP, and its VTEP is told of it
	shared  string                   // another switch of the database that has the tunnel IP, too; "": none
	fault   string                   // what is wrong with its keys: it is no link of a segment then
	why     string                   // it is right, and has link for all that is known, but is not attached
	denied  denial                   // of its keys
	barred  bool                     // it is right, but can't be attached, with link or without: why and denied say so
	coming  bool                     // others that were attached to the segment are about to be heard again
	tags    map[hwvtep.UUID][]uint16 // its VLANs by the switch that they are bound to
	around  map[hwvtep.UUID]struct{} // the ports of its switch
	routeOf map[target]int           // the route of Discovery that has a target of its networks
	quiet   time.Time                // till then its VTEP has time to tell of it
	since   int                      // counts how often the link has come and gone
	awaited int                      // the one of since whose time to wait has begun
	due     bool                     // others have had the time to tell that they are attached
	former  *held                    // what the keys said before this bridge began; nil: nothing, or all neighbors are heard since
	outcome held                     // of the election
}

// held is what the keys hold the VTEP to.
type held struct {
	beside  []netip.Addr // hwvtep.KeySegmentVTEPs
	all     bool         // hwvtep.KeyBlocked: all VLANs
	blocked []uint16     // else these, in order
}

func (h held) equal(o held) bool {
	return h.all == o.all && slices.Equal(h.beside, o.beside) && slices.Equal(h.blocked, o.blocked)
}

// text is hwvtep.KeyBlocked; "": nothing is.
func (h held) text() string {
	if h.all {
		return hwvtep.BlockedAll
	}
	words := make([]string, len(h.blocked))
	for i, vlan := range h.blocked {
		words[i] = strconv.Itoa(int(vlan))
	}
	return strings.Join(words, ",")
}

// short is text for a person: of very many VLANs the first ones.
func (h held) short() string {
	const most = 8
	if h.all || len(h.blocked) <= most {
		return h.text()
	}
	return fmt.Sprintf("%s,... (%d VLANs)", held{blocked: h.blocked[:most]}.text(), len(h.blocked))
}

// heldBy reads the keys of a row, nil if they were not written.
func heldBy(row *hwvtep.PhysicalPort) *held {
	if row.OtherConfig[hwvtep.KeySegment] == "" {
		return nil
	}
	h := &held{all: row.OtherConfig[hwvtep.KeyBlocked] == hwvtep.BlockedAll}
	for _, word := range strings.Fields(row.OtherConfig[hwvtep.KeySegmentVTEPs]) {
		if ip, err := netip.ParseAddr(word); err == nil {
			h.beside = append(h.beside, ip)
		}
	}
	for _, word := range strings.FieldsFunc(row.OtherConfig[hwvtep.KeyBlocked], func(r rune) bool { return r == ',' || r == ' ' }) {
		if vlan, err := strconv.ParseUint(word, 10, 16); err == nil {
			h.blocked = append(h.blocked, uint16(vlan))
		} else {
			h.all = true
		}
	}
	return h
}

// configure reads what the operator says in the row of a port, and returns its segment.
func (a *attachment) configure() esi {
	a.segment, a.single, a.ballot, a.fault = esi{}, a.port.OtherConfig[hwvtep.KeySingleActive] == "true", relay.Election{Algorithm: relay.ByPreference, Preference: hwvtep.UsualDFPreference}, ""
	text, ok := a.port.OtherConfig[hwvtep.KeyESI]
	if !ok {
		return a.segment
	}
	var err error
	if a.segment, err = hwvtep.ParseESI(text); err != nil {
		a.fault = fmt.Sprintf("other_config:%s: %v", hwvtep.KeyESI, err)
	}
	if text, ok := a.port.OtherConfig[hwvtep.KeyDFPreference]; ok {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			a.fault = fmt.Sprintf("other_config:%s: %q is not a number of 0 to 65535", hwvtep.KeyDFPreference, text)
		}
		a.ballot.Preference = uint16(n)
	}
	if a.fault != "" {
		a.segment = esi{}
	}
	return a.segment
}

// tagsOf are the VLANs of a port by the switch that they are bound to.
func tagsOf(row *hwvtep.PhysicalPort) map[hwvtep.UUID][]uint16 {
	tags := map[hwvtep.UUID][]uint16{}
	for vlan, ls := range row.VLANBindings {
		tags[ls] = append(tags[ls], uint16(vlan))
	}
	return tags
}

// segmented says whether a row of a port is of a segment, or has keys from when it was.
func segmented(row *hwvtep.PhysicalPort) bool {
	_, ok := row.OtherConfig[hwvtep.KeyESI]
	return ok || row.OtherConfig[hwvtep.KeySegment] != "" || row.OtherConfig[hwvtep.KeyBlocked] != ""
}

// takePorts takes changed rows of ports, and of switches. touched are networks whose hosts may be at other ports now, or at
// ports that have become another thing; withdrawn says that routes of segments may have to be announced, or withdrawn.
func (db *database) takePorts(changes hwvtep.Changes, switches bool) (touched map[*network]bool, changed bool) {
	touched = map[*network]bool{}
	read := (switches || db.anew) && len(db.segmentPorts) > 0
	// bind notes the bindings of a row, and touches those that the other one, before or after, has not. Either may be nil.
	bind := func(row, other *hwvtep.PhysicalPort, there bool) {
		if row == nil {
			return
		}
		for vlan, ls := range row.VLANBindings {
			n := db.networks[ls]
			switch {
			case n == nil:
				continue
			case there:
				n.ports[row.UUID] = struct{}{}
			default:
				delete(n.ports, row.UUID)
			}
			if len(n.own) > 0 && (other == nil || other.VLANBindings[vlan] != ls) {
				touched[n] = true
			}
		}
	}
	for before, after := range changes.PhysicalPorts() {
		if before == nil || after == nil || !maps.Equal(before.VLANBindings, after.VLANBindings) {
			bind(before, after, false)
			bind(after, before, true)
		}
		if after != nil {
			if n, err := strconv.ParseUint(after.OtherConfig[hwvtep.KeySegment], 10, 23); err == nil && n > 0 {
				db.numbers[uint32(n)] = struct{}{}
			}
		}
		if before != nil && segmented(before) {
			delete(db.segmentPorts, before.UUID)
			read = true
		}
		if after != nil && segmented(after) {
			db.segmentPorts[after.UUID] = *after
			read = true
		}
	}
	if read {
		db.readPorts(touched)
	}
	return touched, read
}

// readPorts reads the ports of segments. Of those with the same segment that has it which had it first, else the first by
// address and name.
func (db *database) readPorts(touched map[*network]bool) {
	before, former := db.ports, db.bySegment
	db.ports, db.bySegment = map[hwvtep.UUID]*attachment{}, map[esi]*attachment{}
	var all []*attachment
	kept := map[*attachment]bool{} // its segment is what it was
	faults := map[*attachment]string{}
	owners := map[netip.Addr][]string{} // the switches that have a tunnel IP
	for s := range db.view.PhysicalSwitches() {
		for _, text := range s.TunnelIPs {
			if ip, err := netip.ParseAddr(text); err == nil {
				owners[ip.Unmap()] = append(owners[ip.Unmap()], s.Name)
			}
		}
		vtep := s.TunnelIP()
		around := make(map[hwvtep.UUID]struct{}, len(s.Ports))
		for _, id := range s.Ports {
			around[id] = struct{}{}
		}
		for _, id := range s.Ports {
			row, ok := db.segmentPorts[id]
			if !ok {
				continue
			}
			a := db.readPort(&row, before[id])
			a.of, a.vtep, a.around = s.Name, vtep, around
			was, fault := a.segment, a.fault
			if a.configure() != was && before[id] != nil {
				a.up, a.former, a.outcome, a.coming = false, nil, held{}, db.bridge.expects(a.segment)
			}
			kept[a] = a.segment != (esi{}) && (a.segment == was || !db.read && heldBy(&row) != nil)
			faults[a] = fault
			db.ports[id], all = a, append(all, a)
		}
	}
	slices.SortFunc(all, func(x, y *attachment) int {
		switch {
		case kept[x] && !kept[y]:
			return -1
		case kept[y] && !kept[x]:
			return 1
		}
		return cmp.Or(x.vtep.Compare(y.vtep), cmp.Compare(x.port.Name, y.port.Name))
	})
	up := map[*attachment]bool{}
	for _, a := range all {
		a.shared = ""
		for _, name := range owners[a.vtep] {
			if name != a.of {
				a.shared = name
			}
		}
		if a.segment != (esi{}) {
			if o := db.bySegment[a.segment]; o == nil {
				db.bySegment[a.segment] = a
			} else {
				a.fault = fmt.Sprintf("other_config:%s: the port %s is in segment %v, too, and one port of a database can be", hwvtep.KeyESI, o.port.Name, a.segment)
				a.segment = esi{}
			}
		}
		up[a] = db.attaches(a, before[a.port.UUID])
		a.barred = a.segment != (esi{}) && (a.why != "" || a.denied.why != "")
		if a.fault != faults[a] && a.fault != "" {
			db.bridge.log.Warn("port", "port", a.port.Name, "err", a.fault)
		}
	}
	db.numberPorts(all)
	for _, a := range all {
		if up := up[a] && a.told(); up != a.up {
			a.up, a.due = up, up && !db.read && heldBy(&a.port) != nil // it was elected before this bridge began, or not
			a.since++
		}
	}
	db.ownSegments(former, touched)
}

// readPort reads what the row of a port says beside its segment. was is the port until now; nil: it is new.
func (db *database) readPort(row *hwvtep.PhysicalPort, was *attachment) *attachment {
	a := &attachment{former: heldBy(row)}
	if was != nil {
		*a = *was
	} else if db.read || db.bridge.settled {
		a.former = nil
	}
	db.relent(a, row)
	if a.tags == nil || !maps.Equal(a.port.VLANBindings, row.VLANBindings) {
		a.tags = tagsOf(row)
	}
	a.port = *row
	return a
}

// ownSegments notes at which ports of segments the networks are. former are the segments until now.
func (db *database) ownSegments(former map[esi]*attachment, touched map[*network]bool) {
	stays := map[esi]bool{} // hosts at its port are announced and reached as they were
	for e, a := range db.bySegment {
		was := former[e]
		stays[e] = was != nil && a.same(was)
	}
	owned := make(map[*network]map[esi]*attachment, len(db.networks))
	for _, n := range db.networks {
		owned[n], n.own = n.own, nil
	}
	for e, a := range db.bySegment {
		for _, ls := range a.port.VLANBindings {
			n := db.networks[ls]
			if n == nil {
				continue
			}
			if n.own == nil {
				n.own = map[esi]*attachment{}
			}
			if n.own[e] = a; owned[n][e] == nil || !stays[e] {
				touched[n] = true
			}
		}
	}
	for n, before := range owned {
		for e := range before {
			if n.own[e] == nil {
				touched[n] = true
			}
		}
	}
	for n := range touched {
		n.text = "" // it has to remember other ones
	}
}

// same says whether hosts of a port are announced and reached as they were, in networks that are bound as they were.
func (a *attachment) same(o *attachment) bool {
	return a.port.UUID == o.port.UUID && a.segment == o.segment && a.vtep == o.vtep && a.number == o.number && a.single == o.single && a.up == o.up && a.barred == o.barred
}

// numberPorts gives each segment a number: what its row has, else the lowest that is free.
func (db *database) numberPorts(all []*attachment) {
	taken := map[uint32]bool{}
	for _, a := range all {
		a.number = 0
		n, err := strconv.ParseUint(a.port.OtherConfig[hwvtep.KeySegment], 10, 23)
		if db.bySegment[a.segment] == a && err == nil && n > 0 && !taken[uint32(n)] {
			a.number, taken[uint32(n)] = uint32(n), true
		}
	}
	next := uint32(1)
	for _, a := range all {
		if db.bySegment[a.segment] != a || a.number != 0 {
			continue
		}
		for taken[next] {
			next++
		}
		a.number, taken[next] = next, true
		db.numbers[next] = struct{}{}
	}
}
