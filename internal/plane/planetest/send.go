package planetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// agentFrames are those that the agent sends itself, as it asks for neighbors: to a binding, by a tunnel, to all.
func agentFrames(l *lab) {
	sender, sends := l.plane.(plane.Sender)
	user, notes := l.plane.(plane.NeighborUser)
	if !sends || !notes {
		l.Fatal("a plane that routes has to send what routers ask, and say who gets packets")
	}
	l.apply(routed)
	l.settleHosts()
	send := func(what string, f []byte, to plane.Destination, want ...Out) {
		l.Helper()
		if err := sender.Send(l.Context(), f, to); err != nil {
			l.Fatalf("%s: %v", what, err)
		}
		got := slices.DeleteFunc(l.harness.Receive(l, len(want)), func(o Out) bool { return !Mine(o.Frame) })
		if g, w := texts(got), texts(want); !slices.Equal(g, w) {
			l.Fatalf("%s: came out\n\t%s\nwant\n\t%s", what, strings.Join(g, "\n\t"), strings.Join(w, "\n\t"))
		}
	}
	q := Frame{Dst: broadcastMAC, Src: arpMAC, Payload: l.payload, ID: 99_001}
	tunnels := []Out{toTunnel(tunnel(0, redVNI), q), toTunnel(tunnel(1, redVNI), q)}
	send("to all", q.Bytes(), plane.Destination{Switch: red}, append(tunnels, toPort("p0", q), toPort("p1", q))...)
	send("to all but one", q.Bytes(), plane.Destination{Switch: red, Except: at("p0", 0)}, append(tunnels, toPort("p1", q))...)
	tagged := q
	tagged.Tags = []uint16{100}
	q.Dst, tagged.Dst = station(3), station(3)
	send("to a binding", q.Bytes(), plane.Destination{Switch: blue, At: at("p2", 100)}, toPort("p2", tagged))
	send("by a tunnel", q.Bytes(), plane.Destination{Switch: green, Tunnel: tunnel(2, greenVNI)}, toTunnel(tunnel(2, greenVNI), q))
	if _, ok := l.learned()[intent.MACKey{Switch: red, MAC: arpMAC}]; ok {
		l.Error("the address that the agent sends by was learned")
	}
	l.mustHaveDropped(map[string]uint64{}, nil)

	err := sender.Send(l.Context(), q.Bytes(), plane.Destination{Switch: red, At: at("p2", 100)})
	if err == nil || errors.Is(err, plane.ErrDropped) {
		l.Errorf("to a binding of another switch: %v", err)
	}
	dropped := map[string]uint64{}
	err = sender.Send(l.Context(), q.Bytes(), plane.Destination{Switch: green}) // it has nobody
	if errors.Is(err, plane.ErrDropped) {
		dropped["no_destination"] = 1
	} else if err == nil {
		l.Error("to nobody: no error")
	}
	l.mustHaveDropped(dropped, nil)

	to := intent.IPKey{Switch: blue, IP: l.of(2, 3)}
	keys := []intent.IPKey{to, {Switch: blue, IP: l.of(2, 4)}}
	if got := user.UsedNeighbors(context.Background(), keys, time.Hour); !slices.Equal(got, []bool{false, false}) {
		l.Errorf("of neighbors that get no packets: %v", got)
	}
	p := l.packet(1, l.of(1, 10), to.IP)
	l.portGets("p0", p, atPort("p2", p.hop(station(3), 100)))
	if got := user.UsedNeighbors(context.Background(), keys, time.Hour); !slices.Equal(got, []bool{true, false}) {
		l.Errorf("of one that gets packets, and one that does not: %v", got)
	}
}
