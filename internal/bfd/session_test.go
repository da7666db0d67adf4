package bfd

import (
	"math/rand/v2"
	"testing"
	"time"
)

const ms = time.Millisecond

// bench is a session, and a hand that plays its peer.
type bench struct {
	t *testing.T
	*Session
	now  time.Duration
	peer Packet // what the hand sends, unless it is told otherwise
}

func newBench(t *testing.T, cfg Config) *bench {
	if cfg.Mult == 0 {
		cfg.Mult = 3
	}
	now := time.Hour
	return &bench{t, New(now, cfg, 77, rand.New(rand.NewPCG(1, 2))), now,
		Packet{State: Down, Mult: 3, My: 5, MinTx: 100 * ms, MinRx: 100 * ms}}
}

var usual = Config{MinTx: 300 * ms, MinRx: 200 * ms}

// say has the peer send its packet.
func (b *bench) say(edits ...func(*Packet)) {
	b.t.Helper()
	p := b.peer
	for _, f := range edits {
		f(&p)
	}
	if _, err := Parse(p.Append(nil)); err != nil {
		b.t.Fatalf("the test sends %+v: %v", p, err)
	}
	if !b.Receive(b.now, p) {
		b.t.Fatalf("%+v is refused", p)
	}
}

// flush gives what is sent now.
func (b *bench) flush() (sent []Packet) {
	b.t.Helper()
	b.Run(b.now)
	for {
		p, ok := b.Transmit(b.now)
		if !ok {
			return sent
		}
		if sent = append(sent, p); len(sent) > 3 {
			b.t.Fatalf("no end of packets: %+v", sent)
		}
	}
}

// one is flush where one packet is expected.
func (b *bench) one() Packet {
	b.t.Helper()
	sent := b.flush()
	if len(sent) != 1 {
		b.t.Fatalf("at %v %d packets are sent: %+v", b.now, len(sent), sent)
	}
	return sent[0]
}

// next goes to when there is something to do.
func (b *bench) next() {
	b.t.Helper()
	at, _ := b.Next()
	if at == never {
		b.t.Fatal("there is nothing to do any more")
	}
	b.now = max(b.now, at)
}

func (b *bench) is(state State, diag Diag) {
	b.t.Helper()
	if st := b.Status(b.now); st.State != state || st.Diag != diag {
		b.t.Fatalf("is %v (%v), want %v (%v)", st.State, st.Diag, state, diag)
	}
}

// up leads to Up with the first poll answered.
func up(t *testing.T, cfg Config) *bench {
	b := newBench(t, cfg)
	b.flush()
	b.say()
	b.is(Init, NoDiag)
	b.peer.Your, b.peer.State = 77, Up
	b.flush()
	b.say()
	b.is(Up, NoDiag)
	b.flush()
	b.say(func(p *Packet) { p.Final = true })
	b.flush()
	return b
}

// RFC 5880, 6.2 and 6.8.6: every state, and what the peer may say.
func TestTransitions(t *testing.T) {
	for _, c := range []struct {
		from, said, to State
		diag           Diag
	}{
		{Down, AdminDown, Down, NoDiag}, {Down, Down, Init, NoDiag}, {Down, Init, Up, NoDiag}, {Down, Up, Down, NoDiag},
		{Init, AdminDown, Down, NeighborDown}, {Init, Down, Init, NoDiag}, {Init, Init, Up, NoDiag}, {Init, Up, Up, NoDiag},
		{Up, AdminDown, Down, NeighborDown}, {Up, Down, Down, NeighborDown}, {Up, Init, Up, NoDiag}, {Up, Up, Up, NoDiag},
	} {
		b := newBench(t, usual)
		b.peer.Your = 77
		switch c.from {
		case Init:
			b.say()
		case Up:
			b.say(func(p *Packet) { p.State = Init })
		}
		b.flush()
		b.say(func(p *Packet) { p.State = c.said })
		if st := b.Status(b.now); st.State != c.to || st.Diag != c.diag {
			t.Errorf("%v, told %v: %v (%v), want %v (%v)", c.from, c.said, st.State, st.Diag, c.to, c.diag)
		}
		if st := b.Status(b.now); st.Peer.State != c.said || st.Peer.Discriminator != 5 {
			t.Errorf("%v, told %v: peer is %+v", c.from, c.said, st.Peer)
		}
		if sent := b.flush(); c.from != c.to && (len(sent) != 1 || sent[0].State != c.to || sent[0].Diag != c.diag) {
			t.Errorf("%v, told %v: at once it sends %+v", c.from, c.said, sent)
		}
	}
}

func TestAdminDown(t *testing.T) {
	b := up(t, usual)
	cfg := usual
	cfg.Mult, cfg.AdminDown = 3, true
	b.Configure(b.now, cfg)
	b.is(AdminDown, AdministrativelyDown)
	if p := b.one(); p.State != AdminDown || p.Diag != AdministrativelyDown {
		t.Fatalf("it sends %+v", p)
	}
	if b.Receive(b.now, b.peer) {
		t.Fatal("it takes packets")
	}
	cfg.AdminDown = false
	b.Configure(b.now, cfg)
	b.is(Down, NoDiag)
}

func TestFarewell(t *testing.T) {
	b := up(t, usual)
	if p := b.Farewell(); p.State != AdminDown || p.Diag != AdministrativelyDown || p.My != 77 || p.Your != 5 {
		t.Fatalf("got %+v", p)
	}
	b.is(Up, NoDiag)
}

func TestWrongDiscriminator(t *testing.T) {
	b := up(t, usual)
	p := b.peer
	p.Your, p.State = 78, Down
	if b.Receive(b.now, p) {
		t.Fatal("it is taken")
	}
	b.is(Up, NoDiag)
}

// A peer that was started anew does not know our discriminator, and has another one.
func TestPeerRestarts(t *testing.T) {
	b := up(t, usual)
	b.say(func(p *Packet) { p.My, p.Your, p.State = 6, 0, Down })
	b.is(Down, NeighborDown)
	b.say(func(p *Packet) { p.My, p.Your, p.State = 6, 0, Down })
	b.is(Init, NeighborDown)
	if sent := b.one(); sent.Your != 6 {
		t.Fatalf("it sends %+v", sent)
	}
}

// RFC 5880, 6.8.3 and 6.8.7: once a second while not Up, jittered.
func TestSlowStart(t *testing.T) {
	b := newBench(t, Config{MinTx: 10 * ms, MinRx: 10 * ms})
	first := b.one()
	if first.State != Down || first.MinTx != time.Second || first.MinRx != 10*ms || first.Mult != 3 || first.My != 77 || first.Your != 0 {
		t.Fatalf("it begins with %+v", first)
	}
	for range 100 {
		before := b.now
		b.next()
		b.one()
		if gap := b.now - before; gap < 750*ms || gap > time.Second {
			t.Fatalf("packets are %v apart", gap)
		}
	}
}

// RFC 5880, 6.8.7: intervals are shortened by up to a quarter at random; with a multiplier of one
// by a tenth at least. Neither is left out because packets are sent a little early.
func TestJitter(t *testing.T) {
	for _, c := range []struct {
		mult        uint8
		early       bool
		least, most time.Duration
	}{{3, false, 225 * ms, 300 * ms}, {1, false, 225 * ms, 270 * ms}, {3, true, 225 * ms, 300 * ms}, {1, true, 225 * ms, 270 * ms}} {
		cfg := usual
		cfg.Mult = c.mult
		b := up(t, cfg)
		b.peer.MinTx = time.Hour
		b.say()
		b.flush()
		least, most, sum := time.Hour, time.Duration(0), time.Duration(0)
		const n = 2000
		for i := range n + 1 {
			before := b.now
			at, ready := b.Next()
			if b.now = at; c.early {
				b.now = ready
			}
			b.one()
			if i > 0 {
				gap := b.now - before
				least, most, sum = min(least, gap), max(most, gap), sum+gap
			}
		}
		if least < c.least || most > c.most || most-least < 40*ms {
			t.Errorf("multiplier %d, early %v: %v to %v apart", c.mult, c.early, least, most)
		}
		if mean := sum / n; mean < c.least+20*ms || mean > c.most-10*ms {
			t.Errorf("multiplier %d, early %v: %v apart in the mean", c.mult, c.early, mean)
		}
	}
}

// RFC 5880, 6.8.2: the slower of what one wants to send and the other to receive.
func TestNegotiation(t *testing.T) {
	b := up(t, usual)
	for _, c := range []struct{ minRx, want time.Duration }{
		{100 * ms, 300 * ms}, {300 * ms, 300 * ms}, {900 * ms, 900 * ms}, {ms, 300 * ms},
	} {
		b.say(func(p *Packet) { p.MinRx = c.minRx })
		if st := b.Status(b.now); st.TxInterval != c.want {
			t.Errorf("peer receives at %v: sends at %v, want %v", c.minRx, st.TxInterval, c.want)
		}
		b.flush()
	}
	for _, c := range []struct{ minTx, want time.Duration }{{100 * ms, 200 * ms}, {500 * ms, 500 * ms}} {
		b.say(func(p *Packet) { p.MinTx, p.Mult = c.minTx, 5 })
		if st := b.Status(b.now); st.RxInterval != c.want || st.DetectionTime != 5*c.want {
			t.Errorf("peer sends at %v: receives at %v, detects after %v", c.minTx, st.RxInterval, st.DetectionTime)
		}
	}
}

// RFC 5880, 6.8.7: a peer that wants no packets gets none, but for answers.
func TestPeerWantsNone(t *testing.T) {
	b := up(t, usual)
	b.say(func(p *Packet) { p.MinRx, p.MinTx = 0, time.Hour })
	b.flush()
	b.now += time.Minute
	if sent := b.flush(); len(sent) != 0 {
		t.Fatalf("it sends %+v", sent)
	}
	b.say(func(p *Packet) { p.MinRx, p.MinTx, p.Poll = 0, time.Hour, true })
	if p := b.one(); !p.Final || p.Poll {
		t.Fatalf("it answers %+v", p)
	}
	b.say(func(p *Packet) { p.MinTx = time.Hour })
	b.next()
	b.one()
}

// RFC 5880, 6.6: a peer in demand mode gets none while both are Up, but for polls.
func TestPeerDemands(t *testing.T) {
	b := up(t, usual)
	b.peer.Demand, b.peer.MinTx = true, time.Hour
	b.say()
	b.flush()
	b.now += time.Minute
	if sent := b.flush(); len(sent) != 0 {
		t.Fatalf("it sends %+v", sent)
	}
	cfg := usual
	cfg.Mult, cfg.MinRx = 3, 400*ms
	b.Configure(b.now, cfg)
	if p := b.one(); !p.Poll || p.MinRx != 400*ms {
		t.Fatalf("it sends %+v", p)
	}
	b.next()
	if p := b.one(); !p.Poll {
		t.Fatalf("it sends %+v", p)
	}
}

// RFC 5880, 6.5: a poll is answered at once, whatever the timer says, and not with a poll.
func TestAnswersPolls(t *testing.T) {
	b := up(t, usual)
	before := b.nextTx
	b.say(func(p *Packet) { p.Poll = true })
	if at, _ := b.Next(); at > b.now {
		t.Fatal("it is not in a hurry")
	}
	if p := b.one(); !p.Final || p.Poll {
		t.Fatalf("it answers %+v", p)
	}
	if b.nextTx != before {
		t.Fatal("the timer has moved")
	}
	// Also while it polls itself.
	cfg := usual
	cfg.Mult, cfg.MinRx = 3, 100*ms
	b.Configure(b.now, cfg)
	b.flush()
	b.say(func(p *Packet) { p.Poll = true })
	if p := b.one(); !p.Final || p.Poll {
		t.Fatalf("it answers %+v", p)
	}
	b.next()
	if p := b.one(); !p.Poll || p.Final {
		t.Fatalf("it goes on with %+v", p)
	}
}

// RFC 5880, 6.8.3: what makes it worse for the peer counts once it has answered, what makes it
// better at once.
func TestPollSequence(t *testing.T) {
	b := up(t, usual)
	change := func(minTx, minRx time.Duration) {
		t.Helper()
		cfg := usual
		cfg.Mult, cfg.MinTx, cfg.MinRx = 3, minTx, minRx
		b.Configure(b.now, cfg)
	}
	holds := func(tx, rx time.Duration, polling bool) {
		t.Helper()
		if st := b.Status(b.now); st.TxInterval != tx || st.RxInterval != rx || st.Polling != polling {
			t.Fatalf("%v, %v, polling %v, want %v, %v, %v", st.TxInterval, st.RxInterval, st.Polling, tx, rx, polling)
		}
	}
	holds(300*ms, 200*ms, false)
	change(700*ms, 500*ms)
	holds(300*ms, 500*ms, true) // sending more slowly has to wait; waiting longer does not
	if p := b.one(); !p.Poll || p.MinTx != 700*ms || p.MinRx != 500*ms {
		t.Fatalf("it sends %+v", p)
	}
	b.say()
	holds(300*ms, 500*ms, true)
	b.say(func(p *Packet) { p.Final = true })
	holds(700*ms, 500*ms, false)
	b.next()
	if p := b.one(); p.Poll {
		t.Fatalf("it sends %+v", p)
	}

	change(150*ms, 100*ms)
	holds(150*ms, 500*ms, true)
	b.flush()
	change(150*ms, 120*ms) // the answer may be to the values before
	b.flush()
	b.say(func(p *Packet) { p.Final = true })
	holds(150*ms, 500*ms, true)
	b.say(func(p *Packet) { p.Final = true })
	holds(150*ms, 120*ms, false)

	change(150*ms, 120*ms) // no change
	holds(150*ms, 120*ms, false)
	if sent := b.flush(); len(sent) != 0 {
		t.Fatalf("it sends %+v", sent)
	}
	b.say(func(p *Packet) { p.Final = true }) // to no poll
	holds(150*ms, 120*ms, false)
}

// The first poll is of the way from the slow start to what is configured.
func TestPollWhenUp(t *testing.T) {
	b := newBench(t, usual)
	b.peer.Your = 77
	b.say(func(p *Packet) { p.State = Init })
	if p := b.one(); p.State != Up || !p.Poll || p.MinTx != 300*ms {
		t.Fatalf("it sends %+v", p)
	}
	if st := b.Status(b.now); st.TxInterval != 300*ms {
		t.Fatalf("it sends every %v", st.TxInterval)
	}
	// Without anything to speed up there is none.
	b = newBench(t, Config{MinTx: 2 * time.Second, MinRx: 200 * ms})
	b.peer.Your = 77
	b.say(func(p *Packet) { p.State = Init })
	if p := b.one(); p.State != Up || p.Poll || p.MinTx != 2*time.Second {
		t.Fatalf("it sends %+v", p)
	}
}

// RFC 5880, 6.8.4.
func TestDetection(t *testing.T) {
	b := up(t, usual) // detects after 3 x 200 ms
	last := b.now
	b.now = last + 599*ms
	b.flush()
	b.is(Up, NoDiag)
	if at, _ := b.Next(); at > last+600*ms {
		t.Fatalf("there is nothing to do until %v", at-last)
	}
	b.now = last + 600*ms
	b.Run(b.now)
	b.is(Down, TimeExpired)
	if p := b.one(); p.State != Down || p.Diag != TimeExpired || p.Your != 0 || p.MinTx != time.Second {
		t.Fatalf("it sends %+v", p)
	}
	if st := b.Status(b.now); st.Peer != nobody || st.DetectionTime != 0 || st.Forwarding || st.Flaps != 1 {
		t.Fatalf("is %+v", st)
	}
	b.say(func(p *Packet) { p.State = Up }) // it has not noticed
	b.is(Down, TimeExpired)
	b.say(func(p *Packet) { p.State = Down })
	b.say(func(p *Packet) { p.State = Init })
	b.is(Up, NoDiag)
}

// In Init, too; and a session that is Down forgets a peer that has fallen silent (6.8.1).
func TestDetectionWhileNotUp(t *testing.T) {
	b := newBench(t, usual)
	b.say(func(p *Packet) { p.MinTx = time.Second })
	b.is(Init, NoDiag)
	b.now += 3 * time.Second
	b.flush()
	b.is(Down, TimeExpired)

	b = newBench(t, usual)
	b.say(func(p *Packet) { p.State, p.MinTx = AdminDown, time.Second })
	if p := b.one(); p.Your != 5 {
		t.Fatalf("it sends %+v", p)
	}
	b.now += 3 * time.Second
	if p := b.one(); p.Your != 0 || p.Diag != NoDiag {
		t.Fatalf("it sends %+v", p)
	}
}

// Packets that came in time count, however late the session hears of them.
func TestLateNews(t *testing.T) {
	b := up(t, usual)
	last := b.now
	b.now = last + 650*ms // whoever runs it has slept
	if !b.WantsTraffic(b.now) {
		t.Fatal("it does not want to know")
	}
	b.Hear(Traffic{Control: 9, ControlAt: last + 500*ms})
	b.Run(b.now)
	b.is(Up, NoDiag)
	b.now = last + 1100*ms
	b.Hear(Traffic{Control: 9, ControlAt: last + 500*ms})
	b.Run(b.now)
	b.is(Down, TimeExpired)
	// What the dataplane counts as more of the same is nothing to a session that is down.
	b.say(func(p *Packet) { p.State = AdminDown })
	heard := b.heard
	b.Hear(Traffic{Control: 10, ControlAt: b.now + ms})
	if b.heard != heard {
		t.Fatal("it counts for a session that is down")
	}
}

// After a restart the next packet is due at once, and is as those before.
func TestRestore(t *testing.T) {
	b := up(t, usual)
	cfg := b.cfg
	b.next()
	want := b.one()
	b.now += 10 * ms
	b.Session = Restore(b.now, cfg, b.Save(), b.heard, b.rand)
	b.is(Up, NoDiag)
	if at, _ := b.Next(); at > b.now {
		t.Fatal("it is not in a hurry")
	}
	if p := b.one(); p != want {
		t.Fatalf("it sends %+v, before it was %+v", p, want)
	}
	b.now = b.heard + 600*ms
	b.Run(b.now)
	b.is(Down, TimeExpired)

	// With another configuration there is a poll, and what counted goes on to count.
	b = up(t, usual)
	cfg.MinTx = 900 * ms
	b.Session = Restore(b.now, cfg, b.Save(), b.heard, b.rand)
	if st := b.Status(b.now); st.TxInterval != 300*ms || !st.Polling {
		t.Fatalf("is %+v", st)
	}
	if p := b.one(); !p.Poll || p.MinTx != 900*ms {
		t.Fatalf("it sends %+v", p)
	}
}
