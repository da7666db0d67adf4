package vtepctl_test

import (
	"bytes"
	"io"
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
	return vtepctl.Run(options(os.Args[1:], os.Stdout, os.Stderr))
}

// options are those that cmd/vtep makes.
func options(args []string, stdout, stderr io.Writer) vtepctl.Options {
	log := daemon.NewLog(programName)
	for _, module := range vtepctl.LogModules {
		log.Logger(module)
	}
	log.SetConsoleLevel(slog.LevelWarn)
	dirs := daemon.OVSDirs()
	return vtepctl.Options{
		Program: programName,
		Argv:    append([]string{programName}, args...),
		Args:    args,
		Version: "test",
		Stdout:  stdout,
		Stderr:  stderr,
		Log:     log,
		RunDir:  dirs.Run,
		LogDir:  dirs.Log,
		Alarm:   daemon.DieOfAlarm,
	}
}

// inProcess runs the tool in this process.
func inProcess(t *testing.T, terminal bool, args ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	o := options(args, &stdout, &stderr)
	o.Terminal = terminal
	status := vtepctl.Run(o)
	return result{stdout.String(), stderr.String(), status}
}
