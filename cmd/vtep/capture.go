package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/vtep/vtep/internal/capture"
	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/getopt"
)

// captureCommand is the "capture" personality: it shows the frames that a VTEP handles.
type captureCommand struct {
	at      appctl // where the VTEP is
	request capture.Request
	file    string
}

func runCapture(args []string) int {
	c := captureCommand{at: newAppctl()}
	words, err := getopt.Parse(args, c.options())
	switch {
	case errors.Is(err, getopt.ErrHelp):
		c.program().Help(os.Stdout)
		return 0
	case err == nil && len(words) > 0:
		err = fmt.Errorf("it takes no argument %q; see --help", words[0])
	}
	if err == nil {
		err = c.request.Check()
	}
	if err == nil {
		err = c.run()
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "vtep capture: %v\n", err)
		return 1
	}
	return 0
}

func (c *captureCommand) options() []getopt.Option {
	all := append(c.request.Options(),
		getopt.Option{Long: "write", Short: 'w', Arg: getopt.RequiredArg, ArgName: "FILE", Help: "write pcapng to a file (-: to standard output); without it a line is printed for each frame",
			Set: func(arg string) error { c.file = arg; return nil }})
	return append(append(all, c.at.where()...),
		getopt.Option{Long: "help", Short: 'h', Set: func(string) error { return getopt.ErrHelp }})
}

func (c *captureCommand) program() *getopt.Program {
	return &getopt.Program{Name: "vtep capture", Brief: "show the frames that a running VTEP handles, what happens to each, and the packets around them",
		Usage:   []string{"[-w FILE] [OPTION]..."},
		Notes:   []string{"Options that say which frames are wanted narrow each other down. It ends with Control-C, or as --count and --duration say."},
		Options: c.options()}
}

func (c *captureCommand) run() error {
	path, err := c.at.socket()
	if err != nil {
		return err
	}
	out := os.Stdout
	if c.file != "" && c.file != "-" {
		if out, err = os.OpenFile(c.file, os.O_CREATE|os.O_WRONLY, 0o600); err != nil {
			return err
		}
		defer out.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), c.at.timeout)
	defer cancel()
	conn, err := daemon.OpenStream(ctx, path, "capture/start", c.request.Words()...)
	if err != nil {
		return err
	}
	defer conn.Close()
	cancel()
	if out != os.Stdout { // not before: what is in it stays if no capture begins
		if info, err := out.Stat(); err == nil && info.Mode().IsRegular() {
			if err := out.Truncate(0); err != nil {
				return err
			}
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	defer signal.Stop(stop)
	go func() {
		if _, told := <-stop; told {
			_ = conn.CloseWrite() // what is on its way still comes
			signal.Stop(stop)     // the second time it ends at once
		}
	}()
	defer close(stop)
	fmt.Fprintln(os.Stderr, "vtep capture: capturing; Control-C ends it")
	var total capture.Total
	if c.file == "" {
		total, err = capture.Print(out, conn)
	} else {
		total, err = capture.Copy(out, conn, func(t capture.Total) {
			fmt.Fprintf(os.Stderr, "vtep capture: %d lost so far: ask for less with options, or for a larger --buffer\n", t.Lost)
		})
	}
	fmt.Fprintf(os.Stderr, "vtep capture: %d captured, %d lost\n", total.Written, total.Lost)
	return err
}

// registerCapture adds the command that "vtep capture" asks. It takes the same options, but for those of files.
func (r *vtepRun) registerCapture() {
	r.d.RegisterStream("capture/start", "[OPTION]...", 0, 64, func(words []string) (daemon.Stream, error) {
		q, err := capture.Parse(words)
		if err != nil {
			return nil, err
		}
		a := r.agent.Load()
		if a == nil {
			return nil, errStarting
		}
		plane, err := a.Capturer()
		if err != nil {
			return nil, err
		}
		write, err := capture.Start(r.d.Context(), capture.Source{Plane: plane, Name: r.name, Program: "vtep " + version,
			Names: func(ctx context.Context) (capture.Names, error) {
				n, err := a.CaptureNames(ctx)
				return capture.Names(n), err
			}}, q)
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, w io.Writer) error {
			_, err := write(ctx, w)
			return err
		}, nil
	})
}
