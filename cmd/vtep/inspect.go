package main

import (
	"context"

	"github.com/vtep/vtep/internal/agent"
	"github.com/vtep/vtep/internal/daemon"
)

// registerInspection adds the control commands that look into a running agent.
func registerInspection(d *daemon.Daemon, a *agent.Agent) {
	for name, look := range map[string]func(context.Context) (string, error){
		"vtep/show":  a.State,
		"vtep/drops": a.Drops,
		"vtep/audit": a.Audit,

		"vtep/accept-database": a.AcceptDatabase,
	} {
		d.Register(name, "", 0, 0, func([]string) (string, error) { return look(d.Context()) })
	}
}
