package idl_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/idl"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Here the peer follows a script: for what no honest server sends, and for times when
// nothing is sent. Everything else is tested with ovsdb-server.

const peerSchema = `{"name":"db","version":"1.0.0","tables":{"A":{"columns":{"i":{"type":"integer"}}}}}`

// peer answers requests by method, or by method and database: with a result, an error if
// that starts with "!", or never if it is "-".
type peer map[string]string

// honest is a server of the year 2013.
func honest() peer {
	return peer{
		"get_schema _Server": `!"unknown database"`,
		"get_schema db":      peerSchema,
		"monitor":            `{"A":{"11111111-1111-1111-1111-111111111111":{"new":{"i":1}}}}`,
		"transact":           `[{"count":1}]`,
		"lock":               `{"locked":true}`,
		"echo":               `[]`,
	}
}

func (p peer) with(method, answer string) peer {
	p[method] = answer
	return p
}

// serve answers on nc until it is closed. Then, for each line of after, a message follows
// the answer to the last request to monitor.
func (p peer) serve(nc net.Conn, after ...string) {
	defer nc.Close()
	r := wire.NewReader(nc, 1<<20)
	for {
		text, err := r.Next()
		if err != nil {
			return
		}
		m, err := wire.Parse(text)
		if err != nil {
			return
		}
		method := m.Get("method").Str()
		answer, ok := p[method]
		if database := m.Get("params").Index(0).Str(); p[method+" "+database] != "" {
			answer, ok = p[method+" "+database], true
		}
		id := m.Get("id").Raw()
		switch {
		case answer == "-" || m.Get("id").Kind() == wire.Null:
			continue
		case !ok:
			_, err = fmt.Fprintf(nc, `{"id":%s,"result":null,"error":"unknown method"}`, id)
		case strings.HasPrefix(answer, "!"):
			_, err = fmt.Fprintf(nc, `{"id":%s,"result":null,"error":%s}`, id, answer[1:])
		default:
			_, err = fmt.Fprintf(nc, `{"id":%s,"result":%s,"error":null}`, id, answer)
			if strings.HasPrefix(method, "monitor") && m.Get("params").Index(0).Str() == "db" {
				for _, line := range after {
					if _, err := io.WriteString(nc, line); err != nil {
						return
					}
				}
			}
		}
		if err != nil {
			return
		}
	}
}

// dialer connects to one peer after another; the last one stays.
func dialer(serve ...func(net.Conn)) func(context.Context) (net.Conn, error) {
	return func(context.Context) (net.Conn, error) {
		next := serve[0]
		if len(serve) > 1 {
			serve = serve[1:]
		}
		here, there := net.Pipe()
		go next(there)
		return here, nil
	}
}

// inBubble runs f with a client in time that passes by itself.
func inBubble(t *testing.T, opts idl.Options, f func(c *idl.Client)) (log string) {
	t.Helper()
	var out bytes.Buffer
	synctest.Test(t, func(t *testing.T) {
		opts.Database = "db"
		opts.Logger = slog.New(slog.NewTextHandler(&out, nil))
		c := idl.New(opts)
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		f(c)
		cancel()
		<-done
	})
	return out.String()
}

// What cannot be understood costs the connection, and nothing else: the client connects
// again, and has the right replica.
func TestMalformed(t *testing.T) {
	const row = `"11111111-1111-1111-1111-111111111111"`
	update := func(method, params string) string {
		return `{"id":null,"method":"` + method + `","params":` + params + `}`
	}
	modern := func() peer {
		return honest().with("monitor_cond_since", `[false,"00000000-0000-0000-0000-000000000000",{}]`)
	}
	for name, tt := range map[string]struct {
		peer  peer
		after string
		want  string // in the log
	}{
		"no JSON":               {honest(), `what?`, "error parsing stream"},
		"no message":            {honest(), `[]`, "bad JSON-RPC message"},
		"no schema":             {honest().with("get_schema db", `{}`), "", "schema of db"},
		"no such database":      {honest().with("get_schema db", `!"unknown database"`), "", "get_schema: unknown database"},
		"schema of nothing":     {honest().with("get_schema db", `7`), "", "schema of db"},
		"odd _Server":           {honest().with("get_schema _Server", `[]`), "", "schema of _Server"},
		"no monitor":            {honest().with("monitor", `!{"error":"bad","details":"really"}`), "", "monitor: bad: really"},
		"contents of monitor":   {honest().with("monitor", `[]`), "", "reply to monitor: table updates"},
		"reply without id":      {honest().with("monitor_cond_since", `[true]`), "", "monitor_cond_since is not"},
		"reply that is no list": {honest().with("monitor_cond_since", `{}`), "", "monitor_cond_since is not"},
		"modified before seen":  {modern().with("monitor_cond_since", `[true,"x",{"A":{`+row+`:{"modify":{"i":1}}}}]`), "", "does not exist"},
		"no parameters":         {honest(), update("update", `[]`), "0 parameters"},
		"other monitor":         {honest(), update("update", `["x",{}]`), "not monitored"},
		"_Server unasked":       {honest(), update("update2", `["_Server",{}]`), "not monitored"},
		"other version":         {honest(), update("update2", `["db",{}]`), "not monitored"},
		"bad update":            {honest(), update("update", `["db",{"A":{"x":{}}}]`), "not a UUID"},
		"bad update3":           {modern(), update("update3", `["db","x",{"A":{`+row+`:{"modify":{"i":1}}}}]`), "does not exist"},
		"canceled":              {honest(), update("monitor_canceled", `["db"]`), "canceled the monitor"},
		"hung up":               {honest(), "\x00", "error parsing stream"},
	} {
		t.Run(name, func(t *testing.T) {
			bad := func(nc net.Conn) { tt.peer.serve(nc, tt.after) }
			good := func(nc net.Conn) {
				honest().serve(nc, update("update", `["db",{"A":{`+row+`:{"old":{"i":1},"new":{"i":2}}}}]`))
			}
			log := inBubble(t, idl.Options{Dial: dialer(bad, good)}, func(c *idl.Client) {
				time.Sleep(30 * time.Second)
				if s := c.Snapshot(); s == nil || !c.Connected() {
					t.Error("did not recover")
				} else if rows := s.Table("A"); rows.Len() != 1 {
					t.Errorf("there are %d rows", rows.Len())
				}
				if s, d := c.Take(); s == nil || !d.Reset || len(d.Rows("A")) != 1 {
					t.Errorf("delta is %+v", d)
				}
			})
			if !strings.Contains(log, tt.want) {
				t.Errorf("log does not say %q:\n%s", tt.want, log)
			}
		})
	}
}

// Each generation of servers tells about changes in its own way.
func TestVersions(t *testing.T) {
	const insert = `{"A":{"22222222-2222-2222-2222-222222222222":{"insert":{"i":2}}}}`
	const initial = `{"A":{"11111111-1111-1111-1111-111111111111":{"initial":{"i":1}}}}`
	for name, tt := range map[string]struct {
		peer  peer
		after string
	}{
		"update": {honest(), `{"id":null,"method":"update","params":["db",{"A":{"22222222-2222-2222-2222-222222222222":{"new":{"i":2}}}}]}`},
		"update2": {honest().with("monitor_cond", initial),
			`{"id":null,"method":"update2","params":["db",` + insert + `]}`},
		"update3": {honest().with("monitor_cond_since", `[false,"00000000-0000-0000-0000-000000000000",`+initial+`]`),
			`{"id":null,"method":"update3","params":["db","33333333-3333-3333-3333-333333333333",` + insert + `]}`},
	} {
		t.Run(name, func(t *testing.T) {
			serve := func(nc net.Conn) { tt.peer.serve(nc, tt.after) }
			inBubble(t, idl.Options{Dial: dialer(serve)}, func(c *idl.Client) {
				time.Sleep(time.Second)
				if s, d := c.Take(); s == nil || s.Table("A").Len() != 2 || len(d.Rows("A")) != 2 {
					t.Errorf("delta is %+v", d)
				}
			})
		})
	}
}

// What Run ended with, WaitReady tells.
func TestEnd(t *testing.T) {
	c := idl.New(idl.Options{Database: "db", Dial: func(context.Context) (net.Conn, error) { return nil, io.ErrNoProgress }, Once: true})
	if err := c.Run(context.Background()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("Run() = %v", err)
	}
	if _, err := c.WaitReady(context.Background()); !errors.Is(err, io.ErrNoProgress) {
		t.Errorf("WaitReady() = %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	c = idl.New(idl.Options{Database: "db", Dial: dialer(func(nc net.Conn) { honest().serve(nc) })})
	if err := c.Run(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Run() = %v", err)
	}
	if _, err := c.WaitReady(context.Background()); !errors.Is(err, context.Canceled) {
		t.Errorf("WaitReady() = %v", err)
	}
}

// A server that falls silent is probed, and then given up.
func TestSilence(t *testing.T) {
	var connections atomic.Int32
	serve := func(nc net.Conn) {
		connections.Add(1)
		honest().with("echo", "-").serve(nc)
	}
	inBubble(t, idl.Options{Dial: dialer(serve), ProbeInterval: 2 * time.Second}, func(c *idl.Client) {
		time.Sleep(3 * time.Second)
		if !c.Connected() || connections.Load() != 1 {
			t.Errorf("given up before its time: %d connections", connections.Load())
		}
		time.Sleep(3 * time.Second)
		if connections.Load() != 2 {
			t.Errorf("%d connections", connections.Load())
		}
	})
	connections.Store(0)
	inBubble(t, idl.Options{Dial: dialer(serve), ProbeInterval: -1}, func(*idl.Client) {
		time.Sleep(time.Hour)
		if connections.Load() != 1 {
			t.Errorf("%d connections without probes", connections.Load())
		}
	})
	connections.Store(0)
	answering := func(nc net.Conn) { connections.Add(1); honest().serve(nc) }
	inBubble(t, idl.Options{Dial: dialer(answering)}, func(*idl.Client) {
		time.Sleep(time.Hour)
		if connections.Load() != 1 {
			t.Errorf("%d connections with answers", connections.Load())
		}
	})
	// While it composes the contents of a large database, a server answers nothing.
	connections.Store(0)
	slow := func(nc net.Conn) { connections.Add(1); honest().with("monitor", "-").serve(nc) }
	inBubble(t, idl.Options{Dial: dialer(slow)}, func(*idl.Client) {
		time.Sleep(50 * time.Second)
		if connections.Load() != 1 {
			t.Errorf("%d connections while waiting for the contents", connections.Load())
		}
	})
}

func TestBackoff(t *testing.T) {
	var attempts atomic.Int32
	dial := func(context.Context) (net.Conn, error) {
		attempts.Add(1)
		return nil, errors.New("refused")
	}
	inBubble(t, idl.Options{Dial: dial}, func(c *idl.Client) {
		time.Sleep(time.Minute)
		if n := attempts.Load(); n < 8 || n > 12 { // after 1, 2, 4, 8, 8... seconds
			t.Errorf("%d attempts in a minute", n)
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if _, err := c.WaitReady(ctx); !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "refused") {
			t.Errorf("WaitReady() = %v", err)
		}
	})
	var hangs atomic.Int32
	hang := func(ctx context.Context) (net.Conn, error) {
		hangs.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	}
	inBubble(t, idl.Options{Dial: hang}, func(*idl.Client) {
		time.Sleep(time.Minute)
		if n := hangs.Load(); n < 3 {
			t.Errorf("%d attempts that hung in a minute", n)
		}
	})
}

func TestOutcomeUnknown(t *testing.T) {
	for answer, want := range map[string]string{
		"-": "", `{}`: "not an array", `[1]`: "result of an operation", `[{"uuid":["uuid","x"]}]`: "not a UUID",
	} {
		serve := func(nc net.Conn) { honest().with("transact", answer).serve(nc) }
		inBubble(t, idl.Options{Dial: dialer(serve)}, func(c *idl.Client) {
			time.Sleep(time.Second)
			ctx, cancel := context.WithTimeout(context.Background(), time.Second)
			defer cancel()
			_, err := c.Transact(ctx, []byte(`{"op":"comment","comment":""}`))
			if !errors.Is(err, idl.ErrOutcomeUnknown) || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: error is %v", answer, err)
			}
		})
	}
	serve := func(nc net.Conn) { honest().with("transact", `!"no"`).serve(nc) }
	inBubble(t, idl.Options{Dial: dialer(serve)}, func(c *idl.Client) {
		time.Sleep(time.Second)
		if _, err := c.Transact(context.Background(), nil); err == nil || errors.Is(err, idl.ErrOutcomeUnknown) {
			t.Errorf("a refusal is %v", err)
		}
	})
}
