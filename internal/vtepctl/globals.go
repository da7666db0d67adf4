package vtepctl

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb/stream"
	"github.com/vtep/vtep/internal/vtepctl/argument"
)

// globals are the options of a run as a whole.
type globals struct {
	log     Log
	db      string
	dbGiven bool // by --db, though it may be empty
	oneline bool
	dryRun  bool
	strict  bool
	timeout time.Duration // 0: none
	// anyMember takes servers of a cluster that are not its leader.
	anyMember bool
	style     output.Style
	styled    bool // --format or --bare was given
	tls       stream.TLSFiles
	logFile   *string // nil: none wanted; "": the default one
}

// options returns the Options of a run, in the order in which messages about ambiguous
// ones name them.
func (g *globals) options() []getopt.Option {
	return []getopt.Option{
		{Long: "db", Arg: getopt.RequiredArg, ArgName: "SERVER", Help: "the database server, or several with commas between them (default: unix:RUNDIR/db.sock)",
			Set: func(arg string) error { g.db, g.dbGiven = arg, true; return nil }},
		{Long: "leader-only", Extra: true, Help: "take only the leader of a cluster (default)", Set: func(string) error { g.anyMember = false; return nil }},
		{Long: "no-leader-only", Extra: true, Help: "take any connected member of a cluster, or a relay", Set: func(string) error { g.anyMember = true; return nil }},
		{Long: "no-syslog", Help: "log nothing to syslog", Set: func(string) error { return g.log.Set("syslog:off") }},
		{Long: "dry-run", Help: "do everything but change the database",
			Set: func(string) error { g.dryRun = true; return nil }},
		{Long: "oneline", Help: "print exactly one line for each command, and tables as usual",
			Set: func(string) error { g.oneline = true; return nil }},
		{Long: "timeout", Short: 't', Arg: getopt.RequiredArg, ArgName: "SECS", Help: "end with SIGALRM after SECS seconds",
			Set: func(arg string) error { return g.setTimeout(arg) }},
		{Long: "help", Short: 'h', Help: "print this text; with a command, about it",
			Set: func(string) error { return getopt.ErrHelp }},
		{Long: "version", Short: 'V', Help: "print the version",
			Set: func(string) error { return getopt.ErrVersion }},
		{Long: "verbose", Short: 'v', Arg: getopt.OptionalArg, ArgName: "SPEC", Help: "set log levels: [MODULE:][console|file:][LEVEL]",
			Set: func(arg string) error {
				if err := g.log.Set(arg); err != nil {
					return fmt.Errorf("processing \"%s\": %w", arg, err)
				}
				return nil
			}},
		{Long: "log-file", Arg: getopt.OptionalArg, ArgName: "FILE", Help: "log to FILE (default: LOGDIR/vtep-ctl.log)",
			Set: func(arg string) error { g.logFile = &arg; return nil }},
		{Long: "syslog-method", Arg: getopt.RequiredArg, ArgName: "METHOD", Help: "log to syslog by METHOD: libc, unix:FILE, udp:IP:PORT or null",
			Set: func(arg string) error { return g.log.SetSyslogMethod(arg) }},
		{Long: "syslog-target", Arg: getopt.RequiredArg, ArgName: "HOST:PORT", Help: "log to the syslog daemon at HOST:PORT too, by UDP",
			Set: func(arg string) error { return g.log.SetSyslogTarget(arg) }},
		{Long: "format", Short: 'f', Arg: getopt.RequiredArg, ArgName: "FORMAT", Help: "print tables as list, table, html, csv or json (default: list)",
			Set: func(arg string) error { g.styled = true; return g.style.SetFormat(arg) }},
		{Long: "data", Short: 'd', Arg: getopt.RequiredArg, ArgName: "FORMAT", Help: "print values as string, bare or json (default: string)",
			Set: func(arg string) error { return g.style.SetData(arg) }},
		{Long: "no-headings", Help: "omit the headings of columns",
			Set: func(string) error { g.style.Headings = false; return nil }},
		{Long: "pretty", Help: "indent JSON",
			Set: func(string) error { g.style.Pretty = true; return nil }},
		{Long: "bare", Help: "the same as --format=list --data=bare --no-headings",
			Set: func(string) error {
				g.style.SetBare()
				g.styled = true
				return nil
			}},
		{Long: "max-column-width", Arg: getopt.RequiredArg, ArgName: "N", Help: "cut the columns of --format=table",
			Set: func(arg string) error { g.style.MaxWidth = atoi(arg); return nil }},
		{Long: "private-key", Short: 'p', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "TLS: our private key",
			Set: func(arg string) error { g.tls.PrivateKey = arg; return nil }},
		{Long: "certificate", Short: 'c', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "TLS: our certificate",
			Set: func(arg string) error { g.tls.Certificate = arg; return nil }},
		{Long: "ca-cert", Short: 'C', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "TLS: the authority of the server's certificate; none: do not check",
			Set: func(arg string) error { g.tls.CACert = arg; return nil }},
		{Long: "ssl-protocols", Arg: getopt.RequiredArg, ArgName: "PROTOS", Help: "TLS: the versions to allow, as TLSv1.3 or TLSv1.2+ (default: TLSv1.2+)",
			Set: func(arg string) error { g.tls.Protocols = arg; return nil }},
		{Long: "ssl-ciphers", Arg: getopt.RequiredArg, ArgName: "CIPHERS", Help: "TLS: the cipher suites of TLS 1.2 to allow, as OpenSSL writes them",
			Set: func(arg string) error { g.tls.Ciphers = arg; return nil }},
		{Long: "ssl-ciphersuites", Arg: getopt.RequiredArg, ArgName: "SUITES", Help: "TLS: the cipher suites of TLS 1.3 to allow", Extra: true,
			Set: func(arg string) error { g.tls.Suites = arg; return nil }},
		{Long: "ssl-server-name", Arg: getopt.RequiredArg, ArgName: "NAME", Help: "TLS: the name to tell the server, rather than that of the target", Extra: true,
			Set: func(arg string) error { g.tls.ServerName = arg; return nil }},
		{Long: "bootstrap-ca-cert", Arg: getopt.RequiredArg, ArgName: "FILE", Help: "like --ca-cert; if FILE does not exist, trust the first server and save its authority there",
			Extra: true, Set: func(arg string) error { g.tls.CACert, g.tls.Bootstrap = arg, true; return nil }},
		{Long: "peer-ca-cert", Arg: getopt.RequiredArg, ArgName: "FILE", Help: "TLS: an authority to send to a server that bootstraps",
			Set: func(arg string) error { g.tls.PeerCACert = arg; return nil }},
		{Long: "strict", Help: "warn about arguments that are accepted but make no sense", Extra: true,
			Set: func(string) error { g.strict = true; return nil }},
	}
}

func (g *globals) setTimeout(arg string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(strings.TrimLeft(arg, " \t\n"), "+"), 10, 32)
	if err != nil || n == 0 || n > math.MaxUint32 {
		return fmt.Errorf("value %s on -t or --timeout is invalid", arg)
	}
	g.timeout = time.Duration(n) * time.Second
	return nil
}

// atoi is what C's atoi makes of s: the number at its beginning, or 0.
func atoi(s string) int { return int(int32(argument.Strtoll(s, 10))) }
