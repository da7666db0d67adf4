package ovs

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// An ACL is flows of two tables: those of ingress in the bridge of the physical switch, which a frame
// passes before it counts or is learned, those of egress in the bridges of the logical switches; that of routers has both. The caller
// puts the ACL's number and the port that the frame is for into registers; the flow of the entry that
// decides sends it there, or notes the verdict and has another look at table 0, where a flow for the
// place that the frame came in by drops and counts it. So an entry has the same flows whoever asks it.
//
// The flows of a bridge change by a bundle: a frame is asked by all of an ACL as it was, or as it is.

// accessLists are the ACLs.
type accessLists struct {
	numbers numbering[intent.ACLID]
	inForce map[intent.ACLID]*accessList // the last version that could be had
	refused map[intent.ACLID]error       // those whose present version can't, and why
	wanted  map[intent.ACLID]intent.ACL  // the versions of those
	left    map[intent.ACLID]intent.ACL  // what an earlier process had in force
	trying  map[intent.ACLID]bool        // those of the refused that are tried again
	never   map[intent.ACLID]bool        // those that are too large whatever else there is
	retry   retry                        // of the refused
	flows   int                          // of all that are in force
	changes int                          // of what is in force

	entries map[counter]plane.ACLEntryAt
	totals  map[plane.ACLEntryAt]plane.Count
	gone    map[plane.ACLEntryAt]plane.Count // what of that flows had counted which are gone
	last    map[string]map[flowKey]counted   // by bridge
	read    map[string]time.Time             // when that was
}

// accessList is an ACL in force.
type accessList struct {
	id     intent.ACLID
	number uint32 // in regACL
	is     intent.ACL
	flows  [2]flowSet // by direction; empty: all may pass
	cookie map[uint64]intent.ACLEntryID
	before *accessList // whose place it has taken; nil: there was none

	noted     flowSet // its note, as last made; nil: not yet
	notedAt   []intent.BindingKey
	notedGone map[string]plane.Count
}

func newAccessLists() accessLists {
	return accessLists{
		numbers: newNumbering[intent.ACLID](),
		inForce: map[intent.ACLID]*accessList{}, refused: map[intent.ACLID]error{},
		wanted: map[intent.ACLID]intent.ACL{}, left: map[intent.ACLID]intent.ACL{},
		trying: map[intent.ACLID]bool{}, never: map[intent.ACLID]bool{},
		entries: map[counter]plane.ACLEntryAt{}, totals: map[plane.ACLEntryAt]plane.Count{}, gone: map[plane.ACLEntryAt]plane.Count{}, last: map[string]map[flowKey]counted{}, read: map[string]time.Time{},
	}
}

// Limits of ACLs, beside intent.MaxACLEntries: how many flows ranges of ports and hidden packets may make of them.
const (
	maxACLFlows = 1 << 16 // of one direction of an ACL
	maxFlows    = 1 << 19 // of all ACLs
)

// change takes another version of an ACL, or that it is gone.
func (a *accessLists) change(c intent.Change[intent.ACLID, intent.ACL]) {
	delete(a.refused, c.Key)
	delete(a.wanted, c.Key)
	delete(a.trying, c.Key)
	delete(a.never, c.Key)
	if c.New == nil {
		delete(a.left, c.Key)
		a.replace(c.Key, nil)
		a.numbers.drop(c.Key)
		return
	}
	a.take(c.Key, *c.New)
}

func (a *accessLists) take(id intent.ACLID, is intent.ACL) {
	l, err := compileACL(id, a.numbers.get(id), is)
	a.never[id] = err != nil
	if was := a.inForce[id]; err == nil && a.flows-was.size()+l.size() > maxFlows {
		err = noRoom("no room for the %d flows of an ACL", l.size())
	}
	if err == nil {
		a.replace(id, l)
		return
	}
	a.refused[id], a.wanted[id] = err, is
	a.failed(id)
	if last, ok := a.left[id]; ok && a.inForce[id] == nil {
		if l, err := compileACL(id, a.numbers.get(id), last); err == nil {
			a.replace(id, l)
		}
	}
}

// refuse notes that Open vSwitch does not take the flows of an ACL: the version of before is to be in force again.
func (a *accessLists) refuse(id intent.ACLID, err error) {
	l := a.inForce[id]
	if l == nil {
		return
	}
	before := l.before
	if last, ok := a.left[id]; ok && before == nil && !last.Equal(l.is) {
		before, _ = compileACL(id, l.number, last) // it could be had
	}
	if _, is := a.wanted[id]; !is { // else l is what stood in for it
		a.wanted[id] = l.is
	}
	a.refused[id] = err
	delete(a.trying, id)
	a.failed(id)
	if a.replace(id, before); before != nil {
		before.before = nil // what was refused is not to come back
	}
}

// failed has an ACL tried again later: there may be room for it, or another Open vSwitch.
func (a *accessLists) failed(id intent.ACLID) {
	if !a.never[id] && a.retry.at.IsZero() {
		a.retry.rarely()
	}
}

// tryAgain puts in force what was refused. It is refused until that is done.
func (a *accessLists) tryAgain() {
	a.retry.at = time.Time{}
	for id, is := range a.wanted {
		if a.never[id] {
			continue
		}
		l, err := compileACL(id, a.numbers.get(id), is)
		if err != nil || a.flows-a.inForce[id].size()+l.size() > maxFlows {
			a.failed(id)
			continue
		}
		a.trying[id] = true
		a.replace(id, l)
	}
}

// tookACLs notes that all is in force.
func (e *engine) tookACLs() {
	a := &e.access
	for id := range a.trying {
		delete(a.refused, id)
		delete(a.wanted, id)
	}
	if len(a.trying) > 0 {
		clear(a.trying)
		e.emit(plane.ReportChanged{})
	}
	if len(a.refused) == 0 {
		a.retry = retry{}
	}
}

// replace puts a version in force; nil: none is.
func (a *accessLists) replace(id intent.ACLID, l *accessList) {
	was := a.inForce[id]
	a.changes++
	a.flows += l.size() - was.size()
	if was != nil {
		was.before = nil
	}
	if l != nil {
		l.before = was
	}
	if was != nil {
		for cookie := range was.cookie {
			delete(a.entries, counter{was.number, cookie})
		}
	}
	if l == nil {
		delete(a.inForce, id)
	} else {
		a.inForce[id] = l
		for cookie, entry := range l.cookie {
			a.entries[counter{l.number, cookie}] = plane.ACLEntryAt{ACL: id, Entry: entry}
		}
	}
	if was == nil {
		return
	}
	kept := map[intent.ACLEntryID]bool{}
	if l != nil {
		for _, entry := range l.cookie {
			kept[entry] = true
		}
	}
	for _, entry := range was.cookie {
		if !kept[entry] {
			delete(a.totals, plane.ACLEntryAt{ACL: id, Entry: entry})
			delete(a.gone, plane.ACLEntryAt{ACL: id, Entry: entry})
		}
	}
}

// adopt takes what an earlier process had in force, for what can't be had as it is now.
func (a *accessLists) adopt(left map[intent.ACLID]intent.ACL, gone map[plane.ACLEntryAt]plane.Count) {
	a.left = left
	for at, c := range gone {
		if _, known := a.gone[at]; !known {
			a.gone[at] = c
			a.totals[at] = plus(c, a.totals[at])
		}
	}
	for id, is := range maps.Clone(a.wanted) {
		if a.inForce[id] == nil {
			a.take(id, is)
		}
	}
}

// of returns the ACL that asks in a direction; nil: none does.
func (a *accessLists) of(id intent.ACLID, d intent.Direction) *accessList {
	if l := a.inForce[id]; l != nil && len(l.flows[d]) > 0 {
		return l
	}
	return nil
}

func (l *accessList) size() int {
	if l == nil {
		return 0
	}
	return len(l.flows[intent.Ingress]) + len(l.flows[intent.Egress])
}

// compileACL makes the flows of an ACL.
func compileACL(id intent.ACLID, number uint32, is intent.ACL) (*accessList, error) {
	l := &accessList{id: id, number: number, is: is, cookie: map[uint64]intent.ACLEntryID{}}
	for _, d := range []intent.Direction{intent.Ingress, intent.Egress} {
		flows, err := l.compile(d)
		if err != nil {
			return nil, err
		}
		l.flows[d] = flows
	}
	return l, nil
}

// compile makes the flows of a direction. An entry has two priorities: what is hidden from it comes first.
func (l *accessList) compile(d intent.Direction) (flowSet, error) {
	entries := l.is.Entries(d)
	s := flowSet{}
	asked := map[string]bool{} // what a flow of a higher priority matches needs no other
	denied := deniedIn
	if d == intent.Egress {
		denied = deniedOut
	}
	for i := range entries {
		e := &entries[i]
		cookie := l.mark(e.ID)
		for _, c := range conditions(e) {
			m := openflow.FlowMod{Cookie: cookie, Table: aclTable(d), Priority: prioACL - uint16(2*i+1), Flags: openflow.ResetCounts,
				Match: also(c.match, openflow.Reg(regACL, l.number))}
			switch {
			case c.hidden:
				m.Priority++
				m.Instructions = deny(unreadable)
			case e.Deny:
				m.Instructions = deny(denied)
			default:
				m.Instructions = openflow.Apply(openflow.OutputReg(regTo))
			}
			m.Match = m.Match.Canonical()
			k := keyOf(m.Table, m.Priority, m.Match)
			if asked[k.match] {
				continue
			}
			asked[k.match] = true
			if s[k] = newFlow(&m, intent.BindingKey{}); len(s) > maxACLFlows {
				return nil, noRoom("more than %d flows for the entries of %v of an ACL: ranges of ports are several each", maxACLFlows, d)
			}
		}
	}
	return s, nil
}

// mark gives an entry a cookie, by which its flows are counted.
func (l *accessList) mark(id intent.ACLEntryID) uint64 {
	h := fnv.New32a()
	h.Write(id[:])
	for low := h.Sum32(); ; low++ {
		cookie := cookieACL | uint64(low&(1<<31-1))
		if is, ok := l.cookie[cookie]; !ok || is == id {
			l.cookie[cookie] = id
			return cookie
		}
	}
}

// deny drops a frame where its place has a flow for that, which counts it.
func deny(v verdict) openflow.Instructions {
	return openflow.Apply(openflow.SetField(openflow.Reg(regVerdict, uint32(v))), again(tableIn), openflow.SetField(openflow.Reg(regVerdict, 0)))
}

// verdictReasons are why frames are dropped for which there are verdicts.
var verdictReasons = map[verdict]uint64{deniedIn: dropACLIngress, deniedOut: dropACLEgress, unreadable: dropACLUnreadable}

// denials adds what drops what an ACL has denied of what came in as a match says.
func denials(s flowSet, at intent.BindingKey, match openflow.Match) {
	for v, reason := range verdictReasons {
		s.add(at, openflow.FlowMod{Cookie: cookieDrop | reason, Table: tableIn, Priority: prioDenied,
			Match: also(match, openflow.Reg(regVerdict, uint32(v)))})
	}
}

// aclTable is that of the entries of a direction.
func aclTable(d intent.Direction) uint8 {
	if d == intent.Egress {
		return tableACLOut
	}
	return tableACL
}

// guarded adds what the table of a direction has of ACLs, and of frames that no entry decides.
func guarded(s flowSet, lists []*accessList, d intent.Direction) {
	if len(lists) == 0 {
		return
	}
	s.add(intent.BindingKey{}, openflow.FlowMod{Cookie: cookieFlow, Table: aclTable(d), Instructions: openflow.Apply(openflow.OutputReg(regTo))})
	for _, l := range lists {
		maps.Copy(s, l.flows[d])
	}
}

// askThen are the actions that have an ACL asked, and send what may pass to a port.
func askThen(d intent.Direction, number, port uint32) openflow.Actions {
	return openflow.Actions{openflow.SetField(openflow.Reg(regACL, number)), openflow.SetField(openflow.Reg(regTo, port)), again(aclTable(d))}
}

// sortLists returns each list once, in the order of their IDs.
func sortLists(lists []*accessList) []*accessList {
	slices.SortFunc(lists, func(a, b *accessList) int { return a.id.Compare(b.id) })
	return slices.Compact(lists)
}

func noRoom(format string, args ...any) error {
	return problem.Errorf(problem.TableFull, "use fewer entries and narrower ranges", format, args...)
}

// aclOf says which ACL a flow is of.
func (e *engine) aclOf(f *flow) (id intent.ACLID, ok bool) {
	if f.mod.Cookie&cookieACL != cookieACL {
		return id, false
	}
	number, ok := f.mod.Match.Get(openflow.FieldReg(regACL))
	if !ok {
		return id, false
	}
	for id, n := range e.access.numbers.of {
		if n == binary.BigEndian.Uint32(number) {
			return id, true
		}
	}
	return id, false
}

// adoptACLs reads what an earlier process has noted of ACLs.
func (e *engine) adoptACLs(b *bridge) {
	if !b.physical {
		return
	}
	acls, _, gone, err := readACLNotes(b.have)
	if err != nil {
		e.log.Warn("what an earlier process has noted of ACLs is lost in part", "err", err)
	}
	e.access.adopt(acls, gone)
}

// refuseACLs goes back to the versions before of ACLs whose flows a bridge does not take.
func (e *engine) refuseACLs(b *bridge) {
	for k, err := range b.badACLs {
		f := b.want[k]
		if f == nil {
			continue
		}
		if id, ok := e.aclOf(f); ok {
			e.access.refuse(id, refusal(err))
			e.mail.ring() // nothing else may happen for long
		}
	}
	clear(b.badACLs)
	e.built = false
}

// refusal says why flows of an ACL are not there.
func refusal(err error) error {
	var refused *openflow.Error
	if errors.As(err, &refused) && refused.Kind == openflow.FlowModFailed && refused.Code == openflow.FlowModTableFull {
		return noRoom("a flow table of Open vSwitch is full")
	}
	return fmt.Errorf("ovs-vswitchd refuses a flow of it: %w", err)
}

var errACL = errors.New("flows of an ACL were refused")
