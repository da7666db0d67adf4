package neighbor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/intent"
)

var (
	start = time.Unix(1000, 0)
	mac   = intent.MAC{2, 5: 1}
	other = intent.MAC{2, 5: 2}
)

func key(n int) intent.IPKey {
	return intent.IPKey{Switch: intent.SwitchID{1}, IP: netip.AddrFrom4([4]byte{10, byte(n >> 16), byte(n >> 8), byte(n)})}
}

func packet(n byte) Packet { return Packet{Frame: []byte{n}} }

func unused(keys []intent.IPKey) []bool { return make([]bool, len(keys)) }

func inUse(keys []intent.IPKey) []bool {
	all := make([]bool, len(keys))
	for i := range all {
		all[i] = true
	}
	return all
}

// did is what there was to do, in words.
func did(t *Table) string {
	a := t.Take()
	var all []string
	for _, q := range a.Ask {
		to := "all"
		if !q.To.IsZero() {
			to = q.To.String()
		}
		all = append(all, fmt.Sprintf("ask %s for %v", to, q.Key.IP))
	}
	for k, m := range a.Changed {
		all = append(all, fmt.Sprintf("%v is %v", k.IP, m))
	}
	for _, d := range a.Deliver {
		for _, p := range d.Packets {
			all = append(all, fmt.Sprintf("deliver %d to %v", p.Frame[0], d.MAC))
		}
	}
	for _, p := range a.Unreachable {
		all = append(all, fmt.Sprintf("unreachable for %d", p.Frame[0]))
	}
	for _, p := range a.Dropped {
		all = append(all, fmt.Sprintf("drop %d", p.Frame[0]))
	}
	return strings.Join(all, "; ")
}

func expect(t *testing.T, tab *Table, want string) {
	t.Helper()
	if got := did(tab); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The life of a neighbor, from the first packet to the last.
func TestLife(t *testing.T) {
	tab, now := New(), start
	k := key(1)
	for n := range byte(QueuePackets + 1) {
		tab.Ask(now, k, packet(n))
	}
	expect(t, tab, "ask all for 10.0.0.1; drop 0")
	tab.Advance(now, unused)
	expect(t, tab, "")
	now = now.Add(RetransTimer)
	tab.Advance(now, unused)
	expect(t, tab, "ask all for 10.0.0.1")
	tab.Heard(now, k, mac, intent.BindingKey{})
	expect(t, tab, "10.0.0.1 is "+mac.String()+"; deliver 1 to "+mac.String()+"; deliver 2 to "+mac.String()+"; deliver 3 to "+mac.String())
	tab.Ask(now, k, packet(9)) // it was on its way when the answer came
	expect(t, tab, "deliver 9 to "+mac.String())

	now = now.Add(ReachableTime)
	tab.Advance(now, unused)
	expect(t, tab, "")
	if _, state, _ := tab.Get(k); state != Stale {
		t.Errorf("it is %v", state)
	}
	now = now.Add(ReachableTime)
	tab.Advance(now, inUse)
	expect(t, tab, "ask "+mac.String()+" for 10.0.0.1")
	tab.Heard(now, k, other, intent.BindingKey{}) // it has another card now
	expect(t, tab, "10.0.0.1 is "+other.String())

	now = now.Add(ReachableTime)
	tab.Advance(now, inUse)
	now = now.Add(ReachableTime)
	tab.Advance(now, inUse)
	for range MaxSolicit - 1 {
		now = now.Add(RetransTimer)
		tab.Advance(now, inUse)
	}
	expect(t, tab, strings.Repeat("ask "+other.String()+" for 10.0.0.1; ", MaxSolicit-1)+"ask "+other.String()+" for 10.0.0.1")
	now = now.Add(RetransTimer)
	tab.Advance(now, inUse)
	expect(t, tab, "10.0.0.1 is 00:00:00:00:00:00")
	if len(tab.entries) != 0 || !tab.Next().IsZero() {
		t.Errorf("%d are left, due %v", len(tab.entries), tab.Next())
	}
}

func TestFailed(t *testing.T) {
	tab, now := New(), start
	k := key(1)
	tab.Ask(now, k, packet(1))
	for range MaxSolicit {
		now = now.Add(RetransTimer)
		tab.Advance(now, unused)
	}
	expect(t, tab, "ask all for 10.0.0.1; ask all for 10.0.0.1; ask all for 10.0.0.1; unreachable for 1")
	tab.Ask(now, k, packet(2))
	tab.Heard(now, k, mac, intent.BindingKey{}) // too late: nobody has asked since
	expect(t, tab, "unreachable for 2")
	now = now.Add(FailedTime)
	tab.Advance(now, unused)
	tab.Ask(now, k, packet(3))
	expect(t, tab, "ask all for 10.0.0.1")
}

// One that nobody uses is forgotten, and nobody is asked for it.
func TestUnused(t *testing.T) {
	tab, now := New(), start
	tab.Adopt(now, key(1), mac)
	for len(tab.entries) > 0 {
		now = tab.Next()
		tab.Advance(now, unused)
		if now.Sub(start) > 2*StaleTime {
			t.Fatal("it stays")
		}
	}
	expect(t, tab, "10.0.0.1 is 00:00:00:00:00:00")
	if now.Sub(start) < StaleTime {
		t.Errorf("forgotten after %v", now.Sub(start))
	}
}

// What nobody has asked for is not believed.
func TestUnasked(t *testing.T) {
	tab := New()
	tab.Heard(start, key(1), mac, intent.BindingKey{})
	tab.Ask(start, key(2), packet(1))
	tab.Heard(start, key(2), intent.MAC{1}, intent.BindingKey{})
	expect(t, tab, "ask all for 10.0.0.2")
	tab.Forget(key(2))
	tab.Forget(key(3))
	expect(t, tab, "drop 1")
}

// Whoever asks for a million addresses that nobody has takes a bounded place, and that of nobody.
func TestScan(t *testing.T) {
	tab, now := New(), start
	var known []intent.IPKey
	for n := range 1000 {
		k := key(1<<23 + n)
		tab.Ask(now, k, packet(0))
		tab.Heard(now, k, mac, intent.BindingKey{})
		known = append(known, k)
	}
	tab.Take()
	most, questions := 0, 0
	for n := range 1_000_000 {
		now = now.Add(20 * time.Microsecond)
		tab.Ask(now, key(n), packet(1))
		if n%1000 == 0 {
			tab.Advance(now, inUse)
			questions += len(tab.Take().Ask)
		}
		most = max(most, len(tab.entries))
	}
	if most > len(known)+4*MaxIncomplete || tab.waiting.taken > MaxWaiting || tab.incomplete.taken > MaxIncomplete {
		t.Errorf("%d are asked for at most, %d packets wait, %d are incomplete", most, tab.waiting.taken, tab.incomplete.taken)
	}
	if questions == 0 {
		t.Error("nobody was asked")
	}
	i := slices.IndexFunc(known, func(k intent.IPKey) bool { m, _, _ := tab.Get(k); return m != mac })
	if i >= 0 {
		t.Errorf("%v is not known any more", known[i])
	}
	for range 100 {
		if now = tab.Next(); now.IsZero() || tab.incomplete.taken == 0 {
			break
		}
		tab.Advance(now, unused)
	}
}
