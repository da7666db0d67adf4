// Package daemon makes a program behave as the daemons of the Open vSwitch family do, so that
// the scripts and tests written for those work on ours: their option syntax, their log, their
// pidfile, --detach and --monitor, and the control socket that ovs-appctl(8) talks to.
//
// The life of a daemon, in order:
//
//	d := daemon.New("ovsdb-server", version, daemon.OVSDirs())
//	rest, err := getopt.Parse(args, append(own, d.Options()...))
//	status, over := d.Start()   // over: another process is the daemon, or there was an error
//	if over { return status }
//	defer d.Close()             // pidfile and socket go
//	... open listeners; on an error: return d.Fatal(err)
//	err = d.Ready()             // the foreground process of --detach ends with status 0
//	<-d.Context().Done()        // "exit" command, SIGTERM, SIGINT or SIGHUP
//
// A Go process can't fork. So --detach and --monitor run the program again, with the same
// arguments, and tell it its role by an environment variable (see stage); each starter waits
// on a pipe until its child is ready. What a program does before Start happens in each of
// these processes: parse options there, no more.
package daemon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"

	"github.com/vtep/vtep/internal/getopt"
)

// Daemon is one process and how it was asked to run.
type Daemon struct {
	// Constant after Start.
	Name    string // of the default pidfile, log and socket
	Version string // answer to the "version" command
	Dirs    Dirs   // may be changed before Start
	// KeepOutput and KeepErrors leave a detached process its standard output and its standard
	// error.
	KeepOutput, KeepErrors bool
	// Inherit are descriptors that the process was started with and that the daemon needs,
	// under the same numbers. They may be named before Start.
	Inherit []int
	// Reload is called at SIGHUP, which then does not end the daemon; nil: it does. It may be set
	// before Start, and called before Ready.
	Reload func()
	// Share, if not nil, gives the control socket its group and mode. Reader, if not nil, says which users
	// may only give commands that change nothing.
	Share  func(path string) error
	Reader func(uid uint32) bool
	// KeepsUser says why the program cannot run as another user; empty: it can.
	KeepsUser string

	log     *Log
	stage   stage
	notify  *os.File // told when ready; nil: nobody waits
	state   *os.File // see State
	options settings

	commands commands
	server   *server
	pidfile  *pidfile

	once  sync.Once // Ready has done its work
	ready error     // what came of that

	ctx     context.Context
	stop    context.CancelFunc
	cleanup atomic.Bool // "exit --cleanup"

	beforeEnd atomic.Pointer[func()] // see BeforeEnd
}

// settings is what the command line said.
type settings struct {
	pidfile, logFile           string // "": the default name, when wanted
	wantPidfile, wantLogFile   bool
	overwrite, detach, monitor bool
	noChdir                    bool
	user                       string
	unixctl                    string
}

// New returns the daemon of that name. Nothing happens before Start.
func New(name, version string, dirs Dirs) *Daemon {
	d := &Daemon{Name: name, Version: version, Dirs: dirs, log: NewLog(name)}
	d.ctx, d.stop = context.WithCancel(context.Background())
	d.registerBuiltins()
	return d
}

// Options returns the options that every daemon has. They act when they are parsed or in Start.
func (d *Daemon) Options() []getopt.Option {
	o := &d.options
	userHelp := "run as USER"
	if d.KeepsUser != "" {
		userHelp = "" // it is refused
	}
	return []getopt.Option{
		{Long: "detach", Help: "run in the background", Set: set(&o.detach)},
		{Long: "monitor", Help: "start again after a crash", Set: set(&o.monitor)},
		{Long: "no-chdir", Help: "with --detach: stay in this directory", Set: set(&o.noChdir)},
		{Long: "pidfile", Arg: getopt.OptionalArg, ArgName: "FILE", Help: "write the process id to FILE (default: NAME.pid)",
			Set: func(arg string) error { o.wantPidfile, o.pidfile = true, arg; return nil }},
		{Long: "overwrite-pidfile", Help: "with --pidfile: start even if already running", Set: set(&o.overwrite)},
		{Long: "unixctl", Arg: getopt.RequiredArg, ArgName: "SOCKET", Help: "name of the control socket (default: NAME.PID.ctl)",
			Set: func(arg string) error { o.unixctl = arg; return nil }},
		d.verboseOption(),
		{Long: "log-file", Arg: getopt.OptionalArg, ArgName: "FILE", Help: "log to FILE (default: NAME.log)",
			Set: func(arg string) error { o.wantLogFile, o.logFile = true, arg; return nil }},
		{Long: "log-format", Arg: getopt.RequiredArg, ArgName: "text|json", Help: "form of the lines of the console and of the log file (default text)", Extra: true,
			Set: d.log.SetFormat},
		{Long: "syslog-method", Arg: getopt.RequiredArg, ArgName: "METHOD", Help: "log to syslog by METHOD: libc, unix:FILE, udp:IP:PORT or null", Set: d.log.SetSyslogMethod},
		{Long: "syslog-target", Arg: getopt.RequiredArg, ArgName: "HOST:PORT", Help: "log to the syslog daemon at HOST:PORT too, by UDP", Set: d.log.SetSyslogTarget},
		{Long: "user", Arg: getopt.RequiredArg, ArgName: "USER[:GROUP]", Help: userHelp,
			Set: func(arg string) error {
				if d.KeepsUser != "" {
					return errors.New(d.KeepsUser)
				}
				o.user = arg
				return nil
			}},
		{Long: "no-self-confinement", Set: func(string) error { return nil }}, // there is none
	}
}

func (d *Daemon) verboseOption() getopt.Option {
	return getopt.Option{Long: "verbose", Short: 'v', Arg: getopt.OptionalArg, ArgName: "SPEC", Repeatable: true,
		Help: "set levels: [MODULE:][console|file:][off|emer|err|warn|info|dbg]",
		Set: func(arg string) error {
			if err := d.log.Set(arg); err != nil {
				return fmt.Errorf("processing %q: %w", arg, err)
			}
			return nil
		}}
}

func set(p *bool) func(string) error {
	return func(string) error { *p = true; return nil }
}

// SetConsoleLevel keeps messages below level from the console, as long as the command line does
// not want them there.
func (d *Daemon) SetConsoleLevel(level slog.Level) { d.log.SetConsoleLevel(level) }

// Logger returns a logger whose messages come from the given module.
func (d *Daemon) Logger(module string) *slog.Logger { return d.log.Logger(module) }

// Context ends when the process is to end: after "exit" or a signal.
func (d *Daemon) Context() context.Context { return d.ctx }

// Cleanup says whether the process was told "exit --cleanup": take down what it built.
func (d *Daemon) Cleanup() bool {
	return d.cleanup.Load()
}

// Start gives the process its role, and the daemon its log file, pidfile and control socket.
// When over is true the caller returns status at once: this was a starter or a monitor whose
// daemon has ended, or an error that has been told.
func (d *Daemon) Start() (status int, over bool) {
	signal.Ignore(syscall.SIGPIPE) // the reader of the log may go before the daemon
	err := d.Dirs.anchor()
	if err != nil {
		return d.Fatal(err), true
	}
	if d.stage, d.notify, d.state, err = takeStage(); err != nil {
		return d.Fatal(err), true
	}
	o := &d.options
	if o.detach && d.stage == stageFirst {
		return d.runStarter(), true
	}
	setName(d.Name)
	if o.detach {
		d.log.quiet()
	}
	if o.user != "" {
		if err := become(o.user); err != nil {
			return d.Fatal(err), true
		}
	}
	if o.wantLogFile {
		if err := d.openLog(); err != nil {
			return d.Fatal(err), true
		}
	}
	if o.monitor && d.stage != stageDaemon {
		return d.runMonitor(), true
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP) // before there is a file to leave
	go d.watchSignals(signals)
	if err := d.open(); err != nil {
		return d.Fatal(err), true
	}
	return 0, false
}

// open makes the pidfile and the control socket.
func (d *Daemon) open() error {
	o := &d.options
	if o.wantPidfile {
		name := o.pidfile
		if name == "" {
			name = d.Name + ".pid"
		}
		p, err := createPidfile(In(d.Dirs.Run, name), o.overwrite)
		if err != nil {
			return err
		}
		d.pidfile = p
	}
	if o.unixctl == "none" {
		return nil
	}
	d.removeStale()
	s, err := listen(d.socketPath(os.Getpid()), &d.commands, d.Logger("unixctl"), d.Share, d.Reader)
	if err != nil {
		return err
	}
	d.server = s
	return nil
}

// socketPath is where the daemon with this process id has its control socket.
func (d *Daemon) socketPath(pid int) string {
	name := d.options.unixctl
	if name == "" {
		name = fmt.Sprintf("%s.%d.ctl", d.Name, pid)
	}
	return In(d.Dirs.Run, name)
}

// ReopenLog opens the log file by its name again, if there is one, as after a rotation.
func (d *Daemon) ReopenLog() error {
	if !d.options.wantLogFile {
		return nil
	}
	return d.log.Reopen()
}

// SetLevels has the log follow these specifications, as of -v, and no former ones.
func (d *Daemon) SetLevels(specs []string) error {
	d.log.setLevel("", destinations, slog.LevelInfo)
	for _, spec := range specs {
		if err := d.log.Set(spec); err != nil {
			return fmt.Errorf("--verbose=%s: %w", spec, err)
		}
	}
	return nil
}

// SetLogFormat changes the form of the log, as --log-format does.
func (d *Daemon) SetLogFormat(name string) error { return d.log.SetFormat(name) }

// Socket is the path of the control socket; empty: there is none.
func (d *Daemon) Socket() string {
	if d.server == nil {
		return ""
	}
	return d.server.path
}

// openLog opens the log file, in a directory that it makes. A daemon that was told to log to a
// file does not start without: what it does in the background nobody would ever hear of.
func (d *Daemon) openLog() error {
	path, err := d.logPath()
	if err == nil {
		err = Make(filepath.Dir(path))
	}
	if err == nil {
		err = d.log.Open(path)
	}
	if err != nil {
		return fmt.Errorf("--log-file: %w: name a file that can be written, or run as root", err)
	}
	return nil
}

func (d *Daemon) logPath() (string, error) {
	if d.options.logFile == "" {
		return filepath.Join(d.Dirs.Log, d.Name+".log"), nil
	}
	return filepath.Abs(d.options.logFile) // it must survive chdir
}

// Ready has a detached daemon leave the starter's directory and standard descriptors, and tells
// the waiting starter, if there is one, that the daemon serves. Relative file names mean
// something else from here on, unless --no-chdir was given. It may be called by any goroutine, and
// does nothing more than once.
func (d *Daemon) Ready() error {
	d.once.Do(func() { d.ready = d.tellReady() })
	return d.ready
}

func (d *Daemon) tellReady() error {
	if d.options.detach {
		if !d.options.noChdir {
			if err := os.Chdir("/"); err != nil {
				return fmt.Errorf("detach: %w", err)
			}
		}
		// Before the starting process ends: what it was started by may close its end.
		if err := redirect(d.KeepOutput, d.KeepErrors); err != nil {
			return err
		}
	}
	if d.notify != nil {
		_, err := d.notify.Write([]byte{0})
		if err = errors.Join(err, d.notify.Close()); err != nil {
			return fmt.Errorf("tell the starting process: %w", err)
		}
	}
	d.say(systemd.SdNotifyReady)
	return nil
}

// Detached says whether the command line asks for a process in the background.
func (d *Daemon) Detached() bool { return d.options.detach }

// NoSocket makes Start open no control socket.
func (d *Daemon) NoSocket() { d.options.unixctl = "none" }

// Fatal tells err to whoever started the process and to the log file, takes the pidfile and
// the socket away and returns the exit status.
func (d *Daemon) Fatal(err error) int {
	fmt.Fprintf(os.Stderr, "%s: %v\n", d.Name, err)
	d.log.fileOnly(LevelEmer, err.Error())
	d.Close()
	return 1
}

// Close takes the pidfile and the control socket away. The log stays.
func (d *Daemon) Close() {
	d.stop()
	d.log.limiter.reportAll()
	if d.server != nil {
		d.server.close()
		d.server = nil
	}
	if d.pidfile != nil {
		d.pidfile.remove()
		d.pidfile = nil
	}
}

// BeforeEnd has f called before whoever tells the process to end has an answer. It may be called several times, at once, and
// after what it is about is over.
func (d *Daemon) BeforeEnd(f func()) { d.beforeEnd.Store(&f) }

func (d *Daemon) aboutToEnd() {
	if f := d.beforeEnd.Load(); f != nil {
		(*f)()
	}
}

// State returns a file that outlives a crash of the daemon: under --monitor every daemon that
// the monitor starts gets the same one. It has no name. Without a monitor it returns nil.
func (d *Daemon) State() *os.File { return d.state }

// watchSignals ends the daemon in good order at a first signal; at a second one at once.
func (d *Daemon) watchSignals(signals chan os.Signal) {
	for running := true; running; {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP && d.Reload != nil {
				d.reload()
				continue
			}
			d.Logger("daemon").Info("terminating", "signal", s)
		case <-d.ctx.Done():
		}
		running = false
	}
	d.aboutToEnd()
	d.say(systemd.SdNotifyStopping)
	signal.Stop(signals) // from here on a signal has its default effect
	d.stop()
}

// setName gives the process the daemon's name in ps and /proc, where the binary's would be.
func setName(name string) {
	// A name that can't be set costs nothing but the name.
	_ = os.WriteFile("/proc/self/comm", []byte(name), 0)
}

// fileOnly logs a message that has been told on the console already.
func (l *Log) fileOnly(level slog.Level, message string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	m := l.modules["daemon"]
	if l.file == nil || level < m.level(file) {
		return
	}
	e := entry{time: time.Now(), seq: l.seq.Add(1), module: m.name, level: levelName(level), severity: severity(level), message: oneLine(message)}
	l.buf = l.line(l.buf[:0], file, &e)
	l.file.Write(l.buf)
}
