package ovsdbtool

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
	"github.com/vtep/vtep/internal/ovsdb"
)

// Options are what a run of the program depends on.
type Options struct {
	Program string   // the name in messages
	Args    []string // without the program's name
	Version string
	Stdout  io.Writer
	Stderr  io.Writer
	Log     *daemon.Log
	DB      string           // the default database
	Schema  string           // the default schema
	Now     func() time.Time // stamps records; nil: time.Now
}

// status is an exit status that is an answer, not a failure.
type status int

func (s status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// tool is one run.
type tool struct {
	Options
	out  *bufio.Writer
	more int // how much show-log tells
}

// Run runs the program and returns its exit status: 0; 1 after an error, which is on Stderr; 2
// where the answer to a question is no.
func Run(o Options) int {
	if o.Now == nil {
		o.Now = time.Now
	}
	t := &tool{Options: o, out: bufio.NewWriter(o.Stdout)}
	err := t.run()
	if flushed := t.out.Flush(); err == nil && flushed != nil {
		err = fmt.Errorf("write to stdout failed: %w", flushed)
	}
	var s status
	switch {
	case err == nil:
		return 0
	case errors.As(err, &s):
		return int(s)
	}
	fmt.Fprintf(o.Stderr, "%s: %v\n", o.Program, err)
	return 1
}

func (t *tool) run() error {
	options := t.options()
	words, err := getopt.Parse(t.Args, options)
	switch {
	case errors.Is(err, getopt.ErrHelp):
		t.program().Help(t.out)
		return nil
	case errors.Is(err, getopt.ErrVersion):
		fmt.Fprintf(t.out, "ovsdb-tool (vtep) %s\n", t.Version)
		return nil
	case errors.Is(err, errPrintOptions):
		t.printOptions(options)
		return nil
	case err != nil:
		return err
	case len(words) == 0:
		return errors.New("missing command name; use --help for help")
	}
	for _, c := range commands() {
		if c.name != words[0] {
			continue
		}
		switch n := len(words) - 1; {
		case n < c.min:
			return fmt.Errorf("'%s' command requires at least %d arguments", c.name, c.min)
		case c.max >= 0 && n > c.max:
			return fmt.Errorf("'%s' command takes at most %d arguments", c.name, c.max)
		}
		return c.run(t, words[1:])
	}
	return fmt.Errorf("unknown command '%s'; use --help for help", words[0])
}

// errPrintOptions ends the parsing of options.
var errPrintOptions = errors.New("list of options wanted")

func (t *tool) options() []getopt.Option {
	return []getopt.Option{
		{Long: "more", Short: 'm', Help: "show-log: name the rows; twice: show their columns", Set: func(string) error { t.more++; return nil }},
		{Long: "verbose", Short: 'v', Arg: getopt.OptionalArg, ArgName: "SPEC", Help: "set log levels: [MODULE:][console|file:][LEVEL]", Set: t.Log.Set},
		{Long: "help", Short: 'h', Help: "print this text", Set: func(string) error { return getopt.ErrHelp }},
		{Long: "option", Short: 'o', Set: func(string) error { return errPrintOptions }},
		{Long: "version", Short: 'V', Help: "print the version", Set: func(string) error { return getopt.ErrVersion }},
	}
}

// Describe describes the program, as o has it run.
func Describe(o Options) *getopt.Program { return (&tool{Options: o}).program() }

func (t *tool) program() *getopt.Program {
	p := &getopt.Program{Name: t.Program, Brief: "make, read and change database files", Usage: []string{"[OPTION]... COMMAND [ARG]..."},
		Notes: []string{"The default DB is " + t.DB + ".", "The default SCHEMA is " + t.Schema + "."}, Options: t.options()}
	for _, c := range commands() {
		p.Commands = append(p.Commands, getopt.Command{Name: c.name, Args: c.args, Help: c.help})
	}
	return p
}

// printOptions lists the options for completion in shells.
func (t *tool) printOptions(options []getopt.Option) {
	for _, o := range options {
		arg := map[getopt.ArgMode]string{getopt.RequiredArg: "ARG", getopt.OptionalArg: "[ARG]"}[o.Arg]
		if arg == "" {
			fmt.Fprintf(t.out, "--%s\n-%c \n", o.Long, o.Short)
			continue
		}
		fmt.Fprintf(t.out, "--%s=%s\n-%c %s\n", o.Long, arg, o.Short, arg)
	}
}

// word returns args[i], or otherwise the default.
func word(args []string, i int, otherwise string) string {
	if i < len(args) {
		return args[i]
	}
	return otherwise
}

// ioError words a failure of the operating system as the C tool does.
func ioError(err error, format string, args ...any) error {
	return &ovsdb.Error{Tag: "I/O error", Details: fmt.Sprintf(format, args...), IOError: reason(err)}
}
