package ovs

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// coverage are counters of the userspace datapath, which has them for frames that it drops before
// or after it looks at flows, with the reason that they stand for. They are of the whole process,
// tunnels of others included.
var coverage = map[string]string{
	"datapath_drop_tunnel_pop_error":  "vxlan_receive",
	"datapath_drop_tunnel_push_error": "vxlan_send",
}

// purge has ovs-vswitchd empty its userspace datapath, which is filled again by what the flows say. Where
// parts of that overlap, as they do when ACLs or routes change what of a frame counts, Open vSwitch (seen, 3.1.0) brings the wrong one up to
// date, and a frame goes on as it did before.
func (e *engine) purge(ctx context.Context) {
	e.stale = false
	ps := e.vs.bridges[e.names.ps]
	if ps == nil || ps.datapathType != "netdev" || e.plane.opts.Control == nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	path, err := e.plane.controlSocket()
	if err == nil {
		_, err = e.plane.opts.Control(ctx, path, "revalidator/purge")
	}
	if err != nil && ctx.Err() == nil {
		e.log.Warn("some frames may be treated for some seconds more as before a change of ACLs or routes", "err", err)
	}
}

// readCoverage asks ovs-vswitchd for these counters.
func (p *Plane) readCoverage(ctx context.Context) (map[string]uint64, error) {
	path, err := p.controlSocket()
	if err != nil {
		return nil, err
	}
	all := map[string]uint64{}
	for name := range coverage {
		text, err := p.opts.Control(ctx, path, "coverage/read-counter", name)
		if err != nil {
			return nil, fmt.Errorf("read counter %s of ovs-vswitchd: %w", name, err)
		}
		if all[name], err = strconv.ParseUint(strings.TrimSpace(text), 10, 64); err != nil {
			return nil, fmt.Errorf("read counter %s of ovs-vswitchd: %w", name, err)
		}
	}
	return all, nil
}

// addCoverage adds what has come to these counters.
func (c *counters) addCoverage(now map[string]uint64) {
	for name, n := range now {
		was := c.coverage[name]
		if n < was { // ovs-vswitchd is a new one
			was = 0
		}
		c.add(coverage[name], n-was)
	}
	c.coverage = now
}

// updateCoverage reads the counters if the datapath has them. If they can't be read now, they can
// be later, and are as they would be.
func (p *Plane) updateCoverage(ctx context.Context) {
	userspace := false
	err := p.do(ctx, func() {
		e := p.engine
		userspace = e.vs != nil && e.vs.bridges[e.names.ps] != nil && e.vs.bridges[e.names.ps].datapathType == "netdev"
	})
	if err != nil || !userspace || p.opts.Control == nil {
		return
	}
	ctx, cancel := context.WithTimeoutCause(ctx, answerTimeout, errStalled)
	defer cancel()
	now, err := p.readCoverage(ctx)
	if err != nil {
		p.log.Debug("counters not known", "err", err)
		return
	}
	_ = p.do(ctx, func() { p.engine.counters.addCoverage(now) })
}
