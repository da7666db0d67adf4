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
	writer  *idl.Writer
	cancel  context.CancelFunc
	ended   sync.WaitGroup // of what runs for it
	inboxed bool           // it is among inbox.woken; guarded by inbox.mu

	db      *database
	gone    bool         // it has left
	leaving chan<- error // it is to leave the mesh; nil: it is not
	rows    uint64       // written
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
	case t.gone || !t.writer.Idle():
	case t.db.read && t.writer.May():
		n.send(t)
	case t.leaving != nil:
		n.left(t, errors.New("it can't be written now: its rows stay there"))
	}
}

// send sends the next transaction, if there is anything to write. After a failure the next look is at what the
// database is then; an outcome that is not known is the same, by way of the next connection.
func (n *NVC) send(t *target) {
	var p *plan
	if t.leaving != nil {
		if p = t.db.farewell(t.writer.Asserts()); p == nil {
			n.left(t, nil)
			return
		}
	} else if p = t.db.next(t.writer.Asserts()); p == nil {
		return
	}
	t.ended.Go(t.writer.Send(n.ctx, p.tx.Ops(), func(err error, again time.Duration) { // a transaction
		n.take(t) // what it did: a server tells of that first
		if err == nil {
			t.rows += uint64(p.rows)
			return
		}
		p.failed()
		if again > 0 {
			n.log.Warn("transaction failed", "target", t.name, "err", err, "again in", again)
		}
	}))
}

// remove begins to take a target out of the mesh; what comes of it goes into left, which takes one value.
func (n *NVC) remove(name string, left chan<- error) {
	for _, t := range n.targets {
		if t.name == name && t.leaving == nil {
			t.leaving = left
			t.db.touch()
			t.writer.Hurry()
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
