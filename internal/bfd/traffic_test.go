package bfd

import (
	"testing"
	"time"
)

func TestPathDown(t *testing.T) {
	cfg := usual
	cfg.PathDown, cfg.Mult = true, 3
	b := newBench(t, cfg)
	if p := b.one(); p.Diag != ConcatenatedPathDown || p.State != Down {
		t.Fatalf("it sends %+v", p)
	}
	b = up(t, usual)
	b.Configure(b.now, cfg)
	if p := b.one(); p.Diag != ConcatenatedPathDown || p.State != Up || p.Poll {
		t.Fatalf("it sends %+v", p)
	}
	if !b.Forwarding(b.now) {
		t.Fatal("what is behind this end has nothing to do with the peer")
	}
	b.say(func(p *Packet) { p.State = Down })
	b.is(Down, NeighborDown) // there is worse
}

func TestForwardingByDiagnostic(t *testing.T) {
	b := up(t, usual)
	for d := NoDiag; d < 32; d++ {
		b.say(func(p *Packet) { p.Diag = d })
		want := d != PathDown && d != ConcatenatedPathDown && d != ReverseConcatenatedPathDown
		if got := b.Forwarding(b.now); got != want {
			t.Errorf("the peer says %v: forwarding %v", d, got)
		}
	}
}

func TestForwardingIfRx(t *testing.T) {
	cfg := usual
	cfg.ForwardingIfRx, cfg.Mult = true, 3
	b := newBench(t, cfg)
	b.Hear(Traffic{Data: 1, DataAt: b.now})
	if b.Forwarding(b.now) {
		t.Fatal("data alone counts, without any control packet")
	}
	b = up(t, cfg)
	began := b.now
	b.now += 600 * ms
	b.Hear(Traffic{Data: 7, DataAt: b.now, Control: 1, ControlAt: began})
	b.flush()
	b.is(Down, TimeExpired)
	if !b.Forwarding(b.now) {
		t.Fatal("data does not count")
	}
	end := b.now + leastWindow
	for b.now < end {
		if !b.Forwarding(b.now) {
			t.Fatalf("it ends %v too soon", end-b.now)
		}
		b.next()
		b.flush()
	}
	if b.now != end || b.Forwarding(b.now) {
		t.Fatalf("looked at %v after the end, forwarding %v", b.now-end, b.Forwarding(b.now))
	}
	b.next() // and goes on, once a second
	b.one()
	// It begins again with more data, but not without a control packet in 100 x min_rx.
	b.Hear(Traffic{Data: 8, DataAt: b.now, ControlAt: began})
	if !b.Forwarding(b.now) {
		t.Fatal("it does not begin again")
	}
	b.now = began + 20*time.Second
	b.Hear(Traffic{Data: 9, DataAt: b.now, ControlAt: began})
	if b.Forwarding(b.now) {
		t.Fatal("it goes on without control packets")
	}
	b.Hear(Traffic{Data: 9, DataAt: b.now, Control: 2, ControlAt: b.now})
	if !b.Forwarding(b.now) {
		t.Fatal("it does not go on with one")
	}
	cfg.ForwardingIfRx = false
	b.Configure(b.now, cfg)
	if b.Forwarding(b.now) {
		t.Fatal("it goes on although it is off")
	}
}

func TestDecay(t *testing.T) {
	cfg := usual
	cfg.DecayMinRx, cfg.Mult = 5*time.Second, 3
	b := up(t, cfg)
	b.peer.MinTx = time.Minute // so that nothing is detected here
	b.say()
	traffic := Traffic{}
	window := func(control, data uint64, want time.Duration) {
		t.Helper()
		end := b.traffic.window + 5*time.Second
		for b.now < end {
			b.next()
			traffic.ControlAt = b.now
			if b.now >= end {
				traffic.Control += control
				traffic.Data += data
			}
			if b.WantsTraffic(b.now) {
				b.Hear(traffic)
			}
			b.Run(b.now)
			for p, ok := b.Transmit(b.now); ok; p, ok = b.Transmit(b.now) {
				if p.Poll {
					b.say(func(p *Packet) { p.Final = true })
				}
			}
		}
		if p := b.packet(); p.MinRx != want {
			t.Fatalf("with %d control packets and %d frames it wants packets every %v, not %v", control, data, p.MinRx, want)
		}
	}
	if p := b.packet(); p.MinRx != 200*ms {
		t.Fatalf("it begins with %v", p.MinRx)
	}
	window(25, 26, 200*ms)
	window(25, 25, 5*time.Second)
	window(1, 0, 5*time.Second)
	window(1, 2, 200*ms)
	window(1, 0, 5*time.Second)
	b.say(func(p *Packet) { p.State = Down })
	if p := b.packet(); p.MinRx != 200*ms {
		t.Fatalf("a session that is down wants packets every %v", p.MinRx)
	}
}

// A change of either time ends the decay.
func TestDecayReset(t *testing.T) {
	cfg := usual
	cfg.DecayMinRx, cfg.Mult = 5*time.Second, 3
	b := up(t, cfg)
	b.peer.MinTx = time.Minute
	b.say()
	b.now += 5 * time.Second
	b.Run(b.now)
	if !b.Status(b.now).Decayed {
		t.Fatal("it does not decay")
	}
	cfg.MinTx = 50 * ms
	b.Configure(b.now, cfg)
	if !b.Status(b.now).Decayed {
		t.Fatal("min_tx has nothing to do with it")
	}
	cfg.DecayMinRx = 6 * time.Second
	b.Configure(b.now, cfg)
	if b.Status(b.now).Decayed || b.packet().MinRx != 200*ms {
		t.Fatal("it is not reset")
	}
}
