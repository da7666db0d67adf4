package ovs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"strconv"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
	"github.com/vtep/vtep/internal/testenv"
)

// Parts of a range are all of it, and nothing else, each once.
func TestPorts(t *testing.T) {
	for _, r := range []intent.PortRange{{}, {Min: 0xffff, Max: 0xffff}, {Max: 0xffff}, {Min: 1, Max: 0xfffe}, {Min: 1024, Max: 0xffff},
		{Max: 7}, {Min: 80, Max: 81}, {Min: 81, Max: 82}, {Min: 1000, Max: 2000}, {Min: 0x7fff, Max: 0x8000}} {
		parts := ports(openflow.FieldTCPDst, r)
		if len(parts) > 30 {
			t.Errorf("%v: %d parts", r, len(parts))
		}
		for port := range 1 << 16 {
			n := 0
			for _, m := range parts {
				value, mask := uint16(0), uint16(0)
				if len(m) > 0 {
					value, mask = binary.BigEndian.Uint16(m[0].Value), 0xffff
					if m[0].Mask != nil {
						mask = binary.BigEndian.Uint16(m[0].Mask)
					}
				}
				if uint16(port)&mask == value {
					n++
				}
			}
			if in := uint16(port) >= r.Min && uint16(port) <= r.Max; in != (n == 1) || n > 1 {
				t.Fatalf("%v: %d of %d parts have port %d", r, n, len(parts), port)
			}
		}
	}
}

// What is too large is refused, and what was in force stays, also that of an earlier process.
func TestACLTooLarge(t *testing.T) {
	id := intent.ACLID{1}
	entry := func(n byte, r intent.PortRange) intent.ACLEntry {
		return intent.ACLEntry{ID: intent.ACLEntryID{15: n}, Deny: true, Fields: intent.ACLProtocol | intent.ACLSrcPorts | intent.ACLDstPorts, Protocol: 6, SrcPorts: r, DstPorts: r}
	}
	good := intent.ACL{Ingress: []intent.ACLEntry{entry(1, intent.PortRange{Min: 80, Max: 80})}}
	wide := intent.ACL{}
	for n := range byte(200) {
		wide.Ingress = append(wide.Ingress, entry(n, intent.PortRange{Min: 101*uint16(n) + 1, Max: 0xfffe - 103*uint16(n)}))
	}
	change := func(a *accessLists, is intent.ACL) {
		a.change(intent.Change[intent.ACLID, intent.ACL]{Key: id, New: &is})
	}
	isFull := func(err error) bool {
		var p *problem.Error
		return errors.As(err, &p) && p.Kind == problem.TableFull
	}
	a := newAccessLists()
	change(&a, good)
	if a.of(id, intent.Ingress) == nil || a.of(id, intent.Egress) != nil || len(a.refused) > 0 {
		t.Fatalf("refused is %v, in force %d flows", a.refused[id], a.flows)
	}
	change(&a, wide)
	if l := a.of(id, intent.Ingress); !isFull(a.refused[id]) || l == nil || !l.is.Equal(good) {
		t.Fatalf("refused is %v, in force %d flows", a.refused[id], a.flows)
	}
	next := newAccessLists()
	change(&next, wide)
	if next.of(id, intent.Ingress) != nil {
		t.Fatal("it is in force")
	}
	s := flowSet{}
	gone := map[plane.ACLEntryAt]plane.Count{{ACL: id, Entry: good.Ingress[0].ID}: {Packets: 3, Bytes: 200}}
	noteACL(s, a.inForce[id], []intent.BindingKey{{Port: "p0"}, {Port: "p0", VLAN: 7}}, gone)
	left, at, had, err := readACLNotes(s)
	if err != nil || !left[id].Equal(good) || at[intent.BindingKey{Port: "p0", VLAN: 7}] != id || len(at) != 2 || !maps.Equal(had, gone) {
		t.Fatalf("noted is %v of %v, %v", left, at, err)
	}
	next.adopt(left, had)
	if l := next.of(id, intent.Ingress); !isFull(next.refused[id]) || l == nil || !l.is.Equal(good) || l.number != a.inForce[id].number || !maps.Equal(next.counts(), gone) {
		t.Fatalf("refused is %v, in force %d flows", next.refused[id], next.flows)
	}
	change(&next, intent.ACL{})
	if len(next.refused) > 0 || next.of(id, intent.Ingress) != nil || next.flows != 0 {
		t.Fatalf("refused is %v, in force %d flows", next.refused[id], next.flows)
	}
}

// What Open vSwitch has refused does not come back in the place of what it refuses next.
func TestACLRefusedTwice(t *testing.T) {
	id, refused := intent.ACLID{1}, errors.New("refused")
	version := func(n byte) intent.ACL {
		return intent.ACL{Ingress: []intent.ACLEntry{{ID: intent.ACLEntryID{15: n}, Deny: true}}}
	}
	inForce := func(a *accessLists, n byte) {
		t.Helper()
		switch l := a.of(id, intent.Ingress); {
		case n == 0 && l != nil:
			t.Errorf("%v is in force", l.is)
		case n != 0 && (l == nil || !l.is.Equal(version(n))):
			t.Errorf("version %d is not in force", n)
		}
	}
	a := newAccessLists()
	for n := range byte(2) {
		is := version(n + 1)
		a.change(intent.Change[intent.ACLID, intent.ACL]{Key: id, New: &is})
	}
	a.adopt(map[intent.ACLID]intent.ACL{id: version(3)}, nil)
	for _, n := range []byte{1, 3, 0} {
		a.refuse(id, refused)
		inForce(&a, n)
		if a.refused[id] != refused || !a.wanted[id].Equal(version(2)) {
			t.Errorf("refused is %v: %v", a.wanted[id], a.refused[id])
		}
	}
	var numbers = newNumbering[intent.RouterID]()
	if numbers.drop(intent.RouterID{1}); numbers.get(intent.RouterID{15: 1}) == 0 {
		t.Error("0 is a number")
	}
}

// The version before is put back at once, and not with the next event.
func TestACLRefusedAtOnce(t *testing.T) {
	id := intent.ACLID{1}
	e := &engine{access: newAccessLists(), mail: newMailbox()}
	e.access.change(intent.Change[intent.ACLID, intent.ACL]{Key: id, New: &intent.ACL{Ingress: []intent.ACLEntry{{Deny: true}}}})
	b := &bridge{want: flowSet{}, badACLs: map[flowKey]error{}}
	for k, f := range e.access.of(id, intent.Ingress).flows[intent.Ingress] {
		b.want[k], b.badACLs[k] = f, errors.New("refused")
	}
	e.refuseACLs(b)
	if len(e.mail.wake) != 1 || e.access.refused[id] == nil || len(b.badACLs) != 0 {
		t.Fatalf("woken %d times, refused is %v", len(e.mail.wake), e.access.refused)
	}
	<-e.mail.wake
	if e.refuseACLs(b); len(e.mail.wake) != 0 {
		t.Error("woken for nothing")
	}
}

// Where Open vSwitch has no room for the flows of an ACL, the one before stays whole; so it does while its flows
// are taken away by hand, until they are put back.
func TestACLRefused(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer func() { p.Destroy(context.Background()) }()
	id, red, at := intent.ACLID{1}, intent.SwitchID{0xed}, intent.BindingKey{Port: "p0"}
	entries := func(n int) (list []intent.ACLEntry) {
		for i := range n {
			list = append(list, intent.ACLEntry{ID: intent.ACLEntryID{15: byte(i)}, Sequence: int64(i), Deny: true, Fields: intent.ACLEtherType, EtherType: 0x9000 + uint16(i)})
		}
		return list
	}
	state := func(n int) *intent.State {
		s := intent.NewState()
		s.Ports["p0"] = intent.Port{}
		s.Switches[red] = intent.Switch{Name: "red"}
		s.Bindings[at] = intent.Binding{Switch: red}
		s.ACLs[id] = intent.ACL{Ingress: entries(n)}
		s.Policies[at] = intent.Policy{ACL: id}
		return s
	}
	apply := func(was, is *intent.State) plane.Report {
		t.Helper()
		var d *intent.Delta
		if was != nil {
			d = intent.Diff(was, is)
		}
		r, err := p.Apply(context.Background(), is, d)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	flows := func() int {
		parts, err := p.flowsOf(context.Background(), "br0", tableACL)
		if err != nil {
			t.Fatal(err)
		}
		return len(flowsIn(parts)) - 1 // that of what no entry matches
	}
	few, many, some := state(3), state(30), state(4)
	w.Vsctl(t, "--", "--id=@f", "create", "Flow_Table", "flow_limit=10", "overflow_policy=refuse", "--", "set", "Bridge", "br0", "flow_tables:3=@f")
	if r := apply(nil, few); len(r.ACLs) > 0 || flows() != 3 {
		t.Fatalf("%v, %d flows", r.ACLs, flows())
	}
	if r := apply(few, many); problem.Of("", r.ACLs[id], problem.Unsettled).Kind != problem.TableFull || flows() != 3 || len(r.Ports) > 0 {
		t.Fatalf("%v, %v, %d flows", r.ACLs, r.Ports, flows())
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	p = w.newPlane(t)
	if r := apply(nil, many); problem.Of("", r.ACLs[id], problem.Unsettled).Kind != problem.TableFull || flows() != 3 || len(r.Ports) > 0 {
		t.Fatalf("the next process: %v, %v, %d flows", r.ACLs, r.Ports, flows())
	}
	w.Vsctl(t, "set", "Flow_Table", ".", "flow_limit=100") // there is room for it now
	testenv.Eventually(t, longest, func() error {
		var r plane.Report
		if err := p.do(t.Context(), func() { r = p.engine.report() }); err != nil || len(r.ACLs) > 0 || flows() != 30 {
			return fmt.Errorf("%v, %v, %d flows", err, r.ACLs, flows())
		}
		return nil
	})
	if r := apply(many, some); len(r.ACLs) > 0 || flows() != 4 {
		t.Fatalf("%v, %d flows", r.ACLs, flows())
	}
	w.Ofctl(t, "del-flows", w.Socket("br0.mgmt"), "table=3")
	testenv.Eventually(t, longest, func() error {
		if n := flows(); n != 4 {
			return errors.New("flows are missing")
		}
		return nil
	})
}

// One flow more of an ACL is refused as many are: the version before stays.
func TestACLRefusedByOne(t *testing.T) {
	w := newWorld(t)
	p := w.newPlane(t)
	defer p.Destroy(context.Background())
	id, red, at := intent.ACLID{1}, intent.SwitchID{0xed}, intent.BindingKey{Port: "p0"}
	state := func(n byte) *intent.State {
		s := intent.NewState()
		s.Ports["p0"] = intent.Port{}
		s.Switches[red] = intent.Switch{Name: "red"}
		s.Bindings[at] = intent.Binding{Switch: red}
		var list []intent.ACLEntry
		for i := range n {
			list = append(list, intent.ACLEntry{ID: intent.ACLEntryID{15: i}, Sequence: int64(i), Deny: true, Fields: intent.ACLEtherType, EtherType: 0x9000 + uint16(i)})
		}
		s.ACLs[id] = intent.ACL{Egress: list}
		s.Policies[at] = intent.Policy{ACL: id}
		return s
	}
	few, more := state(3), state(4)
	if r, err := p.Apply(context.Background(), few, nil); err != nil || len(r.ACLs) > 0 {
		t.Fatalf("%v, %v", r.ACLs, err)
	}
	flows := func() int {
		parts, err := p.flowsOf(context.Background(), "br0_vtep_ls1", tableACLOut)
		if err != nil {
			t.Fatal(err)
		}
		return len(flowsIn(parts))
	}
	was := flows()
	w.Vsctl(t, "--", "--id=@f", "create", "Flow_Table", "flow_limit="+strconv.Itoa(was), "overflow_policy=refuse", "--", "set", "Bridge", "br0_vtep_ls1", "flow_tables:12=@f")
	r, err := p.Apply(context.Background(), more, intent.Diff(few, more))
	if err != nil || r.ACLs[id] == nil || problem.Of("", r.ACLs[id], problem.Unsettled).Kind != problem.TableFull || flows() != was {
		t.Errorf("%v, %v, %v, %d flows", r.ACLs, r.Full, err, flows())
	}
}
