package evpn

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/evpn/relay"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/db"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/testenv"
)

// ports waits until the status says this of ports of segments.
func (s *bed) ports(want string) {
	s.Helper()
	testenv.Eventually(s, deadline, func() error {
		if got := fmt.Sprint(s.status().Ports); !strings.Contains(got, want) {
			return fmt.Errorf("the ports are %s, want %q", got, want)
		}
		return nil
	})
}

// tries has the wait of ports be over whose keys were refused. They have waited for so long.
func (s *bed) tries(waited time.Duration) {
	s.Helper()
	if err := s.bridge.ask(s.Context(), func() {
		for id, a := range s.bridge.database.ports {
			if a.denied.why == "" || a.denied.wait != waited {
				s.Errorf("%s waits for %v, want %v", a.port.Name, a.denied.wait, waited)
			}
			a.denied.since = time.Now().Add(-waited)
			s.bridge.database.markedPorts[id] = struct{}{}
		}
	}); err != nil {
		s.Fatal(err)
	}
}

// waits waits until ports whose keys were refused wait for so long, from a moment ago.
func (s *bed) waits(want time.Duration) {
	s.Helper()
	testenv.Eventually(s, deadline, func() (err error) {
		failed := s.bridge.ask(s.Context(), func() {
			for _, a := range s.bridge.database.ports {
				switch now := time.Now(); {
				case a.denied.wait != want:
					err = fmt.Errorf("%s waits for %v, want %v", a.port.Name, a.denied.wait, want)
				case want != 0 && now.After(a.denied.until()):
					err = fmt.Errorf("%s is not tried", a.port.Name)
				}
			}
		})
		return errors.Join(failed, err)
	})
}

// A server that protects itself lets no bridge on the network write the keys of ports. Such a port is not attached, as the status
// says, and rows of other tables are written all the same. Once it may, the port is.
func TestProtectedServer(t *testing.T) {
	var open atomic.Bool
	s := newBedOf(t, hwvtep.Schema().AppendJSON(nil), server.Options{Roles: func(_ string, d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
		if open.Load() {
			return nil
		}
		return hwvtep.Protect(hwvtep.NewView[*db.Table](d), &hwvtep.Write{Table: table, Before: row.Old, After: row.New, Changed: row.Changed})
	}}, Neighbor{}, ownSegment)
	s.up()
	other := discovery(high, allTags, false)
	other.targets = []target{{"65002", false, 33}}
	s.announce(other, nil)
	behind := hostAt("02:00:00:00:00:02", high)
	behind.segment = seg1
	s.announce(behind, nil)
	s.announce(hostAt(host1, high), nil)
	s.whole()
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.2")
	const why = "p1: the server refuses what the bridge has to write into other_config: "
	s.ports(why)
	s.ports("the bridge needs the unix socket of the server")
	s.segmentRoutes()
	s.holds("p1", " [] ")

	// What is written at the machine itself counts while it is right.
	theirs := attachedAt(high, relay.Election{Algorithm: relay.ByPreference, Preference: 65535})
	s.announce(theirs, nil)
	s.configures("p1", map[string]string{hwvtep.KeySegment: "1", hwvtep.KeyBlocked: hwvtep.BlockedAll, hwvtep.KeySegmentVTEPs: "10.0.0.2"})
	s.segmentRoutes(slices.Clone(announcedOfSegment)...)
	s.withdraw(theirs)
	s.ports(why)
	s.segmentRoutes()
	s.holds("p1", "1 [10.0.0.2] all")

	// The server lets it write: it does so in time, or with the next connection.
	open.Store(true)
	s.tries(forbiddenWait)
	s.holds("p1", "1 [] ")
	s.segmentRoutes(slices.Clone(announcedOfSegment)...)
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.1 1")

	open.Store(false)
	s.announce(theirs, nil)
	s.ports(why)
	s.segmentRoutes()
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.2")
	open.Store(true)
	if err := errors.Join(s.database.RemoveRemote(s.remote), s.database.AddRemote(s.remote)); err != nil {
		t.Fatal(err)
	}
	s.holds("p1", "1 [10.0.0.2] all")
	s.segmentRoutes(slices.Clone(announcedOfSegment)...)
	s.rows(host1+">10.0.0.2", "02:00:00:00:00:02>10.0.0.1 1")
}

// The row of a port whose keys are refused may be as that of one that is not attached: blocked altogether. Whether it can be written is
// tried again all the same, less and less often, and without that others hear of it.
func TestRefusedTrial(t *testing.T) {
	var open atomic.Bool
	open.Store(true)
	s := newBedOf(t, hwvtep.Schema().AppendJSON(nil), server.Options{Roles: func(_ string, d *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
		if open.Load() || table.Name != hwvtep.TablePhysicalPort {
			return nil
		}
		return hwvtep.Protect(hwvtep.NewView[*db.Table](d), &hwvtep.Write{Table: table, Before: row.Old, After: row.New, Changed: row.Changed})
	}}, Neighbor{}, ownSegment)
	s.up()
	s.announce(attachedAt(high, relay.Election{Algorithm: relay.ByPreference, Preference: 65535}), nil)
	s.whole()
	s.holds("p1", "1 [10.0.0.2] all")
	open.Store(false)
	s.announce(attachedAt(high, relay.Election{Algorithm: relay.ByPreference}), nil) // this one is designated
	s.ports("p1: the server refuses")
	s.segmentRoutes()
	links := func() (n int) {
		if err := s.bridge.ask(t.Context(), func() {
			for _, a := range s.bridge.database.ports {
				n += a.since
			}
		}); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := links()
	for wait := forbiddenWait; wait < forbiddenMost; wait *= 2 {
		s.tries(wait)
		s.waits(2 * wait)
	}
	s.tries(forbiddenMost)
	s.waits(forbiddenMost)
	if n := links(); n != before {
		t.Errorf("the port was attached %d times meanwhile", n-before)
	}
	open.Store(true)
	s.configures("p1", map[string]string{"mac_limit": "8"}) // somebody is about it
	s.waits(forbiddenWait)
	s.holds("p1", "1 [10.0.0.2] all")
	s.tries(forbiddenWait)
	s.holds("p1", "1 [10.0.0.2] ")
	s.segmentRoutes(slices.Clone(announcedOfSegment)...)
	s.waits(0)
}

// A server that fails for a moment, as on a full disk, may refuse the very change that attaches a port. What the row has then is what
// a port is to have that is not attached: nothing differs, and the port is tried again all the same.
func TestRefusedForAMoment(t *testing.T) {
	var full atomic.Bool
	var writes atomic.Int64
	full.Store(true)
	s := newBedOf(t, hwvtep.Schema().AppendJSON(nil), server.Options{Roles: func(_ string, _ *db.Database, table *ovsdb.TableSchema, row *db.RowChange) error {
		if table.Name == hwvtep.TablePhysicalPort && row.Old != nil && row.New != nil && writes.Add(1) > 1 && full.Load() {
			return ovsdb.IOError(errors.New("no space left"), "write")
		}
		return nil
	}}, Neighbor{}, ownSegment)
	s.up()
	s.holds("p1", "1 [] all")
	s.ports("no space left")
	full.Store(false)
	s.holds("p1", "1 [] ")
	s.segmentRoutes(slices.Clone(announcedOfSegment)...)
}
