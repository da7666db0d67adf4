package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
)

// appctl is the "appctl" personality: it gives a running daemon a command, as ovs-appctl does.
type appctl struct {
	target  string // a socket's path, or the name of a daemon in rundir
	rundir  string
	timeout time.Duration
	json    bool // answers are wanted as JSON
}

func newAppctl() appctl {
	return appctl{target: "vtep", rundir: daemon.VTEPDirs().Run, timeout: 10 * time.Second}
}

func runAppctl(args []string) int {
	a := newAppctl()
	words, err := getopt.ParseLeading(args, a.options())
	switch {
	case errors.Is(err, getopt.ErrHelp):
		a.program().Help(os.Stdout)
		return 0
	case err == nil && len(words) == 0:
		err = errors.New("a command is missing; \"vtep appctl list-commands\" lists them")
	}
	if err == nil {
		err = a.call(words[0], words[1:])
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep appctl: %v\n", err)
		return 1
	}
	return 0
}

// where are the options that say which daemon is meant, for every command that asks one.
func (a *appctl) where() []getopt.Option {
	return []getopt.Option{
		{Long: "target", Short: 't', Arg: getopt.RequiredArg, ArgName: "TARGET", Help: "a control socket, or the name of a daemon (default vtep)",
			Set: func(arg string) error { a.target = arg; return nil }},
		getopt.String("rundir", "DIR", "daemons are looked for here (default "+a.rundir+")", &a.rundir),
		{Long: "timeout", Short: 'T', Arg: getopt.RequiredArg, ArgName: "SECS", Help: "wait at most this long for an answer (default 10)",
			Set: func(arg string) error {
				n, err := strconv.Atoi(arg)
				if err != nil || n < 1 {
					return fmt.Errorf("%q is not a number of seconds", arg)
				}
				a.timeout = time.Duration(n) * time.Second
				return nil
			}},
	}
}

func (a *appctl) options() []getopt.Option {
	return append(a.where(),
		getopt.Option{Long: "format", Short: 'f', Arg: getopt.RequiredArg, ArgName: "FORMAT", Help: "text (default), or json: data where the command has some, or else a string",
			Set: func(arg string) error {
				if arg != "text" && arg != "json" {
					return fmt.Errorf("%q is not one of text and json", arg)
				}
				a.json = arg == "json"
				return nil
			}},
		getopt.Option{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
	)
}

func (a *appctl) program() *getopt.Program {
	return &getopt.Program{Name: "vtep appctl", Brief: "give a running daemon a command, and print its answer",
		Usage: []string{"[OPTION]... COMMAND [ARG]..."},
		Notes: []string{"The command list-commands lists them."}, Options: a.options()}
}

func (a *appctl) call(command string, args []string) error {
	path, err := a.socket()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), a.timeout)
	defer cancel()
	if a.json {
		answer, err := daemon.CallData(ctx, path, command, args...)
		if err != nil {
			return err
		}
		var reply struct{ Reply json.RawMessage }
		if err := json.Unmarshal(answer, &reply); err != nil {
			return fmt.Errorf("read the answer to %q: %w", command, err)
		}
		fmt.Println(string(reply.Reply))
		return nil
	}
	answer, err := daemon.Call(ctx, path, command, args...)
	if err != nil {
		return err
	}
	if answer != "" {
		fmt.Println(strings.TrimSuffix(answer, "\n"))
	}
	return nil
}

// socket finds the control socket of the target: TARGET.PID.ctl, or TARGET.ctl, as some are started with
// --unixctl. A daemon that was killed leaves a socket behind on which nobody listens.
func (a *appctl) socket() (string, error) {
	if strings.Contains(a.target, "/") {
		return a.target, nil
	}
	all, err := filepath.Glob(filepath.Join(a.rundir, a.target+".*.ctl"))
	if err != nil {
		return "", fmt.Errorf("look for %s in %s: %w", a.target, a.rundir, err)
	}
	plain := filepath.Join(a.rundir, a.target+".ctl")
	if _, err := os.Stat(plain); err == nil {
		all = append(all, plain)
	}
	var live []string
	for _, path := range all {
		conn, err := net.Dial("unix", path)
		if errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("control socket %s: no permission: run as the user of the daemon, or as root", path)
		}
		if err == nil {
			conn.Close()
			live = append(live, path)
		}
	}
	switch len(live) {
	case 0:
		return "", fmt.Errorf("no %s runs in %s; name another directory with --rundir, or a socket with -t", a.target, a.rundir)
	case 1:
		return live[0], nil
	}
	return "", fmt.Errorf("several run in %s; choose one with -t: %s", a.rundir, strings.Join(live, " "))
}
