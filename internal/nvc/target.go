package nvc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/idl"
)

// tables are what a mesh is made of; of switches also who they are, for people.
var tables = map[string][]string{
	hwvtep.TablePhysicalSwitch:     {"name", "tunnel_ips"},
	hwvtep.TableLogicalSwitch:      nil,
	hwvtep.TablePhysicalLocator:    nil,
	hwvtep.TablePhysicalLocatorSet: nil,
	hwvtep.TableUcastMACLocal:      nil,
	hwvtep.TableUcastMACRemote:     nil,
	hwvtep.TableMcastMACLocal:      nil,
	hwvtep.TableMcastMACRemote:     nil,
}

// target is one database that the controller follows. All but the replica belongs to Run.
type target struct {
	name    string
	replica *idl.Client
	cancel  context.CancelFunc
	ended   sync.WaitGroup // of what runs for it

	db      *database
	busy    *plan         // the transaction under way
	retry   *time.Timer   // nil: none failed last
	wait    time.Duration // before the next try
	gone    bool          // it has left
	leaving chan<- error  // it is to leave the mesh; nil: it is not

	transactions, rows, failures uint64
	failure                      string // the last one, until one succeeds
}

// outcome is what came of a transaction.
type outcome struct {
	target *target
	err    error
}

// lock is what transactions assert; "": a relay knows of no locks.
func (t *target) lock() string {
	if t.replica.LockAsserts() {
		return Lock
	}
	return ""
}

// may says that the controller may write: it is connected, and no other controller has the lock.
func (t *target) may() bool {
	return t.replica.Connected() && (t.lock() == "" || t.replica.HasLock(Lock))
}

// take takes over what is new of a target.
func (n *NVC) take(t *target) {
	if t.gone {
		return
	}
	snapshot, delta := t.replica.Take()
	if snapshot == nil || delta.Empty() {
		return
	}
	first := !t.db.read
	if first {
		n.unread--
	}
	view := hwvtep.NewView[*idl.Table](snapshot)
	t.db.take(view, hwvtep.NewChanges(view.Layout(), delta))
	if first {
		n.log.Info("database read", "target", t.name, "switches", len(t.db.names), "of", snapshot.Table(hwvtep.TablePhysicalSwitch).Len())
	}
	if delta.Reset && !first { // a transaction may have been lost
		for _, net := range n.mesh.networks {
			if net.in[t.db] != nil {
				net.touchIn(t.db)
			}
		}
	}
}

// finish sends what has become to do.
func (n *NVC) finish() {
	for {
		complete := n.unread == 0
		if complete != n.mesh.complete {
			n.mesh.complete = complete
			n.mesh.allot = n.mesh.allot || complete
			if complete {
				n.mesh.touchAll()
			}
		}
		touched := n.mesh.touched
		if len(touched) == 0 {
			return
		}
		n.mesh.touched = nil
		for _, db := range touched {
			db.touched = false
			n.look(db.owner)
		}
	}
}

// look sends what is to be written to a target, if that is possible now. Whatever makes it possible touches it.
func (n *NVC) look(t *target) {
	switch {
	case t.gone || t.busy != nil || t.retry != nil:
	case t.db.read && t.may():
		n.send(t)
	case t.leaving != nil:
		n.left(t, errors.New("it can't be written now: its rows stay there"))
	}
}

// send sends the next transaction, if there is anything to write.
func (n *NVC) send(t *target) {
	var p *plan
	if t.leaving != nil {
		if p = t.db.farewell(t.lock()); p == nil {
			n.left(t, nil)
			return
		}
	} else if p = t.db.next(t.lock()); p == nil {
		return
	}
	t.busy = p
	t.ended.Go(func() { // a transaction
		_, err := t.replica.Transact(n.ctx, p.tx.Ops())
		select {
		case n.done <- outcome{t, err}:
		case <-n.ctx.Done():
		}
	})
}

// settle deals with the outcome of a transaction. After a failure the next look is at what the
// database is then; an outcome that is not known is the same, by way of the next connection.
func (n *NVC) settle(o outcome) {
	t := o.target
	t.db.touch()
	p := t.busy
	t.busy = nil
	n.take(t) // what it did: a server tells of that first
	if o.err == nil {
		t.transactions++
		t.rows += uint64(p.rows)
		t.wait, t.failure = 0, ""
		return
	}
	p.failed()
	t.failures++
	t.failure = o.err.Error()
	if errors.Is(o.err, idl.ErrNotConnected) || errors.Is(o.err, idl.ErrOutcomeUnknown) {
		return // there is news when there is a connection
	}
	t.wait = min(max(2*t.wait, firstWait), maxWait)
	n.log.Warn("transaction failed", "target", t.name, "err", o.err, "again in", t.wait)
	t.retry = time.AfterFunc(t.wait, func() {
		_ = n.do(n.ctx, func() {
			t.retry = nil
			t.db.touch()
		})
	})
}

// remove begins to take a target out of the mesh; what comes of it goes into left, which takes one value.
func (n *NVC) remove(name string, left chan<- error) {
	for _, t := range n.targets {
		if t.name == name && t.leaving == nil {
			t.leaving = left
			t.db.touch()
			if t.retry != nil {
				t.retry.Stop()
				t.retry = nil
			}
			return
		}
	}
	left <- errors.New("no such target: " + name)
}

// left ends a target that has nothing of the controller any more, and tells so.
func (n *NVC) left(t *target, err error) {
	for i, other := range n.targets {
		if other == t {
			n.targets = append(n.targets[:i:i], n.targets[i+1:]...)
			break
		}
	}
	t.gone = true
	if !t.db.read {
		n.unread--
	}
	t.db.withdraw()
	t.cancel() // it may be about to wake this goroutine, which so does not wait for it
	n.log.Info("database left", "target", t.name, "err", err)
	t.leaving <- err
}
