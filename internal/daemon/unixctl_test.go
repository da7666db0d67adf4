package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/testenv"
)

// serveHere starts a control socket in this process.
func serveHere(t *testing.T, path string) *Daemon {
	t.Helper()
	d := New("here", "here 1", Dirs{Run: filepath.Dir(path)})
	d.log.console = io.Discard
	d.RegisterData("both", "", 0, 0, func([]string) (string, error) { return "one", nil },
		func([]string) (any, error) { return map[string]any{"n": []int{1}}, nil })
	d.Register("echo", "TEXT", 1, 1, func(args []string) (string, error) { return args[0], nil })
	d.Register("fail", "", 0, 0, func([]string) (string, error) { return "", errors.New("it failed") })
	s, err := listen(path, &d.commands, d.Logger("unixctl"), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	d.server = s
	t.Cleanup(d.Close)
	return d
}

// TestUnixctlWire checks the bytes: several requests on a connection, without framing.
func TestUnixctlWire(t *testing.T) {
	testenv.NoLeaks(t)
	path := filepath.Join(testenv.OVS(t).RunDir, "x.ctl")
	serveHere(t, path)
	conn, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(deadline))
	for _, tt := range []struct{ send, want string }{
		{`{"id":0,"method":"echo","params":["a"]}`, `{"id":0,"result":"a\n","error":null}`},
		{`{"id":1,"method":"version","params":[]}{"id":"two","method":"fail","params":[]}`,
			`{"id":1,"result":"here 1\n","error":null}{"id":"two","result":null,"error":"it failed\n"}`},
		{`{"id":3,"method":"echo","params":[]}`,
			`{"id":3,"result":null,"error":"\"echo\" command requires at least 1 arguments\n"}`},
		{`{"id":4,"method":"echo","params":["a","b"]}`,
			`{"id":4,"result":null,"error":"\"echo\" command takes at most 1 arguments\n"}`},
		{`{"id":5,"method":"echo","params":[1]}`,
			`{"id":5,"result":null,"error":"\"echo\" command has non-string argument\n"}`},
		{`{"id":6,"method":"nix","params":[]}`,
			`{"id":6,"result":null,"error":"\"nix\" is not a valid command (use \"list-commands\" to see a list of valid commands)\n"}`},
		{`{"id":7,"method":"set-options","params":["--format","json"]} {"id":8,"method":"echo","params":["a"]}`,
			`{"id":7,"result":{"reply":"","reply-format":"plain"},"error":null}` +
				`{"id":8,"result":{"reply":"a","reply-format":"plain"},"error":null}`},
		{`{"id":9,"method":"both","params":[]}`, `{"id":9,"result":{"reply":{"n":[1]},"reply-format":"json"},"error":null}`},
		{`{"id":10,"method":"set-options","params":["--format","text"]} {"id":11,"method":"both","params":[]}`,
			`{"id":10,"result":"","error":null}{"id":11,"result":"one\n","error":null}`},
	} {
		if _, err := io.WriteString(conn, tt.send); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, len(tt.want))
		if _, err := io.ReadFull(conn, got); err != nil || string(got) != tt.want {
			t.Fatalf("%s\n got %s (%v)\nwant %s", tt.send, got, err, tt.want)
		}
	}
}

func TestUnixctlRefusesNonsense(t *testing.T) {
	testenv.NoLeaks(t)
	path := filepath.Join(testenv.OVS(t).RunDir, "x.ctl")
	serveHere(t, path)
	for _, nonsense := range []string{
		"GET / HTTP/1.0\r\n\r\n", `{"id":0,"method":5}`, `{"method":"echo","params":["a"]}`, `[]`, `{"id":0,"result":1}`,
		`{"id":0,"method":"echo","params":["` + strings.Repeat("a", 2<<20) + `"]}`,
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		_ = conn.SetDeadline(time.Now().Add(deadline))
		_, _ = io.WriteString(conn, nonsense) // it may be cut off
		if b, _ := io.ReadAll(conn); len(b) > 0 {
			t.Errorf("%.40q is answered: %s", nonsense, b)
		}
		conn.Close()
	}
	if _, err := Call(context.Background(), path, "echo", "alive"); err != nil {
		t.Error(err)
	}
}

func TestUnixctlLongName(t *testing.T) {
	dir := filepath.Join(testenv.OVS(t).RunDir, strings.Repeat("d", 100))
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "x.ctl")
	d := serveHere(t, path)
	if got, err := Call(context.Background(), path, "echo", "a"); err != nil || got != "a\n" {
		t.Errorf("%q, %v", got, err)
	}
	if _, err := listen(path, &d.commands, d.Logger("unixctl"), nil, nil); err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("a second server: %v", err)
	}
	d.Close()
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
}

func TestUnixctlReplacesDeadSocket(t *testing.T) {
	path := filepath.Join(testenv.OVS(t).RunDir, "x.ctl")
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	serveHere(t, path)
	if _, err := Call(context.Background(), path, "echo", "a"); err != nil {
		t.Error(err)
	}
}

// TestAppctl asks by the real client, by the socket's name.
func TestAppctl(t *testing.T) {
	env := testenv.OVS(t)
	appctl := testenv.Program(t, "ovs-appctl")
	path := filepath.Join(env.RunDir, "x.ctl")
	d := serveHere(t, path)
	if got := env.Output(t, appctl, "-t", path, "list-commands"); !strings.Contains(got, "\n  echo                    TEXT\n") {
		t.Errorf("list-commands: %s", got)
	}
	if out, err := env.Command(appctl, "-t", path, "nix").CombinedOutput(); err == nil || err.Error() != "exit status 2" ||
		!strings.HasPrefix(string(out), `"nix" is not a valid command (use "list-commands" to see a list of valid commands)`+"\n") {
		t.Errorf("unknown command: %v: %s", err, out)
	}
	env.Output(t, appctl, "-t", path, "vlog/set", "agent:file:dbg", "console:warn")
	if got := env.Output(t, appctl, "-t", path, "vlog/list"); !strings.Contains(got, "\nagent             WARN       INFO        DBG\n") {
		t.Errorf("vlog/list: %s", got)
	}
	if out, err := env.Command(appctl, "-t", path, "vlog/reopen").CombinedOutput(); err == nil ||
		!strings.HasPrefix(string(out), "Logging to file not configured\n") {
		t.Errorf("vlog/reopen: %v: %s", err, out)
	}
	env.Output(t, appctl, "-t", path, "exit")
	select {
	case <-d.Context().Done():
	case <-time.After(deadline):
		t.Error("exit does nothing")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add(`{"id":0,"method":"echo","params":["a"]}`)
	f.Add(`{"id":0,"method":"set-options","params":["--format=json"]}`)
	f.Fuzz(func(t *testing.T, text string) {
		var req request
		if json.Unmarshal([]byte(text), &req) != nil || req.Method == nil || req.ID == nil {
			return
		}
		d := New("fuzz", "", Dirs{})
		c := connection{server: &server{commands: &d.commands}}
		rep, _ := c.answer(&req)
		if _, err := json.Marshal(rep); err != nil {
			t.Error(err)
		}
	})
}

func TestControlSocketPermission(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	d := New("here", "here 1", Dirs{Run: closed})
	var err error
	testenv.Unprivileged(t, func() { _, err = listen(filepath.Join(closed, "x.ctl"), &d.commands, d.Logger("unixctl"), nil, nil) })
	if err == nil || !strings.Contains(err.Error(), "could not initialize control socket (permission denied): run as root") {
		t.Error(err)
	}
}

// CallData gives what ovs-appctl prints with --format json.
func TestCallData(t *testing.T) {
	testenv.NoLeaks(t)
	path := filepath.Join(testenv.OVS(t).RunDir, "x.ctl")
	serveHere(t, path)
	for command, want := range map[string]string{
		"both": `{"reply":{"n":[1]},"reply-format":"json"}`,
		"fail": "it failed",
	} {
		got, err := CallData(t.Context(), path, command)
		if err != nil {
			got = []byte(err.Error())
		}
		if string(got) != want {
			t.Errorf("%s: %s, want %s", command, got, want)
		}
	}
}
