package ebpf

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"

	"github.com/vtep/vtep/internal/igmp"
	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
	"github.com/vtep/vtep/internal/testnet"
)

var (
	groupIP  = netip.MustParseAddr("239.1.1.1")
	groupMAC = intent.MAC(igmp.MAC(groupIP))
)

// snoopsGroups is basic, in which p0 has members of the group, and p1 has none.
func snoopsGroups(flooding intent.Flooding) *intent.State {
	s := basic()
	ls := s.Switches[ls1]
	ls.SnoopGroups, ls.Flooding = true, flooding
	s.Switches[ls1] = ls
	s.Members[intent.MACKey{Switch: ls1, MAC: groupMAC}] = intent.MemberSet{{Port: "p0"}}
	s.Members[intent.MACKey{Switch: ls1, MAC: intent.OtherGroups4}] = intent.MemberSet{}
	return s
}

// reaches says whether frames to the group, by a tunnel, come to p0 and to p1.
func (w *world) reachesGroup(what string, p0, p1 bool) {
	w.t.Helper()
	n := 0
	testenv.Eventually(w.t, patience, func() error {
		n++
		f := frame(groupMAC, macR, fmt.Sprintf("%s %d.", what, n))
		text := fmt.Sprintf("after %s %d.", what, n)
		ends := [][]byte{frame(macA, macR, text), frame(macB, macR, text)}
		w.send("h0", frame(macB, macA, text)) // where nothing is flooded they must be known
		w.send("h1", frame(macA, macB, text))
		for _, b := range append([][]byte{f}, ends...) {
			w.send("vx10", b)
		}
		got := [2]bool{}
		for i, dev := range []string{"h0", "h1"} {
			for _, b := range w.until(dev, ends[i]) {
				got[i] = got[i] || string(b) == string(f)
			}
		}
		if got != [2]bool{p0, p1} {
			return fmt.Errorf("%s: the hosts got it: %v, want %v, %v", what, got, p0, p1)
		}
		return nil
	})
}

// What nobody reads has frames go to all, until somebody does, also where nothing else is flooded.
func TestUnreadGroups(t *testing.T) {
	for _, flooding := range []intent.Flooding{intent.FloodAll, intent.FloodNone} {
		t.Run(flooding.String(), func(t *testing.T) { unreadGroups(t, snoopsGroups(flooding)) })
	}
}

func unreadGroups(t *testing.T, s *intent.State) {
	w := newWorld(t)
	p := w.plane(Options{})
	w.apply(p, s, nil)
	w.reachesGroup("at first", true, false)
	join := testnet.Join(macB[:], 2, groupIP)
	w.send("h1", join)
	w.event(p, "report", func(e plane.Event) bool {
		got, ok := e.(plane.Punted)
		return ok && got.Reason == plane.PuntMembership && got.At.Port == "p1" && string(got.Frame) == string(join)
	})
	w.reachesGroup("when it was read", true, false) // the lists are the agent's to change
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	w.reachesGroup("without a process", true, false)
	w.send("h1", join)
	w.reachesGroup("unread", true, true)
	p = w.plane(Options{})
	w.apply(p, s, nil)
	w.event(p, "unread report", func(e plane.Event) bool {
		got, ok := e.(plane.Punted)
		return ok && got.At.Port == "p1" && string(got.Frame) == string(join)
	})
	w.reachesGroup("read again", true, false)
	w.audit(p)
}

// More than the agent is shown is counted, and nobody is kept from a group whose report may be
// among it. Other switches are as before.
func TestStormOfReports(t *testing.T) {
	for _, flooding := range []intent.Flooding{intent.FloodAll, intent.FloodNone} {
		t.Run(flooding.String(), func(t *testing.T) { stormOfReports(t, snoopsGroups(flooding)) })
	}
}

func stormOfReports(t *testing.T, s *intent.State) {
	w := newWorld(t)
	p := w.plane(Options{})
	other := intent.SwitchID{0x0f}
	s.Switches[other] = intent.Switch{Name: "other", VNI: 77, SwitchOptions: intent.SwitchOptions{SnoopGroups: true}}
	s.Bindings[intent.BindingKey{Port: "p2"}] = intent.Binding{Switch: other}
	w.apply(p, s, nil)
	w.reachesGroup("at first", true, false)
	join := testnet.Join(macR[:], 2, groupIP)
	for range 700 { // p2 may say 512 at once
		w.send("h2", join)
	}
	testenv.Eventually(w.t, patience, func() error {
		if w.drops(p)["membership_rate"] == 0 {
			w.send("h2", join)
			return errors.New("nothing was refused")
		}
		return nil
	})
	w.reachesGroup("beside a storm", true, false)
	join = testnet.Join(macB[:], 2, groupIP)
	for range 700 {
		w.send("h1", join)
	}
	w.reachesGroup("in a storm", true, true)
	lost, err := p.LostGroups(t.Context())
	for id, left := range lost {
		if left <= 0 || left > missingMax || id != ls1 && id != other {
			t.Errorf("of %v it is said that for %v", id, left)
		}
	}
	if err != nil || len(lost) != 2 {
		t.Errorf("the switches with losses are %v, %v", lost, err)
	}
	w.audit(p)
}
