package vtep

import (
	"slices"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/hwvtep/hwvteptest"
)

func TestBootstrap(t *testing.T) {
	db := hwvteptest.NewDB()
	want := Wanted{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p0"}}
	if Bootstrap(db.View(), Wanted{Name: "br0"}) != nil {
		t.Error("makes a switch that nobody asked for")
	}
	for range 2 {
		if tx := Bootstrap(db.View(), want); tx != nil {
			if _, err := db.Transact(tx); err != nil {
				t.Fatal(err)
			}
		}
	}
	s := newSite(t, db, "br0")
	id := s.ps("br0").UUID
	want.TunnelIP, want.Ports = "192.0.2.9", []string{"p0", "p1"}
	if _, err := db.Transact(Bootstrap(db.View(), want)); err != nil {
		t.Fatal(err)
	}
	ps := s.ps("br0")
	if ps.UUID != id || len(ps.Ports) != 2 || !slices.Equal(ps.TunnelIPs, []string{"192.0.2.1"}) {
		t.Errorf("row is %+v", ps)
	}
	for _, c := range []struct {
		want Wanted
		told []string // a word of each line
	}{
		{Wanted{Name: "br0"}, nil},
		{Wanted{Name: "br0", TunnelIP: "192.0.2.1", Ports: []string{"p0", "p1"}}, nil},
		{Wanted{Name: "br1", TunnelIP: "192.0.2.9"}, nil},
		{Wanted{Name: "br0", TunnelIP: "192.0.2.9"}, []string{"vtep-ctl set Physical_Switch br0 tunnel_ips=192.0.2.9"}},
		{Wanted{Name: "br0", TunnelIP: "192.0.2.9", Ports: []string{"p1", "p2"}}, []string{"192.0.2.1", "does not name, and keeps them: p0;"}},
	} {
		told := Overruled(db.View(), c.want)
		if len(told) != len(c.told) {
			t.Errorf("%+v: told %q", c.want, told)
			continue
		}
		for i := range told {
			if !strings.Contains(told[i], c.told[i]) {
				t.Errorf("%+v: told %q, want %q", c.want, told[i], c.told[i])
			}
		}
	}
}
