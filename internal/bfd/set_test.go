package bfd

import (
	"math/rand/v2"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The set gives what is due in the order of time, whatever is done to it.
func TestSet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rand.New(rand.NewPCG(3, rapid.Uint64().Draw(t, "seed")))
		var set Set[int]
		now := time.Hour
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			key := rapid.IntRange(0, 9).Draw(t, "key")
			switch s := set.Get(key); rapid.IntRange(0, 3).Draw(t, "step") {
			case 0:
				cfg := Config{MinTx: time.Duration(1+r.IntN(3000)) * ms, MinRx: 100 * ms, Mult: 3}
				set.Add(key, New(now, cfg, uint32(key+1), r))
			case 1:
				set.Remove(key)
			case 2:
				if s != nil {
					s.Receive(now, Packet{State: Init, Mult: 3, My: 9, Your: uint32(key + 1), MinTx: 50 * ms, MinRx: 50 * ms})
					set.Fix(key)
				}
			case 3:
				now += time.Duration(r.IntN(2000)) * ms
				for n := 0; ; n++ {
					key, s, ok := set.Due(now)
					if !ok {
						break
					}
					if n > 1000 {
						t.Fatalf("session %d is always due: %+v", key, s)
					}
					s.Run(now)
					for _, more := s.Transmit(now); more; _, more = s.Transmit(now) {
					}
					set.Fix(key)
				}
			}
			first, count := never, 0
			set.All(func(key int, s *Session) {
				at, _ := s.Next()
				first = min(first, at)
				if count++; set.Get(key) != s {
					t.Fatalf("session %d is not there by its key", key)
				}
			})
			if count != set.Len() {
				t.Fatalf("%d sessions of %d", count, set.Len())
			}
			if at, some := set.Next(); some != (count > 0) || some && at != first {
				t.Fatalf("next is %v, %v, want %v", at, some, first)
			}
		}
	})
}

// What a session costs of a core that is Up at 300 ms, all but the system calls.
func BenchmarkSession(b *testing.B) {
	const sessions, period = 2000, 300 * ms
	r := rand.New(rand.NewPCG(1, 1))
	var set Set[uint32]
	now := time.Hour
	for i := range uint32(sessions) {
		s := New(now, Config{MinTx: period, MinRx: period, Mult: 3}, i+1, r)
		s.Receive(now, Packet{State: Init, Mult: 3, My: 9, Your: i + 1, MinTx: period, MinRx: period})
		s.Receive(now, Packet{State: Up, Final: true, Mult: 3, My: 9, Your: i + 1, MinTx: period, MinRx: period})
		set.Add(i, s)
	}
	var buffer [PacketLen]byte
	packets, wakes := 0, 0
	b.ReportAllocs()
	for b.Loop() { // a second
		for end := now + time.Second; ; {
			at, _ := set.Next()
			if at >= end {
				break
			}
			now = max(now, at)
			wakes++
			for {
				key, s, ok := set.Due(now)
				if !ok {
					break
				}
				if s.WantsTraffic(now) {
					s.Hear(Traffic{ControlAt: now})
				}
				s.Run(now)
				for p, more := s.Transmit(now); more; p, more = s.Transmit(now) {
					p.Append(buffer[:0])
					packets++
				}
				set.Fix(key)
			}
		}
	}
	b.ReportMetric(float64(packets)/float64(b.N), "packets/op")
	b.ReportMetric(float64(wakes)/float64(b.N), "wakes/op")
}
