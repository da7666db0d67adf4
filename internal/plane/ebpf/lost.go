package ebpf

import (
	"context"
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane/ebpf/layout"
)

// missingMax is how long a member may be missing.
const missingMax = layout.MissingSeconds * time.Second

// LostGroups implements plane.GroupLoser.
func (p *Plane) LostGroups(context.Context) (map[intent.SwitchID]time.Duration, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return nil, errClosed
	}
	lost := map[intent.SwitchID]time.Duration{}
	now := monotonic()
	for bd, d := range p.contents.Domains {
		if d.Features&layout.FeatureGroups == 0 {
			continue
		}
		var r layout.GroupRate
		switch err := p.objs.GroupRates.Lookup(layout.GroupKey{BD: bd}, &r); {
		case isMissing(err):
		case err != nil:
			return nil, fmt.Errorf("ebpf plane: read map group_rates: %w", err)
		case r.Lost > 0 && now-time.Duration(r.Lost) < missingMax:
			lost[d.ID] = missingMax - (now - time.Duration(r.Lost))
		}
	}
	return lost, nil
}
