package trace

import (
	"context"
	"fmt"
	"slices"

	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/plane/memory"
)

// rehearse has the dataplane decide about the frame, and compares.
func rehearse(ctx context.Context, p plane.Rehearser, fr plane.Arriving, out memory.Outcome) *Rehearsal {
	is, err := p.Rehearse(ctx, fr, out.Entries)
	if err != nil {
		return &Rehearsal{By: "the dataplane", Copies: []string{}, Drops: []string{}, Error: err.Error()}
	}
	r := Rehearsal{By: is.Way, Copies: []string{}, Drops: append([]string{}, is.Drops...)}
	for _, c := range is.Copies {
		r.Copies = append(r.Copies, copyText(c))
	}
	r.Agrees = Agree(out, is)
	return &r
}

// Agree says whether the dataplane decides as the rules say: the same copies, and the same reasons where
// there is none.
func Agree(out memory.Outcome, is plane.Rehearsal) bool {
	var said, does []string
	for _, o := range out.Outs {
		said = append(said, copyText(plane.Copy(o)))
	}
	for _, c := range is.Copies {
		does = append(does, copyText(c))
	}
	slices.Sort(said)
	slices.Sort(does)
	if !slices.Equal(said, does) {
		return false
	}
	return out.Drop == memory.Forwarded || slices.Contains(is.Drops, string(out.Drop))
}

func copyText(c plane.Copy) string {
	where := "port " + c.Port
	if c.Port == "" {
		where = fmt.Sprintf("tunnel to %v, VNI %d, TOS %#02x", c.Tunnel.Peer, c.Tunnel.VNI, c.TOS)
	}
	return fmt.Sprintf("%s: %d bytes: %x", where, len(c.Frame), c.Frame)
}
