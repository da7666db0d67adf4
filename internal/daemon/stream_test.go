package daemon

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// TestStream has a command stream until its client wants no more, until the daemon ends, and until it is at an end by itself.
func TestStream(t *testing.T) {
	testenv.NoLeaks(t)
	path := filepath.Join(testenv.OVS(t).RunDir, "x.ctl")
	d := serveHere(t, path)
	ended := make(chan error, 1)
	d.RegisterStream("flow", "[WORD]", 0, 1, func(args []string) (Stream, error) {
		if len(args) > 0 && args[0] == "bad" {
			return nil, errors.New("it is bad")
		}
		return func(ctx context.Context, w io.Writer) error {
			_, err := io.WriteString(w, "first {}\n")
			if len(args) == 0 {
				<-ctx.Done()
				_, err = io.WriteString(w, "last")
			}
			ended <- err
			return err
		}, nil
	})
	open := func(args ...string) io.ReadCloser {
		conn, err := OpenStream(t.Context(), path, "flow", args...)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetReadDeadline(time.Now().Add(deadline))
		first := make([]byte, len("first {}\n"))
		if _, err := io.ReadFull(conn, first); err != nil || string(first) != "first {}\n" {
			t.Fatalf("%q, %v", first, err)
		}
		if len(args) == 0 {
			if err := conn.CloseWrite(); err != nil {
				t.Fatal(err)
			}
		}
		return conn
	}
	for _, args := range [][]string{nil, {"by itself"}} {
		conn := open(args...)
		rest, err := io.ReadAll(conn)
		if want := map[bool]string{true: "last"}[args == nil]; err != nil || string(rest) != want {
			t.Errorf("%q: %q, %v", args, rest, err)
		}
		conn.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	for args, want := range map[string]string{"bad": "it is bad", "two words": "at most 1"} {
		if _, err := OpenStream(t.Context(), path, "flow", strings.Split(args, " ")...); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", args, err)
		}
	}
	if _, err := d.Read("flow"); err == nil {
		t.Error("who only reads gets a stream")
	}
	// One that is open when the daemon ends.
	conn, err := OpenStream(t.Context(), path, "flow")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	d.Close()
	_ = conn.SetReadDeadline(time.Now().Add(deadline))
	if rest, err := io.ReadAll(conn); err != nil || string(rest) != "first {}\nlast" {
		t.Errorf("at the end of the daemon: %q, %v", rest, err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// TestStreamReader has who may only look get no stream.
func TestStreamReader(t *testing.T) {
	testenv.NoLeaks(t)
	path := filepath.Join(testenv.OVS(t).RunDir, "x.ctl")
	d := New("here", "here 1", Dirs{Run: filepath.Dir(path)})
	d.log.console = io.Discard
	d.RegisterStream("flow", "", 0, 0, func([]string) (Stream, error) {
		t.Error("the stream is opened")
		return nil, errors.New("no")
	})
	s, err := listen(path, &d.commands, d.Logger("unixctl"), nil, func(uid uint32) bool { return uid == uint32(os.Getuid()) })
	if err != nil {
		t.Fatal(err)
	}
	d.server = s
	t.Cleanup(d.Close)
	if _, err := OpenStream(t.Context(), path, "flow"); err == nil || !strings.Contains(err.Error(), "others may only read") {
		t.Errorf("%v", err)
	}
}
