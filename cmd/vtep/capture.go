package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

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
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	out, undo, err := c.open()
	if err != nil {
		return err
	}
	defer out.Close()
	began := time.Now()
	conn, err := c.ask(ctx)
	if err != nil {
		return errors.Join(err, undo())
	}
	if out != os.Stdout { // not before: what is in it stays if no capture begins
		if info, err := out.Stat(); err == nil && info.Mode().IsRegular() {
			if err := out.Truncate(0); err != nil {
				conn.Close()
				return err
			}
		}
	}
	say("capturing; Control-C ends it")
	total, err := c.receiveAll(ctx, stop, conn, out, began)
	say("%d captured, %d lost", total.Written, total.Lost)
	return err
}

func say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "vtep capture: "+format+"\n", args...)
}

// open opens what is written to. undo takes a file away that was not there before.
func (c *captureCommand) open() (out *os.File, undo func() error, err error) {
	undo = func() error { return nil }
	if c.file == "" || c.file == "-" {
		return os.Stdout, undo, nil
	}
	out, err = os.OpenFile(c.file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err == nil {
		return out, func() error { return os.Remove(c.file) }, nil
	}
	if errors.Is(err, fs.ErrExist) {
		out, err = os.OpenFile(c.file, os.O_WRONLY, 0)
	}
	return out, undo, err
}

// ask has the VTEP begin.
func (c *captureCommand) ask(ctx context.Context) (*net.UnixConn, error) {
	path, err := c.at.socket()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, c.at.timeout)
	defer cancel()
	return daemon.OpenStream(ctx, path, "capture/start", c.request.Words()...)
}

// receiveAll takes what the VTEP captures, until all has come that was asked for, or somebody interrupts. When the
// process of the VTEP ends it asks the next one, for what is left: so forwarding can be watched across a restart.
func (c *captureCommand) receiveAll(ctx context.Context, stop func(), conn *net.UnixConn, out *os.File, began time.Time) (total capture.Total, err error) {
	remark := ""
	for {
		part, err := c.receive(ctx, stop, conn, out, remark, total)
		total.Add(part)
		ended := time.Now()
		if ctx.Err() != nil || err != nil && !errors.Is(err, capture.ErrCut) || !c.request.Rest(part.Written, ended.Sub(began)) {
			return total, err
		}
		began = ended
		say("the VTEP has ended: this goes on with the next one; Control-C ends it")
		if conn, err = c.askAgain(ctx); err != nil {
			return total, err
		}
		now := time.Now()
		if !c.request.Rest(0, now.Sub(began)) {
			conn.Close()
			return total, capture.ErrCut
		}
		began = now
		remark = fmt.Sprintf("nothing is captured from %s to %s (%.1f s), as the process of the VTEP was another one then, or none",
			ended.Format(time.RFC3339Nano), now.Format(time.RFC3339Nano), now.Sub(ended).Seconds())
		say("capturing again: %s", remark)
	}
}

// receive takes what comes by a connection, which it closes. before is what came by others.
func (c *captureCommand) receive(ctx context.Context, stop func(), conn *net.UnixConn, out *os.File, remark string, before capture.Total) (capture.Total, error) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() {
		_ = conn.CloseWrite() // what is on its way still comes
		stop()                // the second time it ends at once
	})()
	lost := func(t capture.Total) {
		say("%d lost so far: ask for less with options, or for a larger --buffer", before.Lost+t.Lost)
	}
	if c.file == "" {
		return capture.Print(out, conn, lost)
	}
	return capture.Copy(out, conn, remark, lost)
}

// askPause is between one question and the next to a VTEP that does not run, or does not know its rows yet.
const askPause = 200 * time.Millisecond

// askAgain waits for a VTEP that captures, as long as the capture is to last.
func (c *captureCommand) askAgain(ctx context.Context) (*net.UnixConn, error) {
	asked, told := time.Now(), ""
	for {
		conn, err := c.ask(ctx)
		if err == nil {
			return conn, nil
		}
		var refused *daemon.RefusedError
		if errors.As(err, &refused) && err.Error() != told && err.Error() != errStarting.Error() {
			told = err.Error()
			say("not yet: %v", err)
		}
		left := c.request
		if !left.Rest(0, time.Since(asked)) {
			return nil, capture.ErrCut
		}
		select {
		case <-ctx.Done():
			return nil, capture.ErrCut
		case <-time.After(askPause):
		}
	}
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
		c, err := capture.Start(r.d.Context(), capture.Source{Plane: plane, Name: r.name, Program: "vtep " + version,
			Names: func(ctx context.Context) (capture.Names, error) {
				n, err := a.CaptureNames(ctx)
				return capture.Names(n), err
			}}, q)
		if err != nil {
			return nil, err
		}
		began := time.Now()
		return func(ctx context.Context, w io.Writer) error {
			defer r.captures.add(runningCapture{c, q.Text(), began})()
			_, err := c.Write(ctx, w)
			return err
		}, nil
	})
}
