package server

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// writeStatus brings the is_connected and status columns of the rows that describe remotes
// up to date.
func (s *Server) writeStatus() {
	for _, d := range s.all() {
		if d == s.catalog {
			continue
		}
		d.queue.put(job{run: func(b *batch) {
			if len(d.watch) == 0 || d.failed != nil || d.relay || d.backup {
				return
			}
			if ops := d.statusOps(); ops != nil {
				if err := d.executeInternal(ops, b, nil); err != nil {
					d.log.Warn("cannot update remote status", "err", err)
				}
			}
		}})
	}
}

// statusOps gives the transaction that brings the status up to date; nil if it is.
func (d *database) statusOps() []byte {
	params := wire.AppendString([]byte{'['}, d.name)
	n := len(params)
	seen := map[ovsdb.UUID]bool{}
	for _, m := range d.watch {
		for _, row := range m.managerRows(d) {
			if !seen[row.UUID] {
				seen[row.UUID] = true
				params = d.appendStatusOp(params, m.rows, row)
			}
		}
	}
	if len(params) == n {
		return nil
	}
	return append(params, ']')
}

// appendStatusOp appends the update of one row, if it needs one.
func (d *database) appendStatusOp(dst []byte, ts *ovsdb.TableSchema, row *ovsdb.Row) []byte {
	r := reader{ts, row}
	target, ok := r.str("target")
	if !ok {
		return dst
	}
	connected, status := d.srv.remotes.status(target)
	var columns []byte
	if c := ts.Column("is_connected"); c != nil && c.Type.Key.Type == ovsdb.Boolean && !c.Type.IsMap() {
		if a, ok := r.scalar("is_connected", ovsdb.Boolean); !ok || a.Bool() != connected {
			columns = wire.AppendBool(append(columns, `"is_connected":`...), connected)
		}
	}
	if c := ts.Column("status"); c != nil && c.Type.Key.Type == ovsdb.String && c.Type.Value.Type == ovsdb.String {
		want := ovsdb.NewMap(ovsdb.String, ovsdb.String, status...)
		if !row.Field(c).Equal(want, &c.Type) {
			if columns != nil {
				columns = append(columns, ',')
			}
			columns = ovsdb.AppendDatum(append(columns, `"status":`...), want, &c.Type)
		}
	}
	if columns == nil {
		return dst
	}
	dst = append(dst, `,{"op":"update","table":`...)
	dst = wire.AppendString(dst, ts.Name)
	dst = append(dst, `,"where":[["_uuid","==",`...)
	dst = ovsdb.AppendUUID(dst, row.UUID)
	dst = append(dst, `]],"row":{`...)
	dst = append(dst, columns...)
	return append(dst, `}}`...)
}

// status tells how the remote on a target does: whether it has a live session, and the keys
// and values of its status column. Of several sessions it describes the oldest.
func (r *remotes) status(target string) (connected bool, kv []ovsdb.Atom) {
	add := func(key, value string) {
		kv = append(kv, ovsdb.StringAtom(key), ovsdb.StringAtom(value))
	}
	rem := r.find(target)
	if rem == nil {
		return false, nil
	}
	rem.mu.Lock()
	links := make([]*link, 0, len(rem.links))
	for l := range rem.links {
		links = append(links, l)
	}
	last := rem.last
	rem.mu.Unlock()
	if port := rem.boundPort(); port != 0 {
		add("bound_port", strconv.Itoa(port))
	}
	if len(links) == 0 {
		return false, kv
	}
	if len(links) > 1 {
		add("n_connections", strconv.Itoa(len(links)))
	}
	described := slices.MinFunc(links, func(a, b *link) int { return a.since().Compare(b.since()) })
	now := time.Now()
	described.mu.Lock()
	described.observe()
	stats := described.fsm.Stats(now)
	sess := described.sess
	described.mu.Unlock()
	add("state", stats.State.String())
	if !stats.ConnectedAt.IsZero() {
		add("sec_since_connect", seconds(now.Sub(stats.ConnectedAt)))
	}
	if !stats.DisconnectedAt.IsZero() {
		add("sec_since_disconnect", seconds(now.Sub(stats.DisconnectedAt)))
	}
	if last != "" {
		add("last_error", last)
	}
	if sess != nil {
		held, waiting, lost := rem.srv.locks.states(sess)
		for _, l := range []struct {
			key   string
			names []string
		}{{"locks_held", held}, {"locks_waiting", waiting}, {"locks_lost", lost}} {
			if len(l.names) > 0 {
				add(l.key, strings.Join(l.names, " "))
			}
		}
	}
	return stats.Connected || rem.listener != nil, kv
}

func seconds(d time.Duration) string { return strconv.FormatInt(int64(d/time.Second), 10) }

// since is when the link's connection began.
func (l *link) since() time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.fsm.Stats(time.Now()).ConnectedAt
}
