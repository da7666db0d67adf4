package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/server"
	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// ovsdbServer is the ovsdb-server personality: its command line and its control commands
// around a server.Server.
type ovsdbServer struct {
	d      *daemon.Daemon
	log    *slog.Logger
	server *server.Server
	state  *serverState

	// The command line.
	remotes         []string
	run             string
	durability      server.Durability
	noHistory       bool
	readOnly        bool
	readOnlyRemotes []string
	protect         bool
	noDBs           bool
	configFile      string
	files           stream.TLSFiles
	syncFrom        string
	syncExclude     string
	active          bool // with syncFrom: it may become a backup, and is none yet

	mu          sync.Mutex // one control command that changes what is served at a time; guards what follows
	models      map[string]*dbModel
	backupProbe time.Duration // of sources that are named from now on
	relayProbe  time.Duration // likewise
}

func newOVSDBServer() *ovsdbServer {
	o := &ovsdbServer{d: daemon.New("ovsdb-server", versionOf("ovsdb-server"), daemon.OVSDirs()),
		models: map[string]*dbModel{}, backupProbe: backupProbe, relayProbe: relayProbe}
	o.log = o.d.Logger("ovsdb_server")
	return o
}

func runOVSDBServer(args []string) int {
	o := newOVSDBServer()
	own := o.options()
	paths, err := getopt.Parse(args, append(own, o.d.Options()...))
	switch {
	case errors.Is(err, getopt.ErrHelp):
		o.program().Help(os.Stdout)
		return 0
	case errors.Is(err, getopt.ErrVersion):
		fmt.Println(o.d.Version)
		return 0
	case err == nil:
		err = o.check(paths)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "ovsdb-server: %v\n", err)
		return 1
	}
	if status, over := o.d.Start(); over {
		return status
	}
	defer o.d.Close()
	if len(paths) == 0 && !o.noDBs && o.configFile == "" {
		paths = []string{filepath.Join(o.d.Dirs.DB, "conf.db")}
	}
	if err := o.open(paths); err != nil {
		return o.d.Fatal(err)
	}
	defer func() {
		if err := o.server.Close(); err != nil {
			o.log.Warn("shutdown failed", "err", err)
		}
	}()
	return o.serve()
}

func (o *ovsdbServer) options() []getopt.Option {
	return slices.Concat([]getopt.Option{
		getopt.Strings("remote", "REMOTE", "listen on or connect to REMOTE, or what db:DB,TABLE,COLUMN lists", &o.remotes),
		getopt.String("run", "COMMAND", "run COMMAND, then exit with its status", &o.run),
		getopt.String("config-file", "FILE", "serve the remotes and databases that FILE lists, in JSON", &o.configFile),
		getopt.Flag("no-dbs", "serve no database until add-db; otherwise the default is conf.db", &o.noDBs),
		getopt.String("sync-from", "SERVER", "be the backup of SERVER: have what it has, and let nobody else change that", &o.syncFrom),
		getopt.String("sync-exclude-tables", "DB:TABLE,...", "leave these tables out of that", &o.syncExclude),
		getopt.Flag("active", "with --sync-from, be active until connect-active-ovsdb-server", &o.active),
		durabilityOption(&o.durability),
		getopt.Flag("no-history", "give reconnecting clients everything again, as the C server does", &o.noHistory),
		getopt.Flag("read-only", "refuse all changes", &o.readOnly),
		readOnlyRemoteOption(&o.readOnlyRemotes),
		getopt.Flag("protect", "peers on the network write only what is a controller's in the database of a VTEP", &o.protect),
	}, tlsOptions(&o.files), []getopt.Option{
		getopt.String("ssl-protocols", "LIST", "TLS versions, as in TLSv1.2,TLSv1.3 or TLSv1.3+; default TLSv1.2+", &o.files.Protocols),
		getopt.String("ssl-ciphers", "LIST", "cipher suites of TLS 1.2, as OpenSSL writes them; default the safe ones", &o.files.Ciphers),
		getopt.String("ssl-ciphersuites", "LIST", "cipher suites of TLS 1.3 that a connection may come out with; default all", &o.files.Suites),
		getopt.String("ssl-server-name", "NAME", "tell servers this name of theirs, not that of the target", &o.files.ServerName),
	}, refusedOptions(), commonOptions())
}

// refusedOptions are options of the C server that ask for what there is not here.
func refusedOptions() []getopt.Option {
	refuse := func(name string, arg getopt.ArgMode, why string) getopt.Option {
		return getopt.Option{Long: name, Arg: arg, Set: func(string) error { return errors.New(why) }}
	}
	return []getopt.Option{
		refuse("record", getopt.OptionalArg, "there are no replay files here"),
		refuse("replay", getopt.OptionalArg, "there are no replay files here"),
		refuse("disable-file-column-diff", getopt.NoArg, "records of changes hold differences; servers from Open vSwitch 2.15 on read them"),
	}
}

// check refuses what can't work before anything is opened.
func (o *ovsdbServer) check(paths []string) error {
	if err := o.checkSources(paths); err != nil {
		return err
	}
	dir, err := os.Getwd()
	if err != nil {
		return fmt.Errorf("find the directory: %w", err)
	}
	anchor(dir, &o.configFile)
	anchorTLS(dir, &o.files)
	if o.configFile != "" {
		if o.syncFrom != "" || o.syncExclude != "" || o.active {
			return errors.New("--config-file is mutually exclusive with --sync-from, --sync-exclude-tables and --active")
		}
		if len(paths)+len(o.remotes)+len(o.readOnlyRemotes) > 0 {
			return errors.New("--config-file goes with no databases and remotes on the command line")
		}
	}
	if err := checkRemotes(o.d, slices.Concat(o.remotes, o.readOnlyRemotes)); err != nil {
		return err
	}
	return o.files.Check()
}

// checkSources refuses what can't be the source of a relay or a backup.
func (o *ovsdbServer) checkSources(paths []string) error {
	if err := parseExcluded(o.syncExclude); err != nil {
		return err
	}
	if o.syncFrom != "" {
		if _, _, err := idl.ParseTargets(o.syncFrom, nil); err != nil {
			return fmt.Errorf("--sync-from: %w", err)
		}
	}
	for _, path := range paths {
		if _, remotes, ok := parseRelay(path); ok {
			if _, _, err := idl.ParseTargets(remotes, nil); err != nil {
				return fmt.Errorf("%s: %w", path, err)
			}
		}
	}
	return nil
}

func (o *ovsdbServer) program() *getopt.Program {
	return &getopt.Program{Name: "ovsdb-server", Brief: "serve OVSDB databases", Usage: []string{"[OPTION]... [DATABASE]..."},
		Notes: []string{"where each DATABASE is a file in OVSDB format, or relay:DB:SERVER[,SERVER]...",
			"The default DATABASE, if none is given, is", filepath.Join(o.d.Dirs.DB, "conf.db") + "."},
		Options: o.options(), Daemon: o.d.Options()}
}

// open makes the server with its databases and remotes.
func (o *ovsdbServer) open(paths []string) error {
	opts := server.Options{Logger: o.d.Logger("ovsdb_jsonrpc_server"), RunDir: o.d.Dirs.Run, ReadOnly: o.readOnly, Durability: o.durability}
	if o.protect {
		opts.Roles = protection("run ovsdb-server without --protect")
		opts.NetworkOnly = true // who writes a Manager row must not make files with it
	}
	if o.noHistory {
		opts.History = -1
	}
	var err error
	if o.server, err = server.New(opts); err != nil {
		return err
	}
	// After a crash under --monitor the state is that of the process that crashed.
	o.state = newServerState(o.d.State(), paths, o.remotes, o.readOnlyRemotes)
	o.state.SyncFrom, o.state.SyncExclude, o.state.Backup = o.syncFrom, o.syncExclude, o.syncFrom != "" && !o.active
	if err := o.openAll(); err != nil {
		o.server.Close()
		return err
	}
	return nil
}

func (o *ovsdbServer) openAll() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if err := o.state.load(); err != nil {
		return err
	}
	// Of a configuration file the databases come with the rest.
	for _, path := range o.state.Databases {
		if err := o.openArgument(path); err != nil {
			return errors.New(databaseError(path, err))
		}
	}
	if err := o.loadTLS(); err != nil {
		return err
	}
	if o.configFile != "" {
		return o.configure()
	}
	// A listener that cannot be opened now is logged and tried again.
	for _, name := range o.state.Remotes {
		if err := o.server.AddRemote(name); err != nil && strings.HasPrefix(name, "db:") {
			return err
		}
	}
	for _, name := range o.state.ReadOnlyRemotes {
		err := o.server.AddReadOnlyRemote(name)
		if err != nil && (strings.HasPrefix(name, "db:") || errors.Is(err, server.ErrRemoteExists)) {
			return err
		}
	}
	return o.state.save()
}

// serve runs until the daemon is told to end, or the command of --run has ended.
func (o *ovsdbServer) serve() int {
	o.register()
	o.awaitRelays()
	if o.run != "" {
		return o.runCommand()
	}
	if err := o.d.Ready(); err != nil {
		return o.d.Fatal(err)
	}
	o.log.Info(o.d.Version)
	<-o.d.Context().Done()
	return 0
}

func (o *ovsdbServer) runCommand() int {
	if err := o.d.Ready(); err != nil {
		return o.d.Fatal(err)
	}
	cmd := exec.CommandContext(o.d.Context(), "/bin/sh", "-c", o.run)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return o.d.Fatal(fmt.Errorf("%s: child exited, %s", o.run, exit))
	}
	if err != nil {
		return o.d.Fatal(fmt.Errorf("%s: %w", o.run, err))
	}
	return 0
}

// databaseError words why a database cannot be opened as the C server does.
func databaseError(path string, err error) string {
	var e *os.PathError
	var locked *storage.LockedError
	switch {
	case errors.As(err, &locked) && locked.Own: // under another name
		return fmt.Sprintf("ovsdb error: %s: already open", path)
	case errors.Is(err, os.ErrNotExist), errors.As(err, &e) && e.Op == "open":
		return fmt.Sprintf("I/O error: %s: open failed (%s)", path, stream.Reason(err))
	case errors.Is(err, storage.ErrLocked):
		return fmt.Sprintf("I/O error: %s: failed to lock lockfile (%s)", path, "Resource temporarily unavailable")
	case errors.Is(err, storage.ErrUnidentified):
		return fmt.Sprintf("ovsdb error: %s: cannot identify file type", path)
	case errors.Is(err, storage.ErrNotOVSDB):
		return fmt.Sprintf("ovsdb error: %s: unexpected file format", path)
	}
	return "ovsdb error: " + err.Error()
}
