package intent

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// leases is a table as one more would be declared: who answers for an IP address in a switch.
// No State has a map of it, and no Delta a list; these are beside them.
type lease struct {
	Switch SwitchID
	IP     netip.Addr
}

func (k lease) Compare(o lease) int {
	return cmp.Or(k.Switch.Compare(o.Switch), k.IP.Compare(o.IP))
}

func newLeases() *Table[lease, MAC] {
	rows, changes := map[*State]*map[lease]MAC{}, map[*Delta]*[]Change[lease, MAC]{}
	return &Table[lease, MAC]{
		name:    "lease",
		rows:    func(s *State) *map[lease]MAC { return beside(rows, s) },
		changes: func(d *Delta) *[]Change[lease, MAC] { return beside(changes, d) },
		equal:   same[MAC], order: lease.Compare,
		text: func(n names, k lease, m MAC) string {
			return fmt.Sprintf("lease %s %v -> %v", n.of(k.Switch), k.IP, m)
		},
		check: func(s *State, k lease, _ MAC) error {
			if !has(s.Switches, k.Switch) {
				return errors.New("no such switch")
			}
			return nil
		},
	}
}

func beside[O comparable, V any](m map[O]*V, of O) *V {
	if m[of] == nil {
		m[of] = new(V)
	}
	return m[of]
}

// One declaration is all that a table needs in this package.
func TestOneMoreTable(t *testing.T) {
	was := tables
	leases := newLeases()
	tables = register(append(slices.Clone(tables), leases)...)
	defer func() { tables = register(was...) }()

	s := NewState()
	s.Switches[SwitchID{1}] = Switch{Name: "ls0", VNI: 5000}
	before := s.Clone()
	k := lease{SwitchID{1}, netip.MustParseAddr("10.0.0.1")}
	e := NewEdit(s)
	leases.Set(e, k, MAC{2, 5: 1})
	d := e.Close()
	const line = "lease ls0 10.0.0.1 -> 02:00:00:00:00:01\n"
	if want := "switch ls0 vni 5000\n" + line; s.String() != want {
		t.Errorf("the State is\n%s\nwant\n%s", s, want)
	}
	const change = "+ lease 01000000-0000-0000-0000-000000000000 10.0.0.1 -> 02:00:00:00:00:01\n"
	if d.String() != change || d.Len() != 1 || d.Empty() {
		t.Errorf("the Edit has the delta\n%s", d)
	}
	if got := Diff(before, s).String(); got != change {
		t.Errorf("Diff says\n%s", got)
	}
	sum := before.Clone()
	sum.Apply(d)
	made := NewState()
	made.Apply(Whole(s))
	if sum.String() != s.String() || made.String() != s.String() || !slices.Equal(sum.Sizes(), s.Sizes()) {
		t.Errorf("deltas add up to\n%s\nand\n%s", sum, made)
	}
	if err := s.Check(); err != nil {
		t.Error(err)
	}
	delete(s.Switches, SwitchID{1})
	if err := s.Check(); err == nil {
		t.Error("a lease may be in a switch that is not there")
	}
}

// Whatever is set and deleted, and how often: what Close returns adds up, and has each key once.
func TestEdit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawState(t)
		sum, e := s.Clone(), NewEdit(s)
		for range rapid.IntRange(1, 4).Draw(t, "closes") {
			for range rapid.IntRange(0, 20).Draw(t, "edits") {
				key := MACKey{SwitchID{rapid.ByteRange(1, 2).Draw(t, "ls")}, MAC{2, 5: rapid.ByteRange(0, 3).Draw(t, "mac")}}
				to := Tunnel{netip.AddrFrom4([4]byte{192, 0, 2, 2}), rapid.Uint32Range(0, 2).Draw(t, "vni")}
				switch rapid.IntRange(0, 5).Draw(t, "what") {
				case 0:
					UnicastTable.Delete(e, key)
				case 1:
					FloodTable.Delete(e, key)
				case 2:
					FloodTable.Set(e, key, FloodSet{to})
				case 3:
					s.MACLimit = to.VNI
				default:
					UnicastTable.Set(e, key, to)
				}
			}
			before, d := sum.Clone(), e.Close()
			seen := map[MACKey]bool{}
			for _, c := range d.Unicast {
				old, had := before.Unicast.Get(c.Key)
				if seen[c.Key] || had != (c.Old != nil) || had && old != *c.Old {
					t.Fatalf("%v: twice, or not as it was: %v", c.Key, c)
				}
				seen[c.Key] = true
			}
			sum.Apply(d)
			if sum.String() != s.String() || !Diff(before, s).Empty() && d.Empty() || d.Len() != Diff(before, s).Len() {
				t.Fatalf("the State is\n%s\nits deltas add up to\n%s", s, sum)
			}
		}
	})
}
