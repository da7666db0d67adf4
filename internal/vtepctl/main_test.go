package vtepctl_test

import (
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/vtepctl"
)

// The test binary is vtep-ctl when it is called so.
func TestMain(m *testing.M) {
	if os.Args[0] == programName {
		os.Exit(tool())
	}
	os.Exit(m.Run())
}

const programName = "vtep-ctl"

func tool() int {
	signal.Ignore(syscall.SIGPIPE)
	log := daemon.NewLog(programName)
	for _, module := range vtepctl.LogModules {
		log.Logger(module)
	}
	log.SetConsoleLevel(slog.LevelWarn)
	dirs := daemon.OVSDirs()
	return vtepctl.Run(vtepctl.Options{
		Program: programName,
		Argv:    os.Args,
		Args:    os.Args[1:],
		Version: "test",
		Stdout:  os.Stdout,
		Stderr:  os.Stderr,
		Log:     log,
		RunDir:  dirs.Run,
		LogDir:  dirs.Log,
	})
}
