package ovs

import (
	"testing"
	"time"

	"github.com/vtep/vtep/internal/openflow"
)

// Of what is punted a bounded number is taken, the rest is counted by what it is.
func TestPuntsAreBounded(t *testing.T) {
	m := newMailbox()
	for range maxPackets {
		m.put(letter{packet: &openflow.PacketIn{Cookie: cookieFlow}})
	}
	for _, cookie := range []uint64{cookieFlow, cookiePunt | puntOwn, cookiePunt | puntHeard, cookiePunt | puntHeard, cookiePunt | 0xff} {
		m.put(letter{packet: &openflow.PacketIn{Cookie: cookie}})
	}
	all, lost := m.take()
	if len(all) != maxPackets || len(lost) != 2 || lost[cookiePunt|puntOwn] != 1 || lost[cookiePunt|puntHeard] != 2 {
		t.Errorf("%d letters, lost %v", len(all), lost)
	}
	var b bucket
	now, taken := time.Unix(1000, 0), 0
	for range 3 * puntRate {
		if b.take(now) {
			taken++
		}
	}
	if taken != puntRate || !b.take(now.Add(time.Second)) {
		t.Errorf("%d taken in a second, and then no more", taken)
	}
}
