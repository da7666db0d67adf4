package client

import (
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// A backup (--sync-from) or a remote that is for reading alone has the database, and _Server says
// nothing of what it lacks. Whether it can be written is found out by a transaction that would change
// nothing. Nor does such a server tell when its role changes, so that it is asked again every so often
// while no other one is found.

// ErrReadOnly is why a server is not used, or left, that refuses what is to be written.
const ErrReadOnly = UnfitError("database server is in read only mode")

// RefusesWrites says whether an operation has failed for want of a server that can be written.
func RefusesWrites(err *ovsdb.Error) bool {
	return err != nil && err.Tag == "not allowed" && strings.Contains(err.Details, "read only mode")
}

// askWritable goes on with a server that can be written, and holds one that can't.
func (s *Session) askWritable() error {
	if s.asking.Swap(true) {
		return nil
	}
	o := &s.client.opts
	return s.Go("transact", AppendNoWrite(nil, o.Database, o.Writes), func(result wire.Value, refused *jsonrpc.RemoteError) error {
		s.asking.Store(false)
		if refused == nil && NoWriteRefused(result) {
			s.client.hold(s, ErrReadOnly)
			return nil
		}
		return s.take()
	})
}

// AppendNoWrite appends the parameters of a transaction that changes nothing, and is refused by a server
// that can't be written; see NoWriteRefused.
func AppendNoWrite(dst []byte, database, table string) []byte {
	dst = wire.AppendString(append(dst, '['), database)
	dst = wire.AppendString(append(dst, `,{"op":"delete","table":`...), table)
	dst = append(dst, `,"where":[["_uuid","==",["uuid","`...)
	return append(append(dst, ovsdb.UUID{}.String()...), `"]]]}]`...)
}

// NoWriteRefused says whether that is what came of it.
func NoWriteRefused(result wire.Value) bool {
	err, failed := ovsdb.ParseError(result.Index(0))
	return failed && RefusesWrites(err)
}

// hold notes why a session is not used.
func (c *Client) hold(s *Session, why error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.chosen != s {
		c.held[s] = why
		c.poke()
	}
}

// askAgain asks a server that could not be written, if it is time.
func (c *Client) askAgain(k *candidate, held error) {
	if held != ErrReadOnly {
		k.ask = time.Time{}
		return
	}
	now := time.Now()
	if !k.ask.IsZero() && !now.Before(k.ask) {
		_ = k.session.askWritable() // an error means that the connection has ended
		k.ask = time.Time{}
	}
	if k.ask.IsZero() {
		pause := c.opts.MaxBackoff
		if pause == 0 {
			pause = 8 * time.Second
		}
		k.ask = now.Add(pause)
	}
}
