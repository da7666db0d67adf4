package vtep

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// segment is what the row of a port says of its Ethernet segment. The zero segment: it is of none.
type segment struct {
	esi        [10]byte
	number     uint32              // 0: it has none yet
	vteps      intent.Segment      // the others that are attached
	all        bool                // all VLANs are blocked,
	blocked    map[uint16]struct{} // or else these
	singleMode bool
}

// role is that of the binding of a VLAN.
func (s *segment) role(vlan uint16) intent.Role {
	if _, blocked := s.blocked[vlan]; !blocked && !s.all {
		return intent.Designated
	}
	if s.singleMode {
		return intent.Standby
	}
	return intent.NotDesignated
}

func (s *segment) is() bool { return s.esi != [10]byte{} }

// readPortSegment reads the keys of a port, and says whether it asks for what can't be: a dataplane has to send by them, and
// locators have to have keys, for the numbers of segments.
func (c *Compiler) readPortSegment(s *settings) (seg segment, unservable bool) {
	text, ok := s.values[hwvtep.KeyESI]
	switch {
	case !ok:
		return segment{}, false
	case !c.features.Segments:
		unserved(s, hwvtep.KeyESI, text)
		return segment{}, text != ""
	case !c.view.Layout().HasColumn(hwvtep.TablePhysicalLocator, "tunnel_key"):
		s.bad = append(s.bad, complaint{
			kind: problem.UnservedOption, remedy: "remove it, or convert the database to a newer schema of hardware_vtep",
			text: fmt.Sprintf("other_config:%s is %s, which needs locators that have a tunnel_key, and this database has none: it is as without", hwvtep.KeyESI, quote(text))})
		return segment{}, true
	}
	return s.readSegment(), false
}

// readSegment reads the keys of a port that has a segment. What can't be read is told; if that is what is blocked, all is.
func (s *settings) readSegment() (seg segment) {
	seg.singleMode = s.bool(hwvtep.KeySingleActive)
	seg.all, seg.blocked = s.readBlocked()
	text := s.values[hwvtep.KeyESI]
	var err error
	if seg.esi, err = hwvtep.ParseESI(text); err != nil { // the bridge blocks such a port: its host may be at another VTEP, too
		s.reject(hwvtep.KeyESI, text, "10 octets in hexadecimal with colons between, not all zeroes, nor all ones")
		return seg
	}
	s.integer(hwvtep.KeyDFPreference, hwvtep.MaxDFPreference, hwvtep.UsualDFPreference)
	if text, ok := s.values[hwvtep.KeySegment]; ok {
		if n, err := strconv.ParseUint(text, 10, 32); err == nil && n > 0 && n <= intent.MaxVNI {
			seg.number = uint32(n)
		} else {
			s.reject(hwvtep.KeySegment, text, fmt.Sprintf("a number from 1 to %d", intent.MaxVNI))
		}
	}
	for _, text := range strings.Fields(s.values[hwvtep.KeySegmentVTEPs]) {
		if ip, err := ParseTunnelIP(text, true); err == nil {
			seg.vteps = append(seg.vteps, ip)
		} else {
			s.bad = append(s.bad, complaint{kind: problem.BadOption, remedy: "correct or remove it",
				text: fmt.Sprintf("other_config:%s: %v: it is ignored", hwvtep.KeySegmentVTEPs, err)})
		}
	}
	slices.SortFunc(seg.vteps, netip.Addr.Compare)
	seg.vteps = slices.Compact(seg.vteps)
	return seg
}

func (s *settings) readBlocked() (all bool, vlans map[uint16]struct{}) {
	text := strings.TrimSpace(s.values[hwvtep.KeyBlocked])
	if text == "" || text == hwvtep.BlockedAll {
		return text == hwvtep.BlockedAll, nil
	}
	vlans = map[uint16]struct{}{}
	for _, word := range strings.Split(text, ",") {
		vlan, err := strconv.ParseUint(strings.TrimSpace(word), 10, 16)
		if err != nil || vlan > 4094 {
			s.bad = append(s.bad, complaint{kind: problem.BadOption, remedy: "correct or remove it",
				text: fmt.Sprintf("other_config:%s is %s, not \"all\", or VLANs with commas between: all are blocked", hwvtep.KeyBlocked, quote(text))})
			return true, nil
		}
		vlans[uint16(vlan)] = struct{}{}
	}
	return false, vlans
}

// segments are the Ethernet segments that ports of ours are attached to.
type segments struct {
	of       map[string]segment    // by port; none that is of no segment
	byESI    map[[10]byte][]string // ports, sorted; one, or somebody is wrong
	byNumber map[uint32][]string
}

func newSegments() segments {
	return segments{map[string]segment{}, map[[10]byte][]string{}, map[uint32][]string{}}
}

// port returns the port that has the segment with the number; "": there is none.
func (s *segments) port(number uint32) string {
	if ports := s.byNumber[number]; len(ports) > 0 {
		return ports[0]
	}
	return ""
}

// resolveSegment takes what the row of a port, which may have none, says of its segment, and of its bindings.
func (c *Compiler) resolveSegment(name string, now segment, rebound bool) {
	was := c.segments.of[name]
	if !was.is() && !now.is() {
		return
	}
	for _, id := range c.portsByName[name] { // who shares it may have been told before this port was looked at
		c.clearSegment(id)
	}
	if was.esi != now.esi {
		move(c.segments.byESI, name, was.esi, now.esi)
		c.tellSegments(hwvtep.KeyESI, c.segments.byESI[was.esi])
	}
	if was.number != now.number {
		move(c.segments.byNumber, name, was.number, now.number)
		c.tellSegments(hwvtep.KeySegment, c.segments.byNumber[was.number])
		c.news.segments = true
	}
	// Also of what has not changed: another row may have the name now.
	c.tellSegments(hwvtep.KeyESI, c.segments.byESI[now.esi])
	c.tellSegments(hwvtep.KeySegment, c.segments.byNumber[now.number])
	if was.number != now.number || rebound {
		c.markSegment(was.number)
		c.markSegment(now.number)
	}
	if now.is() {
		c.segments.of[name] = now
	} else {
		delete(c.segments.of, name)
	}
	if len(now.vteps) > 0 {
		intent.SegmentTable.Set(c.edit, name, now.vteps)
	} else {
		intent.SegmentTable.Delete(c.edit, name)
	}
}

// move takes a port out of one list, and puts it into another. The zero key is of none.
func move[K comparable](lists map[K][]string, name string, from, to K) {
	var none K
	if from != none {
		if lists[from] = slices.DeleteFunc(lists[from], func(o string) bool { return o == name }); len(lists[from]) == 0 {
			delete(lists, from)
		}
	}
	if to != none {
		i, _ := slices.BinarySearch(lists[to], name)
		lists[to] = slices.Insert(lists[to], i, name)
	}
}

// tellSegments tells of the ports that have the same value in a key if there are several.
func (c *Compiler) tellSegments(key string, ports []string) {
	for i, name := range ports {
		rows := c.portsByName[name]
		if len(rows) == 0 {
			continue
		}
		one := complaint{}
		if len(ports) > 1 {
			other := ports[0]
			if i == 0 {
				other = ports[1]
			}
			one = complaint{kind: problem.BadOption, remedy: "give each segment one port of this VTEP",
				text: fmt.Sprintf("other_config:%s is that of port %s, too", key, problem.Name(other))}
		}
		c.problems.set(aspectOf(hwvtep.TablePhysicalPort, rows[0], key), one)
	}
}

// clearSegment takes back what was told of the row of a port.
func (c *Compiler) clearSegment(id UUID) {
	c.problems.clear(aspectOf(hwvtep.TablePhysicalPort, id, hwvtep.KeyESI))
	c.problems.clear(aspectOf(hwvtep.TablePhysicalPort, id, hwvtep.KeySegment))
}

// markSegment marks the MACs whose rows say that they are at the port of a segment.
func (c *Compiler) markSegment(number uint32) {
	if number == 0 {
		return
	}
	for ip := range c.scope.ownIPs {
		ids, _ := c.byAddr.Get(ip)
		for _, id := range ids {
			if l := c.locators[id]; l.keyed && l.vni == number {
				c.markUsers(l)
			}
		}
	}
}

// segmentAt returns the number of the segment that a locator of ours stands for, 0: it is no such locator.
func (f *facts) segmentAt(id UUID) uint32 {
	l := f.locators[id]
	if l == nil || l.wrong != nil || !l.keyed || !f.scope.ownIPs[l.addr] {
		return 0
	}
	return l.vni
}

// attachedBy returns the binding of ls that a locator stands for: that of the port of a segment. Of several the one
// with the lowest VLAN, of those by which frames may leave.
func (c *Compiler) attachedBy(id UUID, ls *lswitch) (at intent.BindingKey, ok bool) {
	name := c.segments.port(c.segmentAt(id))
	if name == "" {
		return at, false
	}
	for _, vlan := range slices.Sorted(maps.Keys(c.bound[name])) {
		if b := c.bound[name][vlan]; b.Switch == ls.id && b.Role != intent.Standby {
			return intent.BindingKey{Port: name, VLAN: vlan}, true
		}
	}
	return at, false
}

// notAttached tells why a row whose locator is one of ours places a MAC nowhere.
func (c *Compiler) notAttached(id UUID, ls *lswitch, mac intent.MAC) complaint {
	remedy := "vtep-ctl del-ucast-remote " + problem.Argument(ls.name) + " " + mac.String()
	number := c.segmentAt(id)
	name := c.segments.port(number)
	switch {
	case number == 0 || !c.features.Segments:
		return complaint{kind: problem.OwnLocator, remedy: remedy,
			text: fmt.Sprintf("it is said to be behind %v, which is this VTEP: the row is ignored", c.addrOf(id))}
	case name == "":
		return complaint{kind: problem.OwnLocator, remedy: remedy,
			text: fmt.Sprintf("it is said to be in segment %d of this VTEP, and no port has that %s: the row is ignored", number, hwvtep.KeySegment)}
	}
	return complaint{kind: problem.OwnLocator, remedy: remedy,
		text: fmt.Sprintf("it is said to be at port %s, by which this switch sends nothing: the row is ignored", problem.Name(name))}
}

// publishAttached writes whether a MAC, which was looked at, is at a binding of ours.
func (c *Compiler) publishAttached(key intent.MACKey, ofRouter bool) {
	if at, is := c.dirty.attached[key]; is && !ofRouter {
		intent.AttachedTable.Set(c.edit, key, at)
	} else if len(c.state.Attached) > 0 {
		intent.AttachedTable.Delete(c.edit, key)
	}
}

// segmentNumber is the number of the segment of a port, which may be nil; 0: it has none.
func segmentNumber(row *hwvtep.PhysicalPort) uint32 {
	if row == nil || row.OtherConfig[hwvtep.KeyESI] == "" || row.OtherConfig[hwvtep.KeySegment] == "" {
		return 0
	}
	s := settings{values: row.OtherConfig}
	seg := s.readSegment()
	return seg.number
}

// addSegments takes the numbers of the segments that ports of another switch of the database have.
func (s *scope) addSegments(v *hwvtep.View, ps *hwvtep.PhysicalSwitch, ips []netip.Addr) {
	for _, id := range ps.Ports {
		row, ok := v.PhysicalPort(id)
		if !ok {
			continue
		}
		if number := segmentNumber(&row); number != 0 {
			for _, ip := range ips {
				s.segments[end{ip, number}] = true
			}
		}
	}
}
