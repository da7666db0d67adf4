package main

import (
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/vtepctl"
	"golang.org/x/sys/unix"
)

// runVtepCtl is vtep-ctl. Its messages go by the name it was called by, as those of the C
// program do.
func runVtepCtl(args []string) int {
	// A reader of the output that has seen enough is no error.
	signal.Ignore(syscall.SIGPIPE)
	program := filepath.Base(os.Args[0])
	if len(args) != len(os.Args)-1 {
		program = "vtep-ctl" // "vtep ctl"
	}
	log := daemon.NewLog(program)
	for _, module := range vtepctl.LogModules {
		log.Logger(module)
	}
	log.SetConsoleLevel(slog.LevelWarn)
	dirs := daemon.OVSDirs()
	return vtepctl.Run(vtepctl.Options{
		Program:     program,
		Argv:        os.Args,
		Args:        args,
		Version:     version,
		Stdout:      os.Stdout,
		Stderr:      os.Stderr,
		Log:         log,
		RunDir:      dirs.Run,
		LogDir:      dirs.Log,
		OtherRunDir: daemon.VTEPDirs().Run,
		Terminal:    isTerminal(os.Stderr),
	})
}

// isTerminal says whether a person reads f.
func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
