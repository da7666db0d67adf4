package agent

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/plane"
)

var (
	errNotRunning = errors.New("the agent does not run")
	errBusy       = errors.New("the agent is busy with a large change; ask again")
)

// askPatience is how long somebody who asks waits for his turn: less than clients of the
// control socket wait for an answer.
const askPatience = 5 * time.Second

// ask has the loop run f between two of its turns, and waits for it.
func ask[T any](ctx context.Context, a *Agent, f func(context.Context) (T, error)) (_ T, err error) {
	type answer struct {
		result T
		err    error
	}
	answers := make(chan answer, 1)
	late := time.NewTimer(askPatience)
	defer late.Stop()
	select {
	case a.asks <- func(loop context.Context) {
		result, err := f(loop)
		answers <- answer{result, err}
	}:
		got := <-answers
		return got.result, got.err
	case <-a.ended:
		err = errNotRunning
	case <-late.C:
		err = errBusy
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	return
}

// BFD describes the session with a peer, or all sessions if peer is "", whether the loop is busy or
// not.
func (a *Agent) BFD(peer string) (string, error) {
	shower, ok := a.opts.Plane.(plane.BFDShower)
	if !ok {
		return "", errors.New("the sessions are not this process's: Open vSwitch has a command bfd/show of its own, and the memory plane has no BFD")
	}
	var ip netip.Addr
	if peer != "" {
		var err error
		if ip, err = netip.ParseAddr(peer); err != nil {
			return "", fmt.Errorf("a session is named by the IP of its peer: %w", err)
		}
	}
	return shower.ShowBFD(ip)
}

// Audit compares what the plane has installed with what it should have, and returns the
// differences.
func (a *Agent) Audit(ctx context.Context) (Drifts, error) {
	return ask(ctx, a, func(loop context.Context) (Drifts, error) {
		switch {
		case a.frozen:
			return nil, errors.New("forwarding is left as it is (vtep/problems says why), whatever the database says: there is nothing to compare it with")
		case !a.ready:
			return nil, errors.New("forwarding does not follow the database yet: there is nothing to compare it with")
		}
		drifts, err := a.opts.Plane.Audit(loop)
		if err != nil {
			return nil, fmt.Errorf("audit the dataplane: %w", err)
		}
		all := make(Drifts, 0, len(drifts))
		for _, d := range drifts {
			all = append(all, Drift{d.Kind, d.Key, d.Have, d.Want})
		}
		return all, nil
	})
}

// Drifts is what an audit found; as text a line each, empty if all is well.
type Drifts []Drift

// Drift is one difference between what is installed and what should be. What is missing, or should not be
// there, is empty.
type Drift struct {
	Kind string `json:"kind"`
	Key  string `json:"key"`
	Is   string `json:"is"`
	Want string `json:"should_be"`
}

func (all Drifts) String() string {
	var b strings.Builder
	for _, d := range all {
		fmt.Fprintf(&b, "%s %s: is %q, should be %q\n", d.Kind, d.Key, d.Is, d.Want)
	}
	return b.String()
}
