package planetest

import (
	"bytes"
	"context"
	"math/rand/v2"

	"github.com/vtep/vtep/internal/acl/acltest"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

// aclChanges has entries come and go: each change is in force when Apply returns, and what entries that
// stay have counted stays.
func aclChanges(l *lab) {
	udp := deny(intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 17 })
	tcp := deny(intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 6 })
	l.apply(betweenPorts(intent.Ingress, udp))
	l.passes("UDP is denied", false, l.carrying(udpSegment(17, 1, 2)))
	l.passes("TCP is not", true, l.carrying(tcpSegment(1, 2, 2)))
	l.apply(betweenPorts(intent.Ingress, udp, tcp))
	l.passes("UDP still is denied", false, l.carrying(udpSegment(17, 1, 2)))
	l.passes("TCP is, too", false, l.carrying(tcpSegment(1, 2, 2)))
	l.mustHaveCounted(map[plane.ACLEntryAt]uint64{entryAt(aclA, intent.Ingress, 0): 2, entryAt(aclA, intent.Ingress, 1): 1})
	l.apply(betweenPorts(intent.Ingress, tcp)) // now with the first one's UUID
	l.passes("UDP is not denied any more", true, l.carrying(udpSegment(17, 1, 2)))
	l.passes("TCP still is", false, l.carrying(tcpSegment(1, 2, 2)))
	l.mustHaveCounted(map[plane.ACLEntryAt]uint64{entryAt(aclA, intent.Ingress, 0): 3})
	l.apply(func(s *intent.State) { s.ACLs[aclB] = both("b", entries(udp), nil) })
	l.passes("an ACL that nobody has", true, l.carrying(udpSegment(17, 1, 2)))
	l.apply(func(s *intent.State) { guard(s, at("p0", 0), aclB) })
	l.passes("the other ACL denies UDP", false, l.carrying(udpSegment(17, 1, 2)))
	l.passes("and TCP not", true, l.carrying(tcpSegment(1, 2, 2)))
	l.apply(func(s *intent.State) {
		delete(s.Policies, at("p0", 0))
		delete(s.ACLs, aclB)
	})
	l.passes("no ACL", true, l.carrying(udpSegment(17, 1, 2)))
	l.apply(func(s *intent.State) { guard(s, at("p0", 0), aclA) })
	l.passes("the first ACL again", false, l.carrying(tcpSegment(1, 2, 2)))
	// A binding that goes and comes again brings no ACL with it.
	l.apply(func(s *intent.State) {
		delete(s.Policies, at("p0", 0))
		delete(s.Bindings, at("p0", 0))
	})
	l.apply(func(s *intent.State) { bind(s, "p0", 0, red) })
	l.passes("a new binding", true, l.carrying(tcpSegment(1, 2, 2)))
	l.apply(func(s *intent.State) { clear(s.ACLs) })
	l.mustHaveCounted(nil)
}

// aclRestart has a plane let go of the dataplane, and another take it over: ACLs stay, and are what
// that is told of them.
func aclRestart(l *lab) {
	udp := deny(intent.ACLProtocol, func(e *intent.ACLEntry) { e.Protocol = 17 })
	l.apply(betweenPorts(intent.Ingress, udp))
	l.passes("UDP is denied", false, l.carrying(udpSegment(17, 1, 2)))
	l.shut()
	l.passes("UDP is denied while nobody is there", false, l.carrying(udpSegment(17, 1, 2)))
	l.plane = l.harness.Open(l)
	left, err := l.plane.Adopted(context.Background(), true)
	if err != nil {
		l.Fatalf("adopted: %v", err)
	}
	if left == nil || len(left.ACLs) != 1 || !left.ACLs[aclA].Equal(l.state.ACLs[aclA]) || left.Policies[at("p0", 0)].ACL != aclA {
		l.Fatalf("what is left is\n%v\nshould be\n%v", left, l.state)
	}
	l.shut()
	l.open()
	l.passes("UDP is denied by the next plane", false, l.carrying(udpSegment(17, 1, 2)))
	l.mustHaveCounted(map[plane.ACLEntryAt]uint64{entryAt(aclA, intent.Ingress, 0): 3})
	l.apply(betweenPorts(intent.Ingress))
	l.passes("until it is not", true, l.carrying(udpSegment(17, 1, 2)))
}

// randomACLs has frames of all forms asked by random ACLs at random places, and compares with the model, which
// looks through the entries one by one.
func randomACLs(l *lab) {
	seed := rand.Uint64()
	l.Logf("seed %d", seed)
	d := acltest.Dice{Rand: rand.New(rand.NewPCG(seed, 0)), Whole: true, Valid: l.limits().SeesHeaders}
	fabric := memory.New(memory.Options{})
	for _, p := range Ports {
		fabric.AddDevice(p)
	}
	model := fabric.Open()
	if _, err := model.Apply(l.Context(), l.state, nil); err != nil {
		l.Fatal(err)
	}
	for step := range 10 {
		before := l.state
		d.Wild, d.Strict = d.One(2), d.One(2)
		l.apply(func(s *intent.State) {
			*s = *intent.NewState()
			site(s)
			for _, p := range Ports {
				bind(s, p, 0, red)
			}
			for _, id := range []intent.ACLID{aclA, aclB} {
				n := acltest.Pick(d, 0, 1, 5, 30, 64, 65, 150)
				s.ACLs[id] = intent.ACL{Ingress: d.Entries(n), Egress: d.Entries(n / 2)}
			}
			for _, p := range Ports {
				if !d.One(3) {
					guard(s, at(p, 0), acltest.Pick(d, aclA, aclB))
				}
			}
		})
		if _, err := model.Apply(l.Context(), l.state, intent.Diff(before, l.state)); err != nil {
			l.Fatal(err)
		}
		for range 20 {
			l.lastID++
			id := l.lastID
			draw := func() raw {
				return raw(d.Frame(append(append([]byte{}, marker...), byte(id>>24), byte(id>>16), byte(id>>8), byte(id), '.', '.', '.', '.', '.', '.')...))
			}
			f := draw()
			for l.limits().LearnsLate && bytes.Equal(f[:6], f[6:12]) {
				f = draw()
			}
			port := acltest.Pick(d, Ports...)
			outs, why := fabric.FromPort(port, f)
			var want []Out
			for _, o := range outs {
				want = append(want, Out(o))
			}
			l.Logf("step %d: %x from %s: %q", step, []byte(f), port, why)
			l.portGets(port, f, want...)
		}
		l.audit()
	}
}
