package fdb

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vtep/vtep/internal/intent"
)

// model is the table done without any index.
type model struct {
	cfg    Config
	limits map[string]int
	rows   map[intent.MACKey]*modelRow
}

type modelRow struct {
	at   intent.BindingKey
	seen time.Time
}

func (m *model) count(port string) (n int) {
	for _, r := range m.rows {
		if r.at.Port == port {
			n++
		}
	}
	return n
}

func (m *model) full(port string) bool {
	return m.limits[port] > 0 && m.count(port) >= m.limits[port]
}

// fairVictim says whether key may be the entry that is evicted from a full table.
func (m *model) fairVictim(key intent.MACKey) error {
	r := m.rows[key]
	if r == nil {
		return fmt.Errorf("%v is not there", key)
	}
	for k, o := range m.rows {
		if m.count(o.at.Port) > m.count(r.at.Port) {
			return fmt.Errorf("%v is of %s, but %s has more", key, r.at.Port, o.at.Port)
		}
		if o.at.Port == r.at.Port && o.seen.Before(r.seen) {
			return fmt.Errorf("%v is evicted, but %v is older", key, k)
		}
	}
	return nil
}

func (m *model) sight(now time.Time, key intent.MACKey, at intent.BindingKey) (Verdict, Reason) {
	r := m.rows[key]
	switch {
	case key.MAC.IsGroup():
		return Rejected, Group
	case key.MAC.IsZero():
		return Rejected, Zero
	case slices.Contains(m.cfg.Ignore, key.MAC):
		return Rejected, Ignored
	case r == nil && m.full(at.Port):
		return Rejected, PortFull
	case r == nil:
		m.rows[key] = &modelRow{at: at, seen: now}
		return New, None
	case r.at == at:
		if now.After(r.seen) {
			r.seen = now
		}
		return Refreshed, None
	case now.Before(r.seen):
		return Rejected, Stale
	case r.at.Port != at.Port && m.full(at.Port):
		return Rejected, PortFull
	}
	r.at, r.seen = at, now
	return Moved, None
}

func TestAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		epoch := time.Unix(1000, 0)
		now := epoch
		cfg := Config{
			Age:    time.Duration(rapid.IntRange(0, 20).Draw(t, "age")) * time.Second,
			Limit:  rapid.IntRange(0, 8).Draw(t, "limit"),
			Ignore: []intent.MAC{{0x00, 0x23, 0x20, 0, 0, 1}},
		}
		table := NewTable(epoch, cfg)
		m := &model{cfg: cfg, limits: map[string]int{}, rows: map[intent.MACKey]*modelRow{}}
		key := rapid.Custom(func(t *rapid.T) intent.MACKey {
			mac := rapid.SampledFrom([]intent.MAC{{2, 1}, {2, 2}, {2, 3}, {2, 4}, {2, 5}, {2, 6}, {}, {1}, {0x00, 0x23, 0x20, 0, 0, 1}}).Draw(t, "mac")
			return intent.MACKey{Switch: intent.SwitchID{rapid.ByteRange(1, 2).Draw(t, "ls")}, MAC: mac}
		})
		port := rapid.SampledFrom([]string{"p0", "p1", "p2"})
		binding := rapid.Custom(func(t *rapid.T) intent.BindingKey {
			return intent.BindingKey{Port: port.Draw(t, "port"), VLAN: rapid.Uint16Range(0, 1).Draw(t, "vlan")}
		})
		gone := func(keys []intent.MACKey, fair bool) {
			for _, k := range keys {
				if fair {
					if err := m.fairVictim(k); err != nil {
						t.Fatal(err)
					}
				}
				delete(m.rows, k)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"sight": func(t *rapid.T) {
				k, at := key.Draw(t, "key"), binding.Draw(t, "at")
				seen := now.Add(-time.Duration(rapid.IntRange(0, 3).Draw(t, "idle")) * time.Second)
				if seen.Before(epoch) {
					seen = epoch
				}
				r := table.Sight(seen, k, at)
				if r.Evicted != nil {
					if m.cfg.Limit == 0 || len(m.rows) < m.cfg.Limit {
						t.Fatal("evicts though there is place")
					}
					gone([]intent.MACKey{*r.Evicted}, true)
				}
				verdict, reason := m.sight(seen, k, at)
				if r.Verdict != verdict || r.Reason != reason {
					t.Fatalf("%v at %v: verdict %d reason %d, want %d %d", k, at, r.Verdict, r.Reason, verdict, reason)
				}
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 10).Draw(t, "s")) * time.Second)
			},
			"expire": func(t *rapid.T) {
				next, any := table.NextExpiry()
				keys := table.Expire(now, nil)
				if want := any && !next.After(now); want != (len(keys) > 0) {
					t.Fatalf("%d expire at %v, though next is %v", len(keys), now, next)
				}
				for _, k := range keys {
					if r := m.rows[k]; r == nil || now.Sub(r.seen) < m.cfg.Age {
						t.Fatalf("%v expired too early", k)
					}
				}
				gone(keys, false)
				for k, r := range m.rows {
					if m.cfg.Age > 0 && now.Sub(r.seen) >= m.cfg.Age {
						t.Fatalf("%v did not expire", k)
					}
				}
			},
			"remove": func(t *rapid.T) {
				k := key.Draw(t, "key")
				if table.Remove(k) != (m.rows[k] != nil) {
					t.Fatal("remove")
				}
				delete(m.rows, k)
			},
			"unbind": func(t *rapid.T) {
				at := binding.Draw(t, "at")
				gone(table.RemoveBinding(at), false)
				for k, r := range m.rows {
					if r.at == at {
						t.Fatalf("%v is left at %v", k, at)
					}
				}
			},
			"port limit": func(t *rapid.T) {
				p, n := port.Draw(t, "port"), rapid.IntRange(0, 4).Draw(t, "n")
				m.limits[p] = n
				gone(table.SetPortLimit(p, n), false)
			},
			"limit": func(t *rapid.T) {
				m.cfg.Limit = rapid.IntRange(0, 8).Draw(t, "limit")
				gone(table.SetConfig(m.cfg), true)
			},
			"": func(t *rapid.T) {
				if table.Len() != len(m.rows) {
					t.Fatalf("%d entries, want %d", table.Len(), len(m.rows))
				}
				for k, at := range table.All() {
					if r := m.rows[k]; r == nil || r.at != at {
						t.Fatalf("%v at %v, want %v", k, at, r)
					}
				}
				of := map[intent.SwitchID]int{}
				for k := range m.rows {
					of[k.Switch]++
				}
				if !maps.Equal(table.switches, of) {
					t.Fatalf("switches have %v, want %v", table.switches, of)
				}
				for _, p := range []string{"p0", "p1", "p2"} {
					if got, want := table.OnPort(p), m.count(p); got != want {
						t.Fatalf("%s has %d, want %d", p, got, want)
					}
				}
				for p, limit := range m.limits {
					if n := m.count(p); limit > 0 && n > limit {
						t.Fatalf("%s has %d entries, limit %d", p, n, limit)
					}
				}
				fills := map[string]Fill{}
				for p, limit := range m.limits {
					if limit > 0 {
						fills[p] = Fill{m.count(p), limit}
					}
				}
				if got := maps.Collect(table.Limited()); !maps.Equal(got, fills) {
					t.Fatalf("limited are %v, want %v", got, fills)
				}
			},
		})
	})
}

func key(i int) intent.MACKey {
	return intent.MACKey{Switch: intent.SwitchID{1}, MAC: intent.MAC{2, 0, byte(i >> 24), byte(i >> 16), byte(i >> 8), byte(i)}}
}

// One port floods the table; the entries of a quiet one stay.
func TestFairness(t *testing.T) {
	now := time.Unix(0, 0)
	table := NewTable(now, Config{Age: time.Hour, Limit: 100})
	quiet, loud := intent.BindingKey{Port: "p0"}, intent.BindingKey{Port: "p1"}
	for i := range 10 {
		table.Sight(now, key(i), quiet)
	}
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		table.Sight(now, key(1000+i), loud)
	}
	for i := range 10 {
		if _, ok := table.Get(key(i)); !ok {
			t.Errorf("entry %d of the quiet port was evicted", i)
		}
	}
	if table.Len() != 100 {
		t.Errorf("%d entries, want 100", table.Len())
	}
}

func BenchmarkSight(b *testing.B) {
	const n = 1_000_000
	now := time.Unix(0, 0)
	table := NewTable(now, Config{Age: time.Hour, Limit: n})
	at := make([]intent.BindingKey, 64)
	for i := range at {
		at[i] = intent.BindingKey{Port: fmt.Sprintf("p%d", i)}
	}
	for i := range n {
		table.Sight(now.Add(time.Duration(i)), key(i), at[i%64])
	}
	i := 0
	for b.Loop() {
		i = (i*31 + 17) % n
		table.Sight(now.Add(time.Duration(n+i)), key(i), at[i%64])
	}
}
