package vtep

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/testenv"
)

// Many routers, with the same addresses, and many routes are compiled from rows, each for its own router and none told
// of as wrong; one route more or less is a change of one, whatever else there is. With VTEP_TEST_EFFORT=2
// they are 1,000 routers with 100,000 routes.
func TestManyRouters(t *testing.T) {
	routers, perRouter := 40, 50
	if testenv.Effort(t) > 1 {
		routers, perRouter = 1000, 100
	}
	route := func(r, n int) (string, string) {
		return fmt.Sprintf("172.16.%d.%d/32", n/250, n%250), fmt.Sprintf("10.0.0.%d", 2+(r+n)%250)
	}
	row := func(r, routes int) string {
		var all []string
		for n := range routes {
			prefix, via := route(r, n)
			all = append(all, prefix+"->"+via)
		}
		return fmt.Sprintf("Logical_Router LR%d name=lr%d switch_binding=10.0.0.1/24->LS%d static_routes=%s\n", r, r, r, strings.Join(all, ","))
	}
	var rows strings.Builder
	rows.WriteString("Physical_Switch PS name=br0 tunnel_ips=192.0.2.1 ports=P0\nPhysical_Port P0 name=p0\n")
	for r := range routers {
		fmt.Fprintf(&rows, "Logical_Switch LS%d name=ls%d tunnel_key=%d\n%s", r, r, 5000+r, row(r, perRouter))
	}
	b, c, told := newBook(), NewCompiler("br0", plane.Features{Routers: true}), told{}
	b.edit(t, rows.String())
	c.Update(b.rows.View(), nil)
	b.rows.Changes()
	s := c.State()
	if len(s.Routers) != routers || len(s.Interfaces) != routers || len(s.Routes) != routers*(perRouter+1) {
		t.Fatalf("%d routers, %d interfaces, %d routes; want %d, %d, %d", len(s.Routers), len(s.Interfaces), len(s.Routes), routers, routers, routers*(perRouter+1))
	}
	for r := range routers {
		id, ls := intent.RouterID(labelUUID(fmt.Sprintf("LR%d", r))), switchID(labelUUID(fmt.Sprintf("LS%d", r)))
		for n := range perRouter {
			prefix, via := route(r, n)
			want := intent.Route{Switch: ls, Via: netip.MustParseAddr(via)}
			if got := s.Routes[intent.RouteKey{Router: id, Prefix: netip.MustParsePrefix(prefix)}]; got != want {
				t.Fatalf("the route of lr%d to %s is %+v, want %+v", r, prefix, got, want)
			}
		}
	}
	if got := told.take(c); strings.Contains(got, "Logical_Router") {
		t.Errorf("told is\n%s", got)
	}
	for _, routes := range []int{perRouter - 1, perRouter} {
		b.edit(t, row(routers/2, routes))
		changes := b.rows.Changes()
		d := c.Update(b.rows.View(), &changes)
		if len(d.Routes) != 1 || len(d.Routers)+len(d.Interfaces)+len(d.Switches)+len(d.Unicast) > 0 {
			t.Errorf("with %d routes of a router the change is\n%+v", routes, d)
		}
	}
}
