package vtepctl_test

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"slices"
	"strings"
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
	// What the tool must not find when it runs in this process: an alarm would end the tests.
	os.Unsetenv("OVS_CTL_TIMEOUT")
	os.Setenv("OVS_SYSLOG_METHOD", "null")
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
	log.SetConsole(stderr)
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

// tool runs our tool: in this process, which is many times cheaper than to start one, unless the
// command line is about the process.
func (d *database) tool(t *testing.T, args ...string) result {
	t.Helper()
	if slices.ContainsFunc(args, ofProcess) {
		return run(t, d.ours(t, args...))
	}
	var stdout, stderr bytes.Buffer
	o := options(args, &stdout, &stderr)
	o.RunDir, o.LogDir = d.env.RunDir, d.env.LogDir
	status := vtepctl.Run(o)
	return result{stdout.String(), stderr.String(), status}
}

// ofProcess says whether an argument may be something whose effect is on the whole process:
// --timeout, of which it dies, and what a timeout is to end; or --log-file, which takes its crashes.
func ofProcess(arg string) bool {
	return arg == "wait-until" || arg == "__complete" || strings.HasPrefix(arg, "--t") || strings.HasPrefix(arg, "--l") || strings.HasPrefix(arg, "-t") || strings.HasPrefix(arg, "-z")
}
