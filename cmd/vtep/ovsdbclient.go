package main

import (
	"log/slog"
	"os"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdbclient"
)

// runOVSDBClient is ovsdb-client.
func runOVSDBClient(args []string) int {
	d := daemon.New("ovsdb-client", version, daemon.OVSDirs())
	d.SetConsoleLevel(slog.LevelWarn)
	return ovsdbclient.Run(ovsdbClientOptions(d, args))
}

func ovsdbClientProgram() *getopt.Program {
	return ovsdbclient.Describe(ovsdbClientOptions(daemon.New("ovsdb-client", version, daemon.OVSDirs()), nil))
}

func ovsdbClientOptions(d *daemon.Daemon, args []string) ovsdbclient.Options {
	return ovsdbclient.Options{
		Args:    args,
		Version: version,
		Stdin:   os.Stdin,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Daemon:  d,
		Alarm: func() {
			d.Logger("fatal_signal").Warn("terminating with signal 14 (Alarm clock)")
			daemon.DieOfAlarm()
		},
	}
}
