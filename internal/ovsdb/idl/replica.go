package idl

import (
	"fmt"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// replica is what the session under way makes of the database. It is the handler of the
// session, whose reader owns it.
type replica struct {
	client *Client
	base   *Snapshot // an earlier state, of the schema that the server has
	data   *Snapshot // nil until in step
	lastID string    // of the transaction that data is the result of; empty: not known
	came   time.Time // of the last update; zero: none did yet
}

// Schema goes on from the replica of an earlier session, if it is of the same schema.
func (r *replica) Schema(_ *client.Session, text wire.Value) (requests []byte, since string, err error) {
	schema, err := ovsdb.SharedSchema(text)
	if err != nil {
		return nil, "", fmt.Errorf("schema of %s: %w", r.client.opts.Database, err)
	}
	r.data = nil
	if r.base, since = r.client.resume(); r.base == nil || !r.base.plan.schema.Equal(schema) {
		r.base, since = newSnapshot(sharedPlan(schema, r.client.opts.Tables)), ""
	}
	return r.base.plan.appendRequests(nil), since, nil
}

// Contents makes the replica the current snapshot.
func (r *replica) Contents(s *client.Session, u client.Update) error {
	d := newDraftAfresh(r.base)
	if u.Since {
		d = newDraft(r.base) // the server remembers
	}
	if err := d.update(u); err != nil {
		return err
	}
	r.data, r.lastID, r.base = d.publish(), u.LastID, nil
	for _, name := range r.client.synchronized(s, r) {
		if err := r.client.lockOn(s, name); err != nil {
			return err
		}
	}
	return nil
}

// Changes makes another snapshot.
func (r *replica) Changes(_ *client.Session, u client.Update) error {
	r.came = time.Now()
	d := newDraft(r.data)
	d.step = newStep(d.plan)
	if err := d.update(u); err != nil {
		return err
	}
	r.data = d.publish()
	if u.Version == 3 {
		r.lastID = u.LastID
	}
	r.client.publish(r, d.step)
	r.data.settle()
	return nil
}

// Notified takes what the server says of locks.
func (r *replica) Notified(_ *client.Session, m jsonrpc.Message) error {
	switch m.Method {
	case "locked":
		r.client.lockChanged(m.Params.Index(0).Str(), true)
	case "stolen":
		r.client.lockChanged(m.Params.Index(0).Str(), false)
	}
	return nil
}

// Lost notes that there is no session any more.
func (r *replica) Lost(why error, inconsistent bool) { r.client.disconnected(why, inconsistent) }
