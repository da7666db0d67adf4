package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb/server"
)

// register adds the commands of the control socket. Their names and texts are those of the
// C server: scripts compare them.
func (o *ovsdbServer) register() {
	type run = func(args []string) (string, error)
	quiet := func(f func()) run {
		return func([]string) (string, error) { f(); return "", nil }
	}
	for _, c := range []struct {
		name, usage string
		min, max    int
		run         run
	}{
		{"ovsdb-server/list-dbs", "", 0, 0, func([]string) (string, error) { return lines(o.server.Databases()), nil }},
		{"ovsdb-server/add-db", "DB", 1, 1, o.addDatabase},
		{"ovsdb-server/remove-db", "DB", 1, 1, o.removeDatabase},
		{"ovsdb-server/list-remotes", "", 0, 0, func([]string) (string, error) { return lines(o.server.Remotes()), nil }},
		{"ovsdb-server/add-remote", "REMOTE", 1, 1, o.addRemote},
		{"ovsdb-server/remove-remote", "REMOTE", 1, 1, o.removeRemote},
		{"ovsdb-server/compact", "", 0, 1, o.compact},
		{"ovsdb-server/reconnect", "", 0, 0, quiet(func() { o.server.Reconnect("user ran ovsdb-server/reconnect") })},
		{"ovsdb-server/disable-monitor-cond", "", 0, 0, quiet(func() {
			o.server.DisableMonitorCond()
			o.server.Reconnect("user ran ovsdb-server/disable-monitor-cond")
		})},
		{"ovsdb-server/get-db-storage-status", "DB", 1, 1, o.storageStatus},
		{"ovsdb-server/sync-status", "", 0, 0, func([]string) (string, error) { return "state: active\n", nil }},
		{"ovsdb-server/memory-trim-on-compaction", "on|off", 1, 1, o.trimOnCompaction},
		{"memory/show", "", 0, 0, func([]string) (string, error) { return o.memory(), nil }},
		{"coverage/read-counter", "COUNTER", 1, 1, func([]string) (string, error) { return "0\n", nil }},
		{"time/warp", "[LARGE_MSECS] MSECS", 1, 2, func([]string) (string, error) { return "warped\n", nil }},
	} {
		o.d.Register(c.name, c.usage, c.min, c.max, c.run)
	}
}

// controlError is an answer whose text is the C server's.
type controlError string

func (e controlError) Error() string { return string(e) }

func lines(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return strings.Join(names, "\n") + "\n"
}

func (o *ovsdbServer) addDatabase(args []string) (string, error) {
	if _, err := o.server.AddDatabase(args[0]); err != nil {
		return "", errors.New(databaseError(args[0], err))
	}
	return "", o.state.change(func(s *serverState) { s.Databases = append(s.Databases, args[0]) })
}

func (o *ovsdbServer) removeDatabase(args []string) (string, error) {
	if strings.HasPrefix(args[0], "_") {
		return "", controlError("Cannot remove reserved database.")
	}
	path := o.server.Path(args[0])
	if err := o.server.RemoveDatabase(args[0]); err != nil {
		return "", controlError("Failed to find the database.")
	}
	return "", o.state.change(func(s *serverState) {
		s.Databases = slices.DeleteFunc(s.Databases, func(p string) bool { return p == path })
	})
}

func (o *ovsdbServer) addRemote(args []string) (string, error) {
	if strings.HasPrefix(args[0], "pfd:") {
		return "", errors.New("pfd: remotes can only be specified on the command line")
	}
	err := o.server.AddRemote(args[0])
	switch {
	case errors.Is(err, server.ErrRemoteExists):
		return "", nil
	case err != nil && !slices.Contains(o.server.Remotes(), args[0]):
		return "", err
	} // a listener that cannot be opened now is logged and tried again
	return "", o.state.change(func(s *serverState) { s.Remotes = append(s.Remotes, args[0]) })
}

func (o *ovsdbServer) removeRemote(args []string) (string, error) {
	if err := o.server.RemoveRemote(args[0]); err != nil {
		return "", errors.New("no such remote")
	}
	return "", o.state.change(func(s *serverState) {
		gone := func(r string) bool { return r == args[0] }
		s.Remotes, s.ReadOnlyRemotes = slices.DeleteFunc(s.Remotes, gone), slices.DeleteFunc(s.ReadOnlyRemotes, gone)
	})
}

func (o *ovsdbServer) compact(args []string) (string, error) {
	if len(args) > 0 && strings.HasPrefix(args[0], "_") {
		return "", errors.New("cannot compact built-in databases")
	}
	found := false
	var failures []string
	for _, name := range o.server.Databases() {
		if strings.HasPrefix(name, "_") || len(args) > 0 && args[0] != name {
			continue
		}
		found = true
		o.log.Info("compacting " + name + " database by user request")
		if err := o.server.Compact(name); err != nil {
			failures = append(failures, err.Error())
		}
	}
	switch {
	case !found:
		return "", errors.New("no database by that name")
	case failures != nil:
		return "", errors.New(lines(failures))
	}
	return "", nil
}

func (o *ovsdbServer) storageStatus(args []string) (string, error) {
	if !slices.Contains(o.server.Databases(), args[0]) {
		return "", controlError("Failed to find the database.")
	}
	if err := o.server.StorageError(args[0]); err != nil {
		return "status: " + err.Error() + "\n", nil
	}
	return "status: ok\n", nil
}

func (o *ovsdbServer) trimOnCompaction(args []string) (string, error) {
	if args[0] != "on" && args[0] != "off" {
		return "", errors.New("invalid argument")
	}
	o.server.TrimOnCompaction(args[0] == "on")
	return "", nil
}

func (o *ovsdbServer) memory() string {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := o.server.Usage()
	return fmt.Sprintf("atoms:%d backlog:%d cells:%d heap-kB:%d monitors:%d rows:%d sessions:%d triggers:%d"+
		" txn-history:%d txn-history-atoms:%d\n",
		u.Atoms, u.Backlog, u.Atoms, m.HeapAlloc>>10, u.Monitors, u.Rows, u.Sessions, u.Triggers,
		u.History, u.HistoryAtoms)
}

// serverState is what the control commands can change of what is served. Under --monitor it
// is kept in a file that outlives a crash.
type serverState struct {
	Databases       []string
	Remotes         []string
	ReadOnlyRemotes []string

	mu   sync.Mutex
	file *os.File // nil: no monitor
}

func newServerState(file *os.File, databases, remotes, readOnlyRemotes []string) *serverState {
	return &serverState{Databases: databases, Remotes: remotes, ReadOnlyRemotes: readOnlyRemotes, file: file}
}

// load replaces the state by that of the process before, if there was one.
func (s *serverState) load() error {
	if s.file == nil {
		return nil
	}
	if _, err := s.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	b, err := io.ReadAll(s.file)
	if err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	if len(b) == 0 {
		return nil
	}
	s.Databases, s.Remotes, s.ReadOnlyRemotes = nil, nil, nil
	if err := json.Unmarshal(b, s); err != nil {
		return fmt.Errorf("load state: %w", err)
	}
	return nil
}

func (s *serverState) change(f func(*serverState)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	f(s)
	return s.save()
}

func (s *serverState) save() error {
	if s.file == nil {
		return nil
	}
	b, err := json.Marshal(s)
	if err == nil {
		err = s.file.Truncate(0)
	}
	if err == nil {
		_, err = s.file.WriteAt(b, 0)
	}
	if err != nil {
		return fmt.Errorf("save state: %w", err)
	}
	return nil
}
