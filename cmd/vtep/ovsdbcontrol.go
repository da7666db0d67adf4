package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb/server"
)

// register adds the commands of the control socket. Their names and texts are those of the
// C server: scripts compare them.
func (o *ovsdbServer) register() {
	shared := serverCommands{log: o.log, server: func() (*server.Server, error) { return o.server, nil },
		syncStatus: o.syncStatus}
	shared.register(o.d)
	type run = func(args []string) (string, error)
	quiet := func(f func()) run {
		return func([]string) (string, error) { f(); return "", nil }
	}
	for _, c := range []struct {
		name, usage string
		min, max    int
		run         run
	}{
		{"ovsdb-server/add-db", "DB", 1, 1, o.unlessConfigured(o.addDatabase)},
		{"ovsdb-server/remove-db", "DB", 1, 1, o.unlessConfigured(o.removeDatabase)},
		{"ovsdb-server/add-remote", "REMOTE", 1, 1, o.unlessConfigured(o.addRemote)},
		{"ovsdb-server/remove-remote", "REMOTE", 1, 1, o.unlessConfigured(o.removeRemote)},
		{"ovsdb-server/reload", "", 0, 0, o.reload},
		{"ovsdb-server/connect-active-ovsdb-server", "", 0, 0, o.unlessConfigured(o.connectActive)},
		{"ovsdb-server/disconnect-active-ovsdb-server", "", 0, 0, o.unlessConfigured(o.disconnectActive)},
		{"ovsdb-server/set-active-ovsdb-server", "", 1, 1, o.unlessConfigured(o.setActive)},
		{"ovsdb-server/get-active-ovsdb-server", "", 0, 0, o.getActive},
		{"ovsdb-server/set-active-ovsdb-server-probe-interval", "", 1, 1, o.unlessConfigured(o.setBackupProbe)},
		{"ovsdb-server/set-relay-source-probe-interval", "", 1, 1, o.unlessConfigured(o.setRelayProbe)},
		{"ovsdb-server/set-sync-exclude-tables", "", 1, 1, o.unlessConfigured(o.setExclude)},
		{"ovsdb-server/get-sync-exclude-tables", "", 0, 0, o.getExclude},
		{"ovsdb-server/disable-monitor-cond", "", 0, 0, quiet(func() {
			o.server.DisableMonitorCond()
			o.server.Reconnect("user ran ovsdb-server/disable-monitor-cond")
		})},
		{"ovsdb-server/tlog-list", "", 0, 0, o.listTableLogs},
		{"ovsdb-server/tlog-set", "DB:TABLE on|off", 2, 2, o.setTableLog},
		{"coverage/show", "", 0, 0, o.coverage},
		{"coverage/read-counter", "COUNTER", 1, 1, o.counter},
		{"ovsdb-server/perf-counters-show", "", 0, 0, func([]string) (string, error) { return "performance counter is not supported on this platform\n", nil }},
		{"ovsdb-server/perf-counters-clear", "", 0, 0, quiet(func() {})},
		{"time/warp", "[LARGE_MSECS] MSECS", 1, 2, func([]string) (string, error) { return "warped\n", nil }},
	} {
		o.d.Register(c.name, c.usage, c.min, c.max, func(args []string) (string, error) {
			o.mu.Lock()
			defer o.mu.Unlock()
			return c.run(args)
		})
	}
}

func (o *ovsdbServer) addDatabase(args []string) (string, error) {
	if err := o.openArgument(args[0]); err != nil {
		return "", errors.New(databaseError(args[0], err))
	}
	return "", o.state.change(func(s *serverState) { s.Databases = append(s.Databases, args[0]) })
}

func (o *ovsdbServer) removeDatabase(args []string) (string, error) {
	if strings.HasPrefix(args[0], "_") {
		return "", controlError("Cannot remove reserved database.")
	}
	key := o.keyOf(args[0])
	if err := o.server.RemoveDatabase(args[0]); err != nil {
		return "", controlError("Failed to find the database.")
	}
	delete(o.models, key)
	return "", o.state.change(func(s *serverState) {
		s.Databases = slices.DeleteFunc(s.Databases, func(p string) bool {
			name, _, ok := parseRelay(p)
			return p == key || ok && name == key
		})
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

// setTableLog has the changes of a table logged, or no more.
func (o *ovsdbServer) setTableLog(args []string) (string, error) {
	database, table, ok := strings.Cut(args[0], ":")
	if !ok {
		return "", controlError("invalid DB:TABLE argument")
	}
	on := strings.EqualFold(args[1], "on")
	if !on && !strings.EqualFold(args[1], "off") {
		return "", controlError("invalid command argument")
	}
	return "", o.server.LogTable(database, table, on)
}

func (o *ovsdbServer) listTableLogs([]string) (string, error) {
	var b strings.Builder
	b.WriteString("database        table                       logging\n--------        -----                       -------\n")
	last := ""
	o.server.LoggedTables(func(database, table string, on bool) {
		if database != last {
			fmt.Fprintf(&b, "%-16s \n", database)
			last = database
		}
		state := "OFF"
		if on {
			state = "ON"
		}
		fmt.Fprintf(&b, "%-16s%-28s%s\n", "", table, state)
	})
	return b.String(), nil
}

// counters are the events that are counted, by their names.
func (o *ovsdbServer) counters() map[string]int {
	u := o.server.Usage()
	return map[string]int{"ovsdb_requests": u.Requests, "ovsdb_commits": u.Commits}
}

// coverage tells how often events have occurred.
func (o *ovsdbServer) coverage([]string) (string, error) {
	var b strings.Builder
	b.WriteString("Events since the start:\n")
	counters := o.counters()
	for _, name := range slices.Sorted(maps.Keys(counters)) {
		fmt.Fprintf(&b, "%-24s total: %d\n", name, counters[name])
	}
	return b.String(), nil
}

// counter reads one of them. Scripts ask for those of the C server, which never occur here.
func (o *ovsdbServer) counter(args []string) (string, error) {
	return fmt.Sprintf("%d\n", o.counters()[args[0]]), nil
}

// serverState is what the control commands can change of what is served. Under --monitor it
// is kept in a file that outlives a crash.
type serverState struct {
	Databases       []string
	Remotes         []string
	ReadOnlyRemotes []string
	SyncFrom        string // where backups have their contents from; empty: there are none
	SyncExclude     string // what they leave out, as DB:TABLE,...
	Backup          bool   // they are, rather than active

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
