package ovs

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/plane"
)

// Tell implements plane.Teller, by Open vSwitch's own trace. Frames that come by a tunnel are at a port of a bridge that
// its caller may choose by himself.
func (p *Plane) Tell(ctx context.Context, f plane.Arriving) (string, error) {
	if f.Port == "" {
		return "", errors.New("frames that come by a tunnel can't be traced on this dataplane: try ovs-appctl ofproto/trace with the bridge of the logical switch and the port of the tunnel (\"ovs-vsctl show\" has them)")
	}
	if p.opts.Control == nil {
		return "", errors.New("ovs-vswitchd is not known")
	}
	path, err := p.controlSocket()
	if err != nil {
		return "", err
	}
	text, err := p.opts.Control(ctx, path, "ofproto/trace", p.opts.Name, fmt.Sprintf("in_port=%q", f.Port), hex.EncodeToString(f.Frame))
	if err != nil {
		return "", fmt.Errorf("ovs-appctl ofproto/trace: %w", err)
	}
	return text, nil
}
