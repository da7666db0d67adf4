package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/vtep/vtep/internal/ovsdb/server"
)

// register adds the commands of the control socket. Their names and texts are those of the
// C server: scripts compare them.
func (o *ovsdbServer) register() {
	shared := serverCommands{log: o.log, server: func() (*server.Server, error) { return o.server, nil }}
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
		{"ovsdb-server/add-db", "DB", 1, 1, o.addDatabase},
		{"ovsdb-server/remove-db", "DB", 1, 1, o.removeDatabase},
		{"ovsdb-server/add-remote", "REMOTE", 1, 1, o.addRemote},
		{"ovsdb-server/remove-remote", "REMOTE", 1, 1, o.removeRemote},
		{"ovsdb-server/disable-monitor-cond", "", 0, 0, quiet(func() {
			o.server.DisableMonitorCond()
			o.server.Reconnect("user ran ovsdb-server/disable-monitor-cond")
		})},
		{"coverage/read-counter", "COUNTER", 1, 1, func([]string) (string, error) { return "0\n", nil }},
		{"time/warp", "[LARGE_MSECS] MSECS", 1, 2, func([]string) (string, error) { return "warped\n", nil }},
	} {
		o.d.Register(c.name, c.usage, c.min, c.max, c.run)
	}
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
