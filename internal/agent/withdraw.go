package agent

import (
	"context"
	"fmt"
	"time"
)

// withdrawTries bounds how often Withdraw loses against other clients.
const withdrawTries = 10

// Withdraw takes back the rows that tell others what they reach here: learned MACs, where to
// send floods, tunnels. It is for a VTEP whose forwarding is about to be taken down, and is
// called after Run, while the replica still runs.
func (a *Agent) Withdraw(ctx context.Context) error {
	if !a.ready || !a.owner { // the rows are another's, if anybody's
		return nil
	}
	a.ready = false // forwarding does not follow the rows any more
	a.reporter.Withdraw()
	for failures := 0; ; {
		a.compile(ctx)
		tx := a.reporter.Build(time.Now())
		if tx == nil {
			return nil
		}
		err := a.execute(ctx, tx)
		a.compile(ctx)
		a.reporter.Done(err)
		if err == nil {
			continue
		}
		if failures++; failures == withdrawTries || ctx.Err() != nil {
			return fmt.Errorf("withdraw the rows of this VTEP: %w", err)
		}
	}
}
