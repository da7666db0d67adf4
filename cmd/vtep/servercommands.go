package main

import (
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/ovsdb/server"
)

// serverCommands are the control commands about a database server that hold for every program
// that has one: those that ask, and those that change nothing of what it serves. Their names
// and texts are those of the C server: scripts compare them.
type serverCommands struct {
	log *slog.Logger
	// server gives the server that they are about, or why there is none.
	server func() (*server.Server, error)
	// syncStatus tells how replication does; nil: there is none.
	syncStatus func() string
}

func (c *serverCommands) register(d *daemon.Daemon) {
	for _, cmd := range []struct {
		name, usage string
		min, max    int
		run         func(s *server.Server, args []string) (string, error)
	}{
		{"ovsdb-server/list-dbs", "", 0, 0, func(s *server.Server, _ []string) (string, error) { return lines(s.Databases()), nil }},
		{"ovsdb-server/list-remotes", "", 0, 0, func(s *server.Server, _ []string) (string, error) { return lines(s.Remotes()), nil }},
		{"ovsdb-server/compact", "", 0, 1, c.compact},
		{"ovsdb-server/reconnect", "", 0, 0, func(s *server.Server, _ []string) (string, error) {
			s.Reconnect("user ran ovsdb-server/reconnect")
			return "", nil
		}},
		{"ovsdb-server/get-db-storage-status", "DB", 1, 1, storageStatus},
		{"ovsdb-server/sync-status", "", 0, 0, func(*server.Server, []string) (string, error) {
			if c.syncStatus == nil {
				return "state: active\n", nil
			}
			return c.syncStatus(), nil
		}},
		{"ovsdb-server/memory-trim-on-compaction", "on|off", 1, 1, trimOnCompaction},
		{"memory/show", "", 0, 0, memoryUsage},
	} {
		d.Register(cmd.name, cmd.usage, cmd.min, cmd.max, func(args []string) (string, error) {
			s, err := c.server()
			if err != nil {
				return "", err
			}
			return cmd.run(s, args)
		})
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

func (c *serverCommands) compact(s *server.Server, args []string) (string, error) {
	if len(args) > 0 && strings.HasPrefix(args[0], "_") {
		return "", errors.New("cannot compact built-in databases")
	}
	found := false
	var failures []string
	for _, name := range s.Databases() {
		if strings.HasPrefix(name, "_") || len(args) > 0 && args[0] != name {
			continue
		}
		found = true
		c.log.Info("compacting " + name + " database by user request")
		if err := s.Compact(name); err != nil {
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

func storageStatus(s *server.Server, args []string) (string, error) {
	if !slices.Contains(s.Databases(), args[0]) {
		return "", controlError("Failed to find the database.")
	}
	if err := s.StorageError(args[0]); err != nil {
		return "status: " + err.Error() + "\n", nil
	}
	return "status: ok\n", nil
}

func trimOnCompaction(s *server.Server, args []string) (string, error) {
	if args[0] != "on" && args[0] != "off" {
		return "", errors.New("invalid argument")
	}
	s.TrimOnCompaction(args[0] == "on")
	return "", nil
}

func memoryUsage(s *server.Server, _ []string) (string, error) {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u := s.Usage()
	return fmt.Sprintf("atoms:%d backlog:%d cells:%d heap-kB:%d monitors:%d rows:%d sessions:%d triggers:%d"+
		" txn-history:%d txn-history-atoms:%d\n",
		u.Atoms, u.Backlog, u.Atoms, m.HeapAlloc>>10, u.Monitors, u.Rows, u.Sessions, u.Triggers,
		u.History, u.HistoryAtoms), nil
}
