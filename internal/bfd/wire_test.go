package bfd

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// world is two sessions on a wire that delays and loses packets. Each end has a clock of its own,
// and is run a little late, as by a busy machine.
type world struct {
	t     *rapid.T
	rand  *rand.Rand
	now   time.Duration
	ends  [2]*Session
	skew  [2]time.Duration
	wire  []flight
	loss  float64
	cut   bool
	delay time.Duration
	late  time.Duration
	last  [2]time.Duration // when an end was sent a packet last that arrived
}

type flight struct {
	at time.Duration
	to int
	b  []byte
}

func (w *world) clock(i int) time.Duration { return w.now + w.skew[i] }

func (w *world) send(from int, p Packet) {
	if p.Poll && p.Final {
		w.t.Fatalf("poll and final: %+v", p)
	}
	s := w.ends[from]
	if s.state != Up && p.MinTx < slowest {
		w.t.Fatalf("in state %v it says %v", s.state, p.MinTx)
	}
	if w.cut || w.rand.Float64() < w.loss {
		return
	}
	at := w.now + w.delay/2 + time.Duration(w.rand.Int64N(int64(w.delay)))
	for _, f := range w.wire { // one wire: packets don't overtake
		if f.to == 1-from {
			at = max(at, f.at)
		}
	}
	w.wire = append(w.wire, flight{at, 1 - from, p.Append(nil)})
}

// step does what comes first, and returns false when that is after end.
func (w *world) step(end time.Duration) bool {
	first, what := end, -1
	for i, f := range w.wire {
		if f.at < first {
			first, what = f.at, i
		}
	}
	for i, s := range w.ends {
		at, _ := s.Next()
		if at != never {
			at += time.Duration(w.rand.Int64N(int64(w.late) + 1))
			if at = max(at-w.skew[i], w.now); at < first {
				first, what = at, -2-i
			}
		}
	}
	w.now = max(w.now, first)
	switch {
	case what == -1:
		return false
	case what >= 0:
		f := w.wire[what]
		w.wire = append(w.wire[:what], w.wire[what+1:]...)
		p, err := Parse(f.b)
		if err != nil {
			w.t.Fatalf("% x: %v", f.b, err)
		}
		if w.ends[f.to].Receive(w.clock(f.to), p) {
			w.last[f.to] = w.now
		}
		w.flush(f.to)
	default:
		i := -2 - what
		before := w.ends[i].state
		w.ends[i].Run(w.clock(i))
		if after := w.ends[i].state; before != after && w.ends[i].diag == TimeExpired {
			// No end may say so while packets come.
			if quiet := w.now - w.last[i]; quiet < 2*min(w.ends[i].cfg.MinRx, w.ends[1-i].cfg.MinTx) {
				w.t.Fatalf("end %d gives up %v after a packet", i, quiet)
			}
		}
		w.flush(i)
	}
	return true
}

func (w *world) flush(i int) {
	for n := 0; ; n++ {
		p, ok := w.ends[i].Transmit(w.clock(i))
		if !ok {
			return
		}
		if n > 3 {
			w.t.Fatalf("no end of packets: %+v", p)
		}
		w.send(i, p)
	}
}

func (w *world) runFor(d time.Duration) {
	end := w.now + d
	for n := 0; w.step(end); n++ {
		if n > 1_000_000 {
			w.t.Fatal("it does not come to rest")
		}
	}
}

func (w *world) states() [2]State { return [2]State{w.ends[0].state, w.ends[1].state} }

func drawConfig(t *rapid.T, name string) Config {
	span := func(what string) time.Duration {
		return time.Duration(rapid.IntRange(20, 2000).Draw(t, name+what)) * ms
	}
	return Config{MinTx: span(" tx"), MinRx: span(" rx"), Mult: 3}
}

// Whatever happens to two ends: on a good wire both get Up and stay so, with what is configured;
// on a cut one both are Down within their detection times, and know why.
func TestTwoEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := &world{t: t, rand: rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)), delay: 2 * ms, late: 2 * ms}
		w.skew[1] = time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "skew"))
		configs := [2]Config{drawConfig(t, "a"), drawConfig(t, "b")}
		for i := range w.ends {
			w.ends[i] = New(w.clock(i), configs[i], uint32(i+1), w.rand)
		}
		for range rapid.IntRange(1, 6).Draw(t, "acts") {
			switch rapid.IntRange(0, 4).Draw(t, "act") {
			case 0: // a bad wire
				w.loss = rapid.Float64Range(0, 0.9).Draw(t, "loss")
				w.runFor(10 * time.Second)
				w.loss = 0
			case 1:
				w.cut = true
				w.wire = nil
				longest := max(w.ends[0].Status(0).DetectionTime, w.ends[1].Status(0).DetectionTime)
				w.runFor(longest + 100*ms)
				if got := w.states(); got != [2]State{Down, Down} {
					t.Fatalf("on a cut wire they are %v", got)
				}
				w.cut = false
			case 2:
				i := rapid.IntRange(0, 1).Draw(t, "end")
				configs[i] = drawConfig(t, "new")
				w.ends[i].Configure(w.clock(i), configs[i])
				w.flush(i)
			case 3: // an end is started anew, without a memory
				i := rapid.IntRange(0, 1).Draw(t, "anew")
				w.ends[i] = New(w.clock(i), configs[i], w.rand.Uint32()|1, w.rand)
				w.flush(i)
			case 4: // and with one: the other must not notice
				w.runFor(20 * time.Second)
				i := rapid.IntRange(0, 1).Draw(t, "restart")
				flaps, old := w.ends[1-i].flaps, w.ends[i]
				w.ends[i] = Restore(w.clock(i), configs[i], old.Save(), old.heard, w.rand)
				w.flush(i)
				w.runFor(20 * time.Second)
				if w.ends[1-i].flaps != flaps {
					t.Fatalf("end %d has noticed a restart of the other", 1-i)
				}
			}
			w.runFor(20 * time.Second)
			if got := w.states(); got != [2]State{Up, Up} {
				t.Fatalf("on a good wire they are %v: %+v, %+v", got, w.ends[0].Status(w.clock(0)), w.ends[1].Status(w.clock(1)))
			}
			for i, s := range w.ends {
				st := s.Status(w.clock(i))
				tx, rx := max(configs[i].MinTx, configs[1-i].MinRx), max(configs[i].MinRx, configs[1-i].MinTx)
				if st.Polling || st.TxInterval != tx || st.RxInterval != rx || st.DetectionTime != 3*rx || !st.Forwarding {
					t.Fatalf("end %d: %+v, want %v and %v", i, st, tx, rx)
				}
			}
			flaps := [2]uint64{w.ends[0].flaps, w.ends[1].flaps}
			w.runFor(time.Minute)
			if now := [2]uint64{w.ends[0].flaps, w.ends[1].flaps}; now != flaps {
				t.Fatalf("on a good wire they flap: %v, %v", flaps, now)
			}
		}
	})
}
