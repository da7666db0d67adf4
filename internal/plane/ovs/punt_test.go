package ovs

import (
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/openflow"
)

// Of what is punted a bounded number is taken, and of one place half of that; the rest is counted by what it is.
func TestPuntsAreBounded(t *testing.T) {
	m, b := newMailbox(), &bridge{name: "br0"}
	put := func(port uint32, cookie uint64) {
		m.put(letter{from: b, packet: &openflow.PacketIn{Cookie: cookie, Match: openflow.Match{openflow.InPort(port)}}})
	}
	for range maxPackets {
		put(1, cookieFlow)
	}
	for range maxPackets / 2 {
		put(2, cookieFlow)
	}
	for _, cookie := range []uint64{cookieFlow, cookiePunt | puntOwn, cookiePunt | puntHeard, cookiePunt | puntHeard, cookiePunt | 0xff} {
		put(3, cookie)
	}
	all, lost := m.take()
	if len(all) != maxPackets || len(lost) != 2 || lost[cookiePunt|puntOwn] != 1 || lost[cookiePunt|puntHeard] != 2 {
		t.Errorf("%d letters, lost %v", len(all), lost)
	}
	from := map[uint32]int{}
	for _, l := range all {
		port, _ := l.packet.Match.InPort()
		from[port]++
	}
	if from[1] != maxPackets/2 || from[2] != maxPackets/2 {
		t.Errorf("taken are %v", from)
	}
	put(3, cookieFlow)
	if all, _ := m.take(); len(all) != 1 {
		t.Errorf("%d letters afterwards", len(all))
	}
}

// One switch does not use up what others have.
func TestBudgetIsShared(t *testing.T) {
	b, now := budget{}, time.Unix(1000, 0)
	take := func(id byte, n int) (taken int) {
		for range n {
			if b.take(now, intent.SwitchID{id}) {
				taken++
			}
		}
		return taken
	}
	if n := take(1, 3*puntRate); n != puntRate+shareRate {
		t.Errorf("one switch takes %d in a second", n)
	}
	if n := take(2, 2*shareRate); n != shareRate {
		t.Errorf("another takes %d", n)
	}
	total := 0
	for id := range byte(100) {
		total += take(id+3, 2*shareRate)
	}
	if total != puntRate-2*shareRate {
		t.Errorf("all others take %d", total)
	}
	now = now.Add(time.Second)
	if n := take(2, 2*puntRate); n != puntRate+shareRate {
		t.Errorf("a second later one takes %d", n)
	}
}
