package vtep

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/intent"
)

const quiet = "02:00:00:00:00:0a"

// crowded is a site with a bound port beside the one of a crowd.
func crowded(t *testing.T) *site {
	s := hw(t)
	s.edit(func(tx *hwvtep.Txn) {
		tx.PutPhysicalPortVLANBindings(s.port("p1").UUID, map[int64]UUID{0: s.ls("ls0").UUID})
	})
	s.settle()
	return s
}

// keysIn gives the keys of MACs of ls0. To look for that takes a while.
func (s *site) keysIn() func(mac string) intent.MACKey {
	id := switchID(s.ls("ls0").UUID)
	return func(mac string) intent.MACKey {
		m, err := intent.ParseMAC(mac)
		if err != nil {
			s.Fatal(err)
		}
		return intent.MACKey{Switch: id, MAC: m}
	}
}

// crowd has so many hosts appear at p0.
func (s *site) crowd(n int) {
	keyIn := s.keysIn()
	for i := range n {
		key := keyIn(crowdMAC(i))
		s.learned[key] = intent.BindingKey{Port: "p0"}
		s.r.MarkMAC(key)
	}
}

func crowdMAC(i int) string { return fmt.Sprintf("02:07:00:%02x:%02x:%02x", i>>16, i>>8&255, i&255) }

func (s *site) hasRow(mac string) bool {
	for m := range s.db.View().UcastMACsLocal() {
		if m.MAC == mac {
			return true
		}
	}
	return false
}

// leave is what the agent tells of a host that it has forgotten.
func (s *site) leave(key intent.MACKey, port string) {
	delete(s.learned, key)
	s.r.MarkForgotten(key, port)
	s.r.MarkMAC(key)
}

// What is new of a host of one port is in the next transaction, whenever it came, however many hosts of another port are waiting;
// and these all get their rows in the end.
func TestReportInTurns(t *testing.T) {
	const many = 4 * maxPart
	for name, run := range map[string]func(*site){
		"after the crowd":  func(s *site) { s.crowd(many); s.learn(quiet, "ls0", "p1") },
		"before the crowd": func(s *site) { s.learn(quiet, "ls0", "p1"); s.crowd(many) },
		"amid the crowd": func(s *site) {
			s.crowd(maxPart - 1)
			s.learn(quiet, "ls0", "p1")
			s.crowd(many)
		},
		"came from its port": func(s *site) {
			s.crowd(many)
			s.learn(quiet, "ls0", "p0")
			key := s.keysIn()(quiet)
			s.learned[key] = intent.BindingKey{Port: "p1"}
			s.r.MarkMoved(key)
		},
		"refused once": func(s *site) {
			s.crowd(many)
			s.learn(quiet, "ls0", "p1")
			if tx := s.build(); tx == nil || s.r.Done(errors.New("refused")) {
				s.Fatal("no transaction")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := crowded(t)
			run(s)
			if tx := s.r.todo.macs.len(); tx < maxPart {
				t.Fatalf("only %d wait", tx)
			}
			if !s.hasRow(quiet) {
				s.step()
			}
			if !s.hasRow(quiet) {
				t.Error("the host of the other port has no row yet")
			}
			if n := s.db.View().Len(hwvtep.TableUcastMACLocal); n > 2*maxPart {
				t.Errorf("%d rows so soon: this shows nothing", n)
			}
			s.settle()
			if n := s.db.View().Len(hwvtep.TableUcastMACLocal); n != many+1 {
				t.Errorf("%d rows, want %d", n, many+1)
			}
		})
	}
}

// Nor does it keep its row for long when it has gone, together with a crowd.
func TestWithdrawInTurns(t *testing.T) {
	const many = 2 * maxPart
	s := crowded(t)
	s.crowd(many)
	s.learn(quiet, "ls0", "p1")
	s.settle()
	keyIn := s.keysIn()
	for i := range many {
		s.leave(keyIn(crowdMAC(i)), "p0")
	}
	s.leave(keyIn(quiet), "p1")
	s.step()
	if n := s.db.View().Len(hwvtep.TableUcastMACLocal); s.hasRow(quiet) || n < maxPart {
		t.Errorf("it has a row still, or all have gone at once: %d rows are left", n)
	}
	s.settle()
	if n := s.db.View().Len(hwvtep.TableUcastMACLocal); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// What waits for a later transaction costs the present one nothing.
func TestReportCostOfWaiting(t *testing.T) {
	s := crowded(t)
	cost := func(waiting int) uint64 {
		s.crowd(waiting)
		if s.build() == nil {
			t.Fatal("no transaction")
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		s.r.Done(nil)
		runtime.ReadMemStats(&after)
		s.r.pending = newWork()
		return after.TotalAlloc - before.TotalAlloc
	}
	if few, many := cost(2*maxPart), cost(40*maxPart); many > 2*few {
		t.Errorf("the end of a transaction allocates %d bytes while few wait, and %d while many do", few, many)
	}
}

// Whatever is added, moved and taken out, each MAC is taken once, by the port where it came last.
func TestTurnsModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var list turns
	want := map[intent.MACKey]string{}
	for step := range 200_000 {
		key := intent.MACKey{MAC: intent.MAC{2, 0, 0, 0, 0, byte(rnd.IntN(200))}}
		switch port := fmt.Sprint("p", rnd.IntN(4)); rnd.IntN(10) {
		case 0:
			list.remove(key)
			delete(want, key)
		case 1, 2:
			port, key, ok := list.take()
			if was, had := want[key]; ok != (len(want) > 0) || ok && (!had || was != port) {
				t.Fatalf("step %d: takes %v of %q, %v; should be of %q, %v", step, key, port, ok, was, had)
			}
			delete(want, key)
		case 3:
			list.add("", key)
			if _, had := want[key]; !had {
				want[key] = ""
			}
		default:
			list.add(port, key)
			want[key] = port
		}
		total := 0
		for _, l := range list.ports {
			total += len(l.keys)
		}
		if list.len() != len(want) || total > 2*len(want)+5*128 {
			t.Fatalf("step %d: %d, in %d places; should be %d", step, list.len(), total, len(want))
		}
	}
	for key, port := range list.all() {
		if want[key] != port {
			t.Fatalf("%v is of %q, should be of %q", key, port, want[key])
		}
	}
}
