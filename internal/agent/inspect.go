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
func (a *Agent) ask(ctx context.Context, f func(context.Context) (string, error)) (string, error) {
	type answer struct {
		text string
		err  error
	}
	answers := make(chan answer, 1)
	late := time.NewTimer(askPatience)
	defer late.Stop()
	select {
	case a.asks <- func(loop context.Context) {
		text, err := f(loop)
		answers <- answer{text, err}
	}:
	case <-a.ended:
		return "", errNotRunning
	case <-late.C:
		return "", errBusy
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
	got := <-answers
	return got.text, got.err
}

// State returns what forwarding has to be, as the canonical text of intent.State.
func (a *Agent) State(ctx context.Context) (string, error) {
	return a.ask(ctx, func(context.Context) (string, error) { return a.compiler.State().String(), nil })
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
// differences, a line each; empty: there are none.
func (a *Agent) Audit(ctx context.Context) (string, error) {
	return a.ask(ctx, func(loop context.Context) (string, error) {
		switch {
		case a.frozen:
			return "", errors.New("forwarding is left as it is (vtep/problems says why), whatever the database says: there is nothing to compare it with")
		case !a.ready:
			return "", errors.New("forwarding does not follow the database yet: there is nothing to compare it with")
		}
		drifts, err := a.opts.Plane.Audit(loop)
		if err != nil {
			return "", fmt.Errorf("audit the dataplane: %w", err)
		}
		var b strings.Builder
		for _, d := range drifts {
			fmt.Fprintf(&b, "%s %s: is %q, should be %q\n", d.Kind, d.Key, d.Have, d.Want)
		}
		return b.String(), nil
	})
}
