package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/problem"
)

var errStarting = errors.New("the VTEP is starting: it is reading its database; ask again")

// told are the problems. That there are none says nothing while the VTEP starts, so that there is one then.
func (r *vtepRun) told() []problem.Problem {
	all := r.problems.All()
	if len(all) > 0 || r.running.Load() {
		return all
	}
	return []problem.Problem{{Kind: problem.Starting, Object: problem.PhysicalSwitch(r.name),
		Text: "the VTEP is reading its database: what is wrong is not known yet", Remedy: "ask again"}}
}

// registerControl adds the control commands. They answer from the first moment, if only that
// it is too early: what they ask may take long to be there.
func (r *vtepRun) registerControl() {
	r.d.RegisterData("vtep/status", "", 0, 0, func([]string) (string, error) {
		s, err := r.status(r.d.Context())
		return s.text(true), err
	}, func([]string) (any, error) { return r.status(r.d.Context()) })
	r.d.RegisterData("vtep/problems", "", 0, 0, func([]string) (string, error) { return problem.Text(r.told()), nil },
		func([]string) (any, error) { return listed(r.told()), nil })
	r.d.Register("vtep/reload", "", 0, 0, func([]string) (string, error) {
		if r.configFile == "" {
			return "", errors.New("the VTEP was started without --config: there is nothing to read again")
		}
		return r.reload()
	})
	for _, name := range []string{"vtep/show", "intent/show"} {
		register(r, name, "", 0, func(a *agent.Agent, ctx context.Context, _ string) (agent.Forwarding, error) { return a.State(ctx) })
	}
	for _, name := range []string{"vtep/audit", "plane/audit"} {
		register(r, name, "", 0, func(a *agent.Agent, ctx context.Context, _ string) (agent.Drifts, error) { return a.Audit(ctx) })
	}
	for _, name := range []string{"vtep/macs", "fdb/show"} {
		register(r, name, "[LOGICAL-SWITCH]", 1, (*agent.Agent).MACs)
	}
	register(r, "fdb/stats-show", "", 0, func(a *agent.Agent, ctx context.Context, _ string) (agent.MACStats, error) { return a.MACStats(ctx) })
	for _, name := range []string{"vtep/groups", "mdb/show"} {
		register(r, name, "[LOGICAL-SWITCH]", 1, (*agent.Agent).Groups)
	}
	register(r, "mdb/stats-show", "", 0, func(a *agent.Agent, ctx context.Context, _ string) (agent.GroupStats, error) {
		return a.GroupStats(ctx)
	})
	register(r, "vtep/acls", "[ACL]", 1, (*agent.Agent).ACLs)
	r.registerTestACL()
	register(r, "router/show", "[ROUTER]", 1, (*agent.Agent).Routers)
	register(r, "router/neighbors", "[ROUTER]", 1, (*agent.Agent).Neighbors)
	r.registerTrace()
	r.registerCapture()
	r.registerWire()
	register(r, "plane/stats", "", 0, func(a *agent.Agent, ctx context.Context, _ string) (agent.Traffic, error) { return a.Traffic(ctx) })
	register(r, "tunnel/show", "", 0, func(a *agent.Agent, ctx context.Context, _ string) (agent.Tunnels, error) { return a.Tunnels(ctx) })
	for name, c := range map[string]struct {
		usage string
		args  int
		run   func(*agent.Agent, context.Context, string) (string, error)
	}{
		"bfd/show":             {"[PEER]", 1, func(a *agent.Agent, _ context.Context, peer string) (string, error) { return a.BFD(peer) }},
		"fdb/flush":            {"[LOGICAL-SWITCH]", 1, (*agent.Agent).FlushMACs},
		"mdb/flush":            {"[LOGICAL-SWITCH]", 1, (*agent.Agent).FlushGroups},
		"vtep/drops":           {"[--nonzero]", 1, drops},
		"vtep/accept-database": {"", 0, func(a *agent.Agent, ctx context.Context, _ string) (string, error) { return a.AcceptDatabase(ctx) }},
	} {
		r.d.Register(name, c.usage, 0, c.args, func(args []string) (string, error) { return answer(r, c.run, args) })
	}
	about := serverCommands{log: r.log, server: func() (*server.Server, error) {
		switch s := r.server.Load(); {
		case s != nil:
			return s, nil
		case r.connect != "":
			return nil, errors.New("the database is served by another process, at " + r.connect)
		}
		return nil, errStarting
	}}
	about.register(r.d)
	r.d.AllowReaders(readable...)
}

// drops lists every reason, with "--nonzero" those for which frames were dropped.
func drops(a *agent.Agent, ctx context.Context, what string) (string, error) {
	if what != "" && what != "--nonzero" {
		return "", fmt.Errorf("%q is not an option of \"vtep/drops\"", what)
	}
	return a.Drops(ctx, what == "")
}

// register adds a command that asks the agent, with at most args arguments, for something that is
// both text and data.
func register[T fmt.Stringer](r *vtepRun, name, usage string, args int, run func(*agent.Agent, context.Context, string) (T, error)) {
	r.d.RegisterData(name, usage, 0, args, func(words []string) (string, error) {
		what, err := answer(r, run, words)
		if err != nil {
			return "", err
		}
		return what.String(), nil
	}, func(words []string) (any, error) { return answer(r, run, words) })
}

func answer[T any](r *vtepRun, run func(*agent.Agent, context.Context, string) (T, error), words []string) (none T, err error) {
	a := r.agent.Load()
	if a == nil {
		return none, errStarting
	}
	return run(a, r.d.Context(), strings.Join(words, ""))
}

// problemData is a problem as JSON has it.
type problemData struct {
	Kind   string `json:"kind"`
	Doubt  bool   `json:"doubt"`
	Object string `json:"object"`
	Text   string `json:"text"`
	Remedy string `json:"remedy"`
}

func listed(all []problem.Problem) []problemData {
	list := []problemData{}
	for _, p := range all {
		list = append(list, problemData{string(p.Kind), p.Kind.Doubt(), p.Object, p.Text, p.Remedy})
	}
	return list
}
