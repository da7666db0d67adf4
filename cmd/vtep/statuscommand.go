package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
)

// statusCommand is the "status" personality: it shows how a running VTEP does.
type statusCommand struct {
	at    appctl // where the VTEP is
	json  bool
	all   bool
	watch time.Duration // 0: once
}

func runStatus(args []string) int {
	s := statusCommand{at: newAppctl()}
	words, err := getopt.Parse(args, s.options())
	switch {
	case errors.Is(err, getopt.ErrHelp):
		s.program().Help(os.Stdout)
		return 0
	case err == nil && len(words) > 0:
		err = fmt.Errorf("it takes no argument %q; see --help", words[0])
	}
	if err == nil {
		err = s.run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep status: %v\n", err)
		return 1
	}
	return 0
}

func (s *statusCommand) options() []getopt.Option {
	return append(s.at.where(),
		getopt.Flag("json", "print it as JSON, a line each time", &s.json),
		getopt.Flag("all", "all ports, switches, tunnels and reasons of drops, and all of each text, not only so many as fit a screen", &s.all),
		getopt.Option{Long: "watch", Short: 'w', Arg: getopt.OptionalArg, ArgName: "SECS", Help: "show it again every SECS seconds (default 2), until interrupted",
			Set: func(arg string) error {
				seconds := 2.0
				if arg != "" {
					var err error
					if seconds, err = strconv.ParseFloat(arg, 64); err != nil || seconds < 0.1 || seconds > 86400 {
						return fmt.Errorf("%q is not a number of seconds of 0.1 or more", arg)
					}
				}
				s.watch = time.Duration(seconds * float64(time.Second))
				return nil
			}},
		getopt.Option{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }},
	)
}

func (s *statusCommand) program() *getopt.Program {
	return &getopt.Program{Name: "vtep status", Brief: "show how a running VTEP does, on one screen", Usage: []string{"[OPTION]..."}, Options: s.options()}
}

func (s *statusCommand) run() error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	for {
		out, err := s.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && s.watch == 0:
			return err
		case err != nil: // it may be started again
			out = "vtep status: " + err.Error() + "\n"
		}
		if s.watch > 0 && !s.json && isTerminal(os.Stdout) {
			out = "\x1b[H\x1b[2J\x1b[3J" + out
		}
		if _, err := io.WriteString(os.Stdout, out); err != nil {
			return fmt.Errorf("print the status: %w", err)
		}
		if s.watch == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(s.watch):
		}
	}
}

// ask asks the VTEP once.
func (s *statusCommand) ask(ctx context.Context) (string, error) {
	path, err := s.at.socket()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, s.at.timeout)
	defer cancel()
	answer, err := daemon.CallData(ctx, path, "vtep/status")
	if err != nil {
		return "", err
	}
	var reply struct{ Reply json.RawMessage }
	if err := json.Unmarshal(answer, &reply); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if s.json {
		return string(reply.Reply) + "\n", nil
	}
	var status vtepStatus
	if err := json.Unmarshal(reply.Reply, &status); err != nil {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	return status.text(s.all), nil
}
