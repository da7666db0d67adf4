package vtepctl

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/output"
	"github.com/vtep/vtep/internal/ovsdb/stream"
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
	style   output.Style
	styled  bool // --format or --bare was given
	tls     stream.TLSFiles
	logFile *string // nil: none wanted; "": the default one
}

// errHelp and errVersion end the parsing of options.
var (
	errHelp    = errors.New("help wanted")
	errVersion = errors.New("version wanted")
)

// globalOptions returns the options of a run, in the order in which messages about ambiguous
// ones name them.
func globalOptions() []option {
	return []option{
		{long: "db", arg: requiredArg, argName: "SERVER", help: "the database server (default: unix:RUNDIR/db.sock)",
			set: func(g *globals, arg string) error { g.db, g.dbGiven = arg, true; return nil }},
		{long: "no-syslog", help: "log nothing to syslog", set: func(g *globals, _ string) error { return g.log.Set("syslog:off") }},
		{long: "dry-run", help: "do everything but change the database",
			set: func(g *globals, _ string) error { g.dryRun = true; return nil }},
		{long: "oneline", help: "print exactly one line for each command, and tables as usual",
			set: func(g *globals, _ string) error { g.oneline = true; return nil }},
		{long: "timeout", short: 't', arg: requiredArg, argName: "SECS", help: "end with SIGALRM after SECS seconds",
			set: func(g *globals, arg string) error { return g.setTimeout(arg) }},
		{long: "help", short: 'h', help: "print this text; with a command, about it",
			set: func(*globals, string) error { return errHelp }},
		{long: "version", short: 'V', help: "print the version",
			set: func(*globals, string) error { return errVersion }},
		{long: "verbose", short: 'v', arg: optionalArg, argName: "SPEC", help: "set log levels: [MODULE:][console|file:][LEVEL]",
			set: func(g *globals, arg string) error {
				if err := g.log.Set(arg); err != nil {
					return fmt.Errorf("processing \"%s\": %w", arg, err)
				}
				return nil
			}},
		{long: "log-file", arg: optionalArg, argName: "FILE", help: "log to FILE (default: LOGDIR/vtep-ctl.log)",
			set: func(g *globals, arg string) error { g.logFile = &arg; return nil }},
		{long: "syslog-method", arg: requiredArg, argName: "METHOD", help: "log to syslog by METHOD: libc, unix:FILE, udp:IP:PORT or null",
			set: func(g *globals, arg string) error { return g.log.SetSyslogMethod(arg) }},
		{long: "syslog-target", arg: requiredArg, argName: "HOST:PORT", help: "log to the syslog daemon at HOST:PORT too, by UDP",
			set: func(g *globals, arg string) error { return g.log.SetSyslogTarget(arg) }},
		{long: "format", short: 'f', arg: requiredArg, argName: "FORMAT", help: "print tables as list, table, html, csv or json (default: list)",
			set: func(g *globals, arg string) error { g.styled = true; return g.style.SetFormat(arg) }},
		{long: "data", short: 'd', arg: requiredArg, argName: "FORMAT", help: "print values as string, bare or json (default: string)",
			set: func(g *globals, arg string) error { return g.style.SetData(arg) }},
		{long: "no-headings", help: "omit the headings of columns",
			set: func(g *globals, _ string) error { g.style.Headings = false; return nil }},
		{long: "pretty", help: "indent JSON",
			set: func(g *globals, _ string) error { g.style.Pretty = true; return nil }},
		{long: "bare", help: "the same as --format=list --data=bare --no-headings",
			set: func(g *globals, _ string) error {
				g.style.SetBare()
				g.styled = true
				return nil
			}},
		{long: "max-column-width", arg: requiredArg, argName: "N", help: "cut the columns of --format=table",
			set: func(g *globals, arg string) error { g.style.MaxWidth = atoi(arg); return nil }},
		{long: "private-key", short: 'p', arg: requiredArg, argName: "FILE", help: "TLS: our private key",
			set: func(g *globals, arg string) error { g.tls.PrivateKey = arg; return nil }},
		{long: "certificate", short: 'c', arg: requiredArg, argName: "FILE", help: "TLS: our certificate",
			set: func(g *globals, arg string) error { g.tls.Certificate = arg; return nil }},
		{long: "ca-cert", short: 'C', arg: requiredArg, argName: "FILE", help: "TLS: the authority of the server's certificate; none: do not check",
			set: func(g *globals, arg string) error { g.tls.CACert = arg; return nil }},
		{long: "ssl-protocols", arg: requiredArg, argName: "PROTOS", help: "TLS: the versions to allow, as TLSv1.3 or TLSv1.2+ (default: TLSv1.2+)",
			set: func(g *globals, arg string) error { g.tls.Protocols = arg; return nil }},
		{long: "ssl-ciphers", arg: requiredArg, argName: "CIPHERS", help: "TLS: the cipher suites of TLS 1.2 to allow, as OpenSSL writes them",
			set: func(g *globals, arg string) error { g.tls.Ciphers = arg; return nil }},
		{long: "ssl-ciphersuites", arg: requiredArg, argName: "SUITES", help: "TLS: the cipher suites of TLS 1.3 to allow", extra: true,
			set: func(g *globals, arg string) error { g.tls.Suites = arg; return nil }},
		{long: "ssl-server-name", arg: requiredArg, argName: "NAME", help: "TLS: the name to tell the server, rather than that of the target", extra: true,
			set: func(g *globals, arg string) error { g.tls.ServerName = arg; return nil }},
		{long: "bootstrap-ca-cert", arg: requiredArg, argName: "FILE", help: "like --ca-cert; if FILE does not exist, trust the first server and save its authority there",
			extra: true, set: func(g *globals, arg string) error { g.tls.CACert, g.tls.Bootstrap = arg, true; return nil }},
		{long: "peer-ca-cert", arg: requiredArg, argName: "FILE", help: "TLS: an authority to send to a server that bootstraps",
			set: func(g *globals, arg string) error { g.tls.PeerCACert = arg; return nil }},
		{long: "strict", help: "warn about arguments that are accepted but make no sense", extra: true,
			set: func(g *globals, _ string) error { g.strict = true; return nil }},
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
func atoi(s string) int { return int(int32(atoll(s))) }

// atoll is the same for a long long.
func atoll(s string) int64 {
	s = strings.TrimLeft(s, " \t\n\v\f\r")
	end := 0
	if end < len(s) && (s[end] == '-' || s[end] == '+') {
		end++
	}
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, err := strconv.ParseInt(s[:end], 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return n // the nearest that fits
	}
	if err != nil {
		return 0
	}
	return n
}
