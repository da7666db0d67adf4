package agent

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// placeLines bounds the places that a listing of drops has of each reason.
const placeLines = 100

// Drops returns how many frames the plane dropped: a line for each reason, and below it the
// places where they had come in, most frames first. Reasons for which none was dropped are there only if all are asked for.
func (a *Agent) Drops(ctx context.Context, all bool) (string, error) {
	stats, err := a.opts.Plane.Stats(ctx)
	if err != nil {
		return "", fmt.Errorf("read the counters: %w", err)
	}
	places, err := a.opts.Plane.DropsByPlace(ctx)
	if err != nil {
		return "", fmt.Errorf("read the counters: %w", err)
	}
	return ask(ctx, a, func(context.Context) (string, error) {
		return dropText(stats.Drops, all, places, a.compiler.State()), nil
	})
}

func dropText(total map[string]uint64, all bool, places []plane.PlaceDrops, s *intent.State) string {
	known := map[string][]string{} // VNIs of peers; filled when somebody asks
	by := map[string][]plane.PlaceDrops{}
	for _, p := range places {
		by[p.Reason] = append(by[p.Reason], p)
	}
	var b strings.Builder
	for _, reason := range slices.Sorted(maps.Keys(total)) {
		if total[reason] == 0 && !all {
			continue
		}
		fmt.Fprintf(&b, "%s: %d\n", reason, total[reason])
		list := by[reason]
		slices.SortFunc(list, func(p, q plane.PlaceDrops) int {
			return cmp.Or(cmp.Compare(q.Count, p.Count), cmp.Compare(p.Port, q.Port), cmp.Compare(p.VLAN, q.VLAN), p.Tunnel.Compare(q.Tunnel))
		})
		for i, p := range list {
			if i == placeLines {
				fmt.Fprintf(&b, "  and %d more places\n", len(list)-i)
				break
			}
			fmt.Fprintf(&b, "  %s: %d%s\n", placeName(p), p.Count, hint(p, s, known))
		}
	}
	if b.Len() == 0 {
		return "no frames were dropped\n"
	}
	return b.String()
}

func placeName(p plane.PlaceDrops) string {
	switch {
	case p.Port == "":
		return fmt.Sprintf("%s VNI %d", problem.Peer(p.Tunnel.Peer), p.Tunnel.VNI)
	case p.VLAN == plane.NoVLAN:
		return problem.Port(p.Port)
	case p.VLAN == plane.OtherTag:
		return problem.Port(p.Port) + ", a tag that is not 802.1Q"
	case p.VLAN == 0:
		return problem.Port(p.Port) + " untagged"
	}
	return fmt.Sprintf("%s VLAN %d", problem.Port(p.Port), p.VLAN)
}

// hint says what the place is told to be, where that tells why the frames were dropped.
func hint(p plane.PlaceDrops, s *intent.State, known map[string][]string) string {
	switch p.Reason {
	case "unknown_tunnel":
		if len(known) == 0 {
			for t := range s.Decap.Keys() {
				peer := t.Peer.String()
				known[peer] = append(known[peer], fmt.Sprint(t.VNI))
			}
		}
		vnis := known[p.Tunnel.Peer.String()]
		slices.SortFunc(vnis, func(a, b string) int { return cmp.Or(cmp.Compare(len(a), len(b)), cmp.Compare(a, b)) })
		switch n := len(vnis); {
		case n == 0:
			return " (no row names this peer)"
		case slices.Contains(vnis, fmt.Sprint(p.Tunnel.VNI)):
			return " (it is known now)"
		case n > 10:
			return fmt.Sprintf(" (known from it: %s and %d more)", strings.Join(vnis[:10], ", "), n-10)
		default:
			return fmt.Sprintf(" (known from it: %s)", strings.Join(vnis, ", "))
		}
	case "unbound_vlan":
		if _, bound := s.Bindings[intent.BindingKey{Port: p.Port, VLAN: uint16(p.VLAN)}]; bound && p.VLAN >= 0 {
			return " (it is bound now)"
		}
		if p.VLAN >= 0 {
			return " (not bound)"
		}
	}
	return ""
}
