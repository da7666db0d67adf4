package agent

import (
	"context"
	"errors"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// CaptureNames are what captured frames are named by.
type CaptureNames struct {
	Ports    map[string]bool
	Switches map[intent.SwitchID]intent.Switch
}

// ErrNoCapture is returned where the dataplane can't show frames.
var ErrNoCapture = errors.New("this dataplane does not show the frames that it handles: of Open vSwitch, ovs-tcpdump -i PORT shows those of a port, ovs-appctl ofproto/trace what becomes of one, and tcpdump -i DEVICE udp port 4789 the packets around them")

// Capturer returns the plane, as far as it can show the frames that it handles.
func (a *Agent) Capturer() (plane.Capturer, error) {
	c, ok := a.opts.Plane.(plane.Capturer)
	if !ok {
		return nil, ErrNoCapture
	}
	return c, nil
}

// CaptureNames says what ports and switches there are now.
func (a *Agent) CaptureNames(ctx context.Context) (CaptureNames, error) {
	return ask(ctx, a, func(context.Context) (CaptureNames, error) {
		s := a.compiler.State()
		n := CaptureNames{Ports: map[string]bool{}, Switches: map[intent.SwitchID]intent.Switch{}}
		for name := range s.Ports {
			n.Ports[name] = true
		}
		for id, ls := range s.Switches {
			n.Switches[id] = ls
		}
		return n, nil
	})
}
