package vtepctl

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/vtepctl/command"
	"github.com/vtep/vtep/internal/vtepctl/complete"
	"github.com/vtep/vtep/internal/vtepctl/help"
	"github.com/vtep/vtep/internal/vtepctl/session"
)

// Log is what the tool wants of the log of the process.
type Log interface {
	Logger(module string) *slog.Logger
	Set(spec string) error  // change levels: -v
	Open(path string) error // log to a file too: --log-file
	SetSyslogMethod(method string) error
	SetSyslogTarget(target string) error
}

// Options are a run's surroundings.
type Options struct {
	Program string   // the name that messages begin with
	Argv    []string // the whole command line: for the log, and the comment of the transaction
	Args    []string // what follows the program's name
	Version string

	Stdout, Stderr io.Writer
	Log            Log
	RunDir, LogDir string // where the server's socket and log files are by default
	// OtherRunDir is where the socket is looked for if it is not in RunDir; empty: nowhere.
	OtherRunDir string
	// Ports asks the VTEPs that run on this machine, by their control sockets in one of dirs,
	// behind which of their ports the MACs of a logical switch are; nil: nobody can be asked.
	Ports func(dirs []string, ls string) (string, error)

	Alarm func() // ends the process when --timeout is over

	// Terminal says that a person reads Stderr: what was typed may be doubted, and more explained.
	Terminal bool
}

// tool is one run.
type tool struct {
	Options
	globals
	seen    command.Tool // what its commands see of it
	out     *bufio.Writer
	printer *output.Printer // to out
	alarm   *time.Timer     // ends the process; nil: none
}

// Run runs a command line and returns the status to exit with.
func Run(o Options) int {
	t := &tool{Options: o, out: bufio.NewWriter(o.Stdout)}
	t.printer = output.NewPrinter(t.out)
	t.globals = globals{log: o.Log, style: output.Style{Headings: true}}
	err := t.run()
	if t.alarm != nil {
		t.alarm.Stop()
	}
	// Nobody to tell when the reader of the output has gone, and that is its choice.
	_ = t.out.Flush()
	var status command.ExitStatus
	var syntax *getopt.SyntaxError
	switch {
	case err == nil:
		return command.StatusOK
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &syntax):
		fmt.Fprintf(o.Stderr, "%s: %v\n", t.calledAs(), err)
		return command.StatusFailed
	}
	t.fatal(err)
	return command.StatusFailed
}

// calledAs is the name that getopt reports errors under: the one typed.
func (t *tool) calledAs() string {
	if len(t.Argv) == len(t.Args)+1 {
		return t.Argv[0]
	}
	return t.Program
}

// fatal reports what ended the run.
func (t *tool) fatal(err error) {
	_ = t.Log.Set("db_ctl_base:console:off")
	t.Log.Logger("db_ctl_base").Error(err.Error())
	fmt.Fprintf(t.Stderr, "%s: %v\n", t.Program, err)
	if hint := t.hint(err); hint != "" {
		fmt.Fprintf(t.Stderr, "%s: %s\n", t.Program, hint)
	}
}

func (t *tool) run() error {
	t.seen = command.Tool{
		Program: t.Program, Logger: t.Log.Logger, Terminal: t.Terminal, Out: t.out, Groups: Groups(), Globals: t.globals.options(),
		Connect: t.connect, Ports: t.ports,
	}
	local := map[string]command.Local{}
	locals := command.LocalOptions(t.seen.Groups, local)
	if len(t.Args) > 1 && t.Args[0] == "__complete" {
		// A server that does not answer must not keep a person waiting.
		t.timeout = time.Second // for who did not say how long
		t.environmentTimeout()
		t.alarm = time.AfterFunc(t.timeout, func() { os.Exit(command.StatusFailed) })
		t.chooseDB()
		complete.Answer(&t.seen, locals, t.Args[1], t.Args[2:])
		return nil
	}
	words, err := getopt.ParseLeading(t.Args, append(t.seen.Globals, locals...))
	var refused *getopt.RefusedError
	switch {
	case errors.Is(err, getopt.ErrHelp):
		help.Print(&t.seen, t.Args)
		return nil
	case errors.Is(err, getopt.ErrVersion):
		fmt.Fprintf(t.out, "vtep-ctl (vtep) %s\nDB Schema %s\n", t.Version, hwvtep.Schema().Version)
		return nil
	case errors.As(err, &refused):
		return refused.Err
	case err != nil:
		return err
	}
	t.seen.Style, t.seen.Strict = t.style, t.strict
	if err := t.openLog(); err != nil {
		return err
	}
	t.chooseDB()
	calls, err := command.Parse(&t.seen, words, local)
	if err != nil {
		return err
	}
	t.logCall(calls)
	t.startAlarm()
	if c := calls[0]; c.Alone != nil {
		return c.Alone(c)
	}
	return t.transact(calls)
}

// chooseDB chooses the server if none was named: an empty name, as of a variable that a
// script forgot to set, is an error and no wish for the default. Only where the C tool would fail, because
// its socket is not there, it is the one of "vtep run".
func (t *tool) chooseDB() {
	if t.dbGiven {
		return
	}
	t.db = "unix:" + t.RunDir + "/db.sock"
	if t.OtherRunDir == "" {
		return
	}
	if _, err := os.Lstat(t.RunDir + "/db.sock"); !errors.Is(err, fs.ErrNotExist) {
		return
	}
	if other := t.OtherRunDir + "/db.sock"; isSocket(other) {
		t.db = "unix:" + other
	}
}

func isSocket(path string) bool {
	fi, err := os.Stat(path)
	return err == nil && fi.Mode()&fs.ModeSocket != 0
}

// connect connects to the server of the run.
func (t *tool) connect() (*session.Session, error) {
	return session.Server{Targets: t.db, AnyMember: t.anyMember, RunDir: t.RunDir, TLS: t.tls}.Connect()
}

// Ports asks the VTEPs whose sockets are where the database's is, or in the usual places.
func (t *tool) ports(ls string) (string, error) {
	if t.Ports == nil {
		return "", errors.New("--ports: there is no VTEP to ask")
	}
	dirs := []string{t.RunDir, t.OtherRunDir}
	if path, ok := strings.CutPrefix(t.db, "unix:"); ok {
		dirs = []string{filepath.Dir(path)}
	}
	return t.Ports(dirs, ls)
}

// openLog starts logging to a file, if it was asked for.
func (t *tool) openLog() error {
	if t.logFile == nil {
		return nil
	}
	path := *t.logFile
	if path == "" {
		path = t.LogDir + "/" + t.Program + ".log"
	}
	if err := t.Log.Open(path); err != nil {
		t.Log.Logger("vlog").Warn(fmt.Sprintf("failed to open %s for logging: %s", path, session.Reason(err)))
		return command.ExitStatus(command.StatusFailed)
	}
	return nil
}

func (t *tool) logCall(calls []*command.Call) {
	level := slog.LevelDebug
	for _, c := range calls {
		if c.Writes {
			level = slog.LevelInfo
		}
	}
	t.Log.Logger("vtep_ctl").Log(context.Background(), level, "Called as "+quoteArgs(t.Argv))
}

// startAlarm has the process end by SIGALRM after the timeout.
func (t *tool) startAlarm() {
	if t.timeout == 0 {
		t.environmentTimeout()
	}
	if t.timeout > 0 {
		t.alarm = time.AfterFunc(t.timeout, func() {
			t.Log.Logger("fatal_signal").Warn("terminating with signal 14 (Alarm clock)")
			t.Alarm()
		})
	}
}

func (t *tool) environmentTimeout() {
	if s := os.Getenv("OVS_CTL_TIMEOUT"); s != "" {
		_ = t.setTimeout(s) // a bad value is none
	}
}

// LogModules are the modules that messages of the tool come from, and those that only the C
// tool has messages of, which scripts may want to silence all the same.
var LogModules = []string{"vtep_ctl", "db_ctl_base", "ovsdb_idl", "fatal_signal", "vlog",
	"command_line", "coverage", "dns_resolve", "entropy", "hmap", "netdev", "netdev_linux", "netlink", "netlink_socket",
	"ovs_rcu", "ovs_replay", "ovs_thread"}
