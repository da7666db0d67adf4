package agent

import (
	"context"
	"fmt"
	"strings"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/problem"
)

// Two processes that run one switch of a database, as after an operator's mistake, would each
// delete what the other has reported. A lock of the database, named after the switch, says whose
// it is: the other process leaves everything alone, rows and dataplane, until it gets the lock.
// While there is no connection to the database nobody can have been given it, and whoever had it
// goes on.

// LockName returns the name of the lock for the switch called name: different for different
// names, and of the letters, digits and underscores that such a name may have.
func LockName(name string) string {
	var b strings.Builder
	b.WriteString("vtep_")
	for i := range len(name) {
		c := name[i]
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02x", c)
		}
	}
	return b.String()
}

// checkLock takes note of who has the lock.
func (a *Agent) checkLock(ctx context.Context) {
	if a.opts.Lock == "" {
		return
	}
	owned, known := a.opts.Replica.LockState(a.opts.Lock)
	switch {
	case !known || a.lockSeen && owned == a.owner:
		return
	case owned:
		if a.lockSeen {
			a.log.Info("this process runs the switch now", "name", a.opts.Name)
		}
		a.opts.Problems.Replace("lock")
	default:
		a.known = false
		a.opts.Problems.Replace("lock", problem.Problem{
			Kind: problem.OtherProcess, Object: problem.PhysicalSwitch(a.opts.Name),
			Text:   "another process runs this switch on the same database: this one leaves everything alone until that one ends",
			Remedy: "end one of them, or give one another switch",
		})
	}
	a.owner, a.lockSeen = owned, true
	if owned {
		a.applyState(ctx, nil)
	}
}

// execute runs a transaction, if the lock is still held.
func (a *Agent) execute(ctx context.Context, tx *hwvtep.Txn) error {
	if a.opts.Lock != "" && a.opts.Replica.LockAsserts() {
		tx.Assert(a.opts.Lock)
	}
	_, err := a.opts.Replica.Transact(ctx, tx.Ops())
	return err
}
