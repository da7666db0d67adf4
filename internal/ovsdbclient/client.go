package ovsdbclient

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Options are what a run of the program depends on.
type Options struct {
	Args    []string // without the program's name
	Version string
	Stdin   *os.File
	Stdout  *os.File
	Stderr  io.Writer
	Daemon  *daemon.Daemon // not started
	Alarm   func()         // ends the process when --timeout is over
}

// client is one run.
type client struct {
	Options
	out     *bufio.Writer
	printer *output.Printer
	log     *slog.Logger

	// The command line.
	style       output.Style
	stamps      bool
	force       bool
	anyMember   bool  // of a cluster, not only its leader
	changeAware *bool // ask to be told of changes of databases; nil: where the server can
	timeout     time.Duration
	files       stream.TLSFiles
	tls         *stream.TLS
	detach      bool
	refused     error // why an option was, in words that need not name it

	// The connection.
	rpc      *jsonrpc.Client
	server   string // its name, in messages
	database string
	notify   atomic.Pointer[func(jsonrpc.Message)]
	hold     gate // closed: messages are not looked at
}

// Run runs the program and returns its exit status: 0, or 1 after an error, which is on Stderr.
func Run(o Options) int {
	c := &client{Options: o, out: bufio.NewWriter(o.Stdout), log: o.Daemon.Logger("ovsdb_client")}
	c.printer = output.NewPrinter(c.out)
	c.style = output.Style{Format: output.Columns, Headings: true}
	status, err := c.run()
	if c.rpc != nil {
		c.rpc.Close()
	}
	if flushed := c.out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("write to stdout failed: %w", flushed)
	}
	o.Daemon.Close()
	if err != nil {
		// Told, but not logged: the log of a client is what a script looks for errors in.
		fmt.Fprintf(o.Stderr, "%s: %v\n", o.Daemon.Name, err)
		return 1
	}
	return status
}

func (c *client) run() (int, error) {
	words, err := getopt.Parse(c.Args, append(c.options(), c.Daemon.Options()...))
	switch {
	case errors.Is(err, getopt.ErrHelp):
		c.program().Help(c.out)
		return 0, nil
	case errors.Is(err, getopt.ErrVersion):
		fmt.Fprintf(c.out, "ovsdb-client (vtep) %s\n", c.Version)
		return 0, nil
	case c.refused != nil:
		return 0, c.refused
	case err != nil:
		return 0, err
	case len(words) == 0:
		return 0, errors.New("missing command name; use --help for help")
	}
	cmd := find(words[0])
	if cmd == nil {
		return 0, fmt.Errorf("unknown command '%s'; use --help for help", words[0])
	}
	c.detach = c.Daemon.Detached()
	if !c.detach || !cmd.daemon {
		c.Daemon.NoSocket() // who is not in the background is told by signals
	}
	if cmd.daemon || !c.detach {
		c.Daemon.KeepOutput, c.Daemon.KeepErrors = true, cmd.errors
		if status, over := c.Daemon.Start(); over {
			return status, nil
		}
	}
	if s := os.Getenv("OVS_CTL_TIMEOUT"); c.timeout == 0 && s != "" {
		_ = c.setTimeout(s) // a bad value is none
	}
	if c.timeout > 0 && !(c.detach && cmd.daemon) { // an alarm does not outlive the start of a C daemon
		defer time.AfterFunc(c.timeout, c.Alarm).Stop()
	}
	if err := c.loadTLS(); err != nil {
		return 0, err
	}
	args := words[1:]
	if cmd.need != needsNothing {
		if args, err = c.open(cmd, args); err != nil {
			return 0, err
		}
	}
	if len(args) < cmd.min || cmd.max >= 0 && len(args) > cmd.max {
		return 0, fmt.Errorf("invalid syntax for '%s' (use --help for help)", cmd.name)
	}
	return 0, cmd.run(c, args)
}

func (c *client) loadTLS() error {
	if c.files.PrivateKey == "" && c.files.Certificate == "" && c.files.CACert == "" {
		return nil
	}
	var err error
	if c.tls, err = stream.LoadTLS(c.files); err != nil {
		return fmt.Errorf("load keys: %w", err)
	}
	return nil
}

func (c *client) options() []getopt.Option {
	yes, no := true, false
	file := func(long string, short byte, help string, p *string) getopt.Option {
		return getopt.Option{Long: long, Short: short, Arg: getopt.RequiredArg, ArgName: "FILE", Help: help,
			Set: func(arg string) error { *p = arg; return nil }}
	}
	return []getopt.Option{
		{Long: "timeout", Short: 't', Arg: getopt.RequiredArg, ArgName: "SECS", Help: "end with SIGALRM after SECS seconds", Set: c.plain(c.setTimeout)},
		{Long: "format", Short: 'f', Arg: getopt.RequiredArg, ArgName: "FORMAT", Help: "print tables as table (default), list, html, csv or json", Set: c.plain(c.style.SetFormat)},
		{Long: "data", Short: 'd', Arg: getopt.RequiredArg, ArgName: "FORMAT", Help: "print values as string (default), bare or json", Set: c.plain(c.style.SetData)},
		{Long: "no-headings", Help: "omit the headings of columns", Set: func(string) error { c.style.Headings = false; return nil }},
		getopt.Flag("pretty", "indent JSON", &c.style.Pretty),
		{Long: "bare", Help: "the same as --format=list --data=bare --no-headings", Set: func(string) error { c.style.SetBare(); return nil }},
		{Long: "max-column-width", Arg: getopt.RequiredArg, ArgName: "N", Help: "cut the columns of --format=table", Set: c.plain(c.setWidth)},
		getopt.Flag("timestamp", "monitor: print the time above each update", &c.stamps),
		getopt.Flag("force", "restore: also where the schemas differ", &c.force),
		{Long: "leader-only", Help: "take only the leader of a cluster (default)", Set: func(string) error { c.anyMember = false; return nil }},
		{Long: "no-leader-only", Help: "take any connected member of a cluster", Set: func(string) error { c.anyMember = true; return nil }},
		{Long: "db-change-aware", Set: func(string) error { c.changeAware = &yes; return nil }},
		{Long: "no-db-change-aware", Set: func(string) error { c.changeAware = &no; return nil }},
		file("private-key", 'p', "TLS: our private key", &c.files.PrivateKey),
		file("certificate", 'c', "TLS: our certificate", &c.files.Certificate),
		file("ca-cert", 'C', "TLS: the authority of the server's certificate; none: do not check", &c.files.CACert),
		{Long: "bootstrap-ca-cert", Arg: getopt.RequiredArg, ArgName: "FILE", Help: "the same; taken from the first server when absent",
			Set: func(arg string) error { c.files.CACert, c.files.Bootstrap = arg, true; return nil }},
		file("peer-ca-cert", 0, "TLS: an authority to send to servers that bootstrap", &c.files.PeerCACert),
		getopt.String("ssl-protocols", "LIST", "TLS: the versions to allow (default TLSv1.2+)", &c.files.Protocols),
		getopt.String("ssl-ciphers", "LIST", "TLS: the cipher suites of TLS 1.2 to allow, as OpenSSL writes them", &c.files.Ciphers),
		{Long: "help", Short: 'h', Help: "print this text", Set: func(string) error { return getopt.ErrHelp }},
		{Long: "version", Short: 'V', Help: "print the version", Set: func(string) error { return getopt.ErrVersion }},
	}
}

// plain keeps the error of an option for itself, as the C program words it.
func (c *client) plain(set func(string) error) func(string) error {
	return func(arg string) error {
		c.refused = set(arg)
		return c.refused
	}
}

func (c *client) setTimeout(arg string) error {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil || n == 0 {
		return fmt.Errorf("value %s on -t or --timeout is invalid", arg)
	}
	c.timeout = time.Duration(n) * time.Second
	return nil
}

func (c *client) setWidth(arg string) error {
	n, err := strconv.ParseUint(arg, 10, 31)
	if err != nil {
		return fmt.Errorf("%q is not a width", arg)
	}
	c.style.MaxWidth = int(n)
	return nil
}

// Describe describes the program, as o has it run.
func Describe(o Options) *getopt.Program { return (&client{Options: o}).program() }

func (c *client) program() *getopt.Program {
	p := &getopt.Program{Name: "ovsdb-client", Brief: "ask an OVSDB server, change and follow its databases", Usage: []string{"[OPTION]... COMMAND [ARG]..."},
		Notes: []string{"The default SERVER is unix:" + filepath.Join(c.Daemon.Dirs.Run, "db.sock") + ".",
			"The default DATABASE is Open_vSwitch, or the only one that there is."},
		Options: c.options(), Daemon: c.Daemon.Options()}
	for _, cmd := range commands() {
		p.Commands = append(p.Commands, getopt.Command{Name: cmd.name, Args: cmd.args, Help: cmd.help})
	}
	return p
}

// call makes a request and waits for its answer. Errors are worded as the C program does.
func (c *client) call(method string, params []byte) (wire.Value, error) {
	v, err := c.rpc.Call(c.Daemon.Context(), method, params)
	var remote *jsonrpc.RemoteError
	switch {
	case err == nil:
		return v, nil
	case errors.As(err, &remote):
		return v, fmt.Errorf("transaction returned error: %s", remote.Value.AppendTo(nil, true))
	case errors.Is(err, context.Canceled):
		return v, err
	}
	return v, fmt.Errorf("transaction failed (%s)", stream.Reason(err))
}

// schema fetches the schema of the database.
func (c *client) schema() (*ovsdb.DatabaseSchema, error) {
	v, err := c.call("get_schema", array(wire.AppendString(nil, c.database)))
	if err != nil {
		return nil, err
	}
	return ovsdb.ParseSchema(v)
}

// printJSON prints a JSON value in canonical form.
func (c *client) printJSON(v wire.Value) {
	c.out.WriteString(output.JSONText(v.AppendTo(nil, true)).Text(c.style.Pretty))
	c.out.WriteByte('\n')
}

// array returns a JSON array of texts.
func array(elems ...[]byte) []byte {
	dst := []byte{'['}
	for i, e := range elems {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(dst, e...)
	}
	return append(dst, ']')
}
