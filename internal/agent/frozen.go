package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/plane"
	"github.com/vtep/vtep/internal/problem"
)

// An earlier process has left forwarding in place, and the database does not say it any more:
// its file was lost and made anew, was cut because it was damaged, is older than forwarding (a
// backup, say), or is another one. To follow it would cut off hosts that nobody wanted to cut
// off. So forwarding stays as it is, frozen, until the operator accepts the database or somebody
// writes what changes forwarding: an NVC that has found the new database fills it.

// freeze decides, before the first Apply, whether forwarding is left as it is.
func (a *Agent) freeze(ctx context.Context) bool {
	if a.opts.Accept {
		return false
	}
	left, err := a.opts.Plane.Adopted(ctx, false)
	why := ""
	if left != nil {
		if why = a.distrust(left); why != "" {
			left, err = a.opts.Plane.Adopted(ctx, true)
		}
	}
	if err != nil {
		a.log.Warn("what an earlier process left is not known", "err", err)
		return false
	}
	if why == "" {
		return false
	}
	return a.hold(ctx, left, why)
}

// freezeAgain decides whether forwarding is left as it was when a server that has come back has
// another database, as one whose file was lost.
func (a *Agent) freezeAgain(ctx context.Context, before *intent.State) bool {
	if a.opts.Accept || !a.known || a.frozen || before.Physical == a.compiler.State().Physical {
		return false
	}
	if !a.hold(ctx, before, "the server has come back with another one: its row of this switch is another one, or missing") {
		return false
	}
	a.openGroups(ctx, before)
	return true
}

// hold leaves forwarding, which is that of left, as it is, if the database would have anything
// of it taken away.
func (a *Agent) hold(ctx context.Context, left *intent.State, why string) bool {
	bindings, macs, floods := lost(left, a.compiler.State())
	if bindings+macs+floods == 0 {
		return false
	}
	if err := a.opts.Plane.Disown(ctx); err != nil { // a later process must not be deceived either
		a.log.Warn("that forwarding is frozen can't be kept for the next start", "err", err)
	}
	a.frozen, a.known = true, false
	a.reporter.SetFrozen(true)
	a.opts.Problems.Replace("frozen", problem.Problem{
		Kind: problem.Frozen, Object: problem.PhysicalSwitch(a.opts.Name),
		Text: fmt.Sprintf("the database is not trusted (%s), and forwarding stays as it is: "+
			"by the database %d bindings, %d remote MACs and %d flood sets would be taken away", why, bindings, macs, floods),
		Remedy: "restore the database and start again, or accept this one: vtep appctl vtep/accept-database, or vtep run --accept-database",
	})
	return true
}

// distrust says why the database may be another one than forwarding was left by; "": it is not.
func (a *Agent) distrust(left *intent.State) string {
	was := ovsdb.Position(left.Position)
	switch {
	case a.opts.Suspect != "":
		return a.opts.Suspect
	case left.Physical == plane.Nobody:
		return "it was not trusted at an earlier start, and nobody has accepted it"
	case left.Physical != (intent.SwitchID{}) && left.Physical != a.compiler.State().Physical:
		return "it is not the one that forwarding was made from: its row of this switch is another one, or missing"
	case a.opts.Position == nil || was <= a.opts.Opened:
		return ""
	}
	return fmt.Sprintf("it is older than forwarding, as a copy or a file that was cut: it ends at %s, and forwarding was made from what was written until %s",
		a.opts.Opened.Time().Format(stamp), was.Time().Format(stamp))
}

const stamp = "2006-01-02T15:04:05.000Z"

// position is how far the database is written now, which is no less than what forwarding is
// made from.
func (a *Agent) position() uint64 {
	if a.opts.Position == nil {
		return 0
	}
	return uint64(a.opts.Position())
}

// lost counts what next does not have of before.
func lost(before, next *intent.State) (bindings, macs, floods int) {
	return missing(before.Bindings, next.Bindings), missingMACs(before.Unicast, next.Unicast), missing(before.Floods, next.Floods)
}

func missingMACs(before, next *intent.Unicast) (n int) {
	for k := range before.All() {
		if _, ok := next.Get(k); !ok {
			n++
		}
	}
	return n
}

func missing[K comparable, V any](before, next map[K]V) (n int) {
	for k := range before {
		if _, ok := next[k]; !ok {
			n++
		}
	}
	return n
}

// thaw ends it. The next Apply makes forwarding what the database says.
func (a *Agent) thaw(why string) {
	a.log.Warn("forwarding follows the database again: " + why)
	a.frozen = false
	a.reporter.SetFrozen(false)
	a.opts.Problems.Replace("frozen")
	a.awaitAdopted()
}

// AcceptDatabase makes forwarding that was left as it was follow the database.
func (a *Agent) AcceptDatabase(ctx context.Context) (string, error) {
	return ask(ctx, a, func(loop context.Context) (string, error) {
		if !a.frozen {
			return "", errors.New("forwarding follows the database already")
		}
		a.thaw("the operator has accepted it")
		a.applyState(loop, nil)
		a.publishProblems()
		return "", nil
	})
}
