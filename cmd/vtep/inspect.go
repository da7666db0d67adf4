package main

import (
	"context"
	"errors"
	"strings"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/ovsdb/server"
)

var errStarting = errors.New("the VTEP is starting: it is reading its database; ask again")

// registerControl adds the control commands. They answer from the first moment, if only that
// it is too early: what they ask may take long to be there.
func (r *vtepRun) registerControl() {
	r.d.Register("vtep/problems", "", 0, 0, func([]string) (string, error) { return r.problems.Text(), nil })
	r.d.Register("vtep/macs", "[LOGICAL-SWITCH]", 0, 1, func(args []string) (string, error) {
		a := r.agent.Load()
		if a == nil {
			return "", errStarting
		}
		return a.MACs(r.d.Context(), strings.Join(args, ""))
	})
	r.d.Register("bfd/show", "[PEER]", 0, 1, func(args []string) (string, error) {
		a := r.agent.Load()
		if a == nil {
			return "", errStarting
		}
		return a.BFD(strings.Join(args, ""))
	})
	for name, look := range map[string]func(*agent.Agent, context.Context) (string, error){
		"vtep/show":  (*agent.Agent).State,
		"vtep/drops": (*agent.Agent).Drops,
		"vtep/audit": (*agent.Agent).Audit,

		"vtep/accept-database": (*agent.Agent).AcceptDatabase,
	} {
		r.d.Register(name, "", 0, 0, func([]string) (string, error) {
			a := r.agent.Load()
			if a == nil {
				return "", errStarting
			}
			return look(a, r.d.Context())
		})
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
}
