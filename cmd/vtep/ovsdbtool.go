package main

import (
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdbtool"
)

// runOVSDBTool is ovsdb-tool.
func runOVSDBTool(args []string) int {
	signal.Ignore(syscall.SIGPIPE) // a reader of the output that has seen enough is no error
	return ovsdbtool.Run(ovsdbToolOptions(args))
}

func ovsdbToolProgram() *getopt.Program { return ovsdbtool.Describe(ovsdbToolOptions(nil)) }

func ovsdbToolOptions(args []string) ovsdbtool.Options {
	log := daemon.NewLog("ovsdb-tool")
	log.SetConsoleLevel(slog.LevelWarn)
	return ovsdbtool.Options{
		Program: "ovsdb-tool",
		Args:    args,
		Version: version,
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Log:     log,
		DB:      filepath.Join(daemon.OVSDirs().DB, "conf.db"),
		Schema:  filepath.Join(daemon.PackageData(), "vswitch.ovsschema"),
	}
}
