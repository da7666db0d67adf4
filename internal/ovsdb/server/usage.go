package server

import "fmt"

// Usage is what a server holds.
type Usage struct {
	Rows, Atoms, Monitors, Triggers int
	History, HistoryAtoms           int // transactions remembered, and their size
	Sessions                        int
	Backlog                         int // bytes that wait to be sent
	Requests                        int // executed since the start
	Commits                         int // transactions that changed something, since the start
	Queued                          int // requests not executed yet
	Held                            int // about the bytes of replies and updates held back for slow peers
	Intake                          int // bytes of long requests not answered yet
	Bytes                           int // of the databases' files
	Compactions                     int // of these, since the start
}

// Usage counts what the server holds.
func (s *Server) Usage() Usage {
	var u Usage
	for _, d := range s.all() {
		d.do(func() {
			for _, t := range d.db.Tables() {
				u.Rows += t.Len()
			}
			u.Atoms += d.db.Atoms()
			u.Triggers += len(d.triggers)
			u.History += d.history.len()
			u.HistoryAtoms += d.history.atoms
			for range d.monitors.all {
				u.Monitors++
			}
			u.Requests += d.requests
			u.Commits += d.commits
			u.Compactions += d.compacts
			if d.file != nil {
				u.Bytes += int(d.file.Size())
			}
			for _, a := range d.arrears {
				u.Held += a.held
				u.Queued += len(a.jobs)
			}
		})
		u.Queued += d.queue.requests()
	}
	u.Intake = s.intake.bytes()
	s.mu.Lock()
	defer s.mu.Unlock()
	u.Sessions = len(s.sessions)
	for sess := range s.sessions {
		u.Backlog += sess.conn.Backlog()
		u.Held += int(sess.postponed.Load())
	}
	return u
}

// Path is the file of a database, empty if it has none or there is no such database.
func (s *Server) Path(name string) string {
	d := s.find(name)
	if d == nil {
		return ""
	}
	return d.path
}

// StorageError says why a database is read-only; nil: it is not.
func (s *Server) StorageError(name string) error {
	d := s.find(name)
	if d == nil {
		return fmt.Errorf("%s: %w", name, ErrUnknown)
	}
	var err error
	d.do(func() { err = d.failed })
	return err
}
