package jsonrpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// answer serves conn: it replies to every request with its params, and to "fail" with an
// error.
func answer(t *testing.T, nc net.Conn) *Conn {
	t.Helper()
	c := NewConn(nc, Options{})
	go func() {
		for {
			m, err := c.Read()
			if err != nil {
				c.Abort(err)
				return
			}
			switch {
			case m.Kind != Request:
			case m.Method == "fail":
				_ = c.Send(AppendError(nil, []byte(`{"error":"e","details":"d"}`), m.ID.Raw()))
			case m.Method == "silence":
			default:
				_ = c.Send(AppendReply(nil, m.Params.Raw(), m.ID.Raw()))
			}
		}
	}()
	return c
}

func TestClient(t *testing.T) {
	testenv.NoLeaks(t)
	a, b := net.Pipe()
	srv := answer(t, b)
	notes := make(chan string, 10)
	c := NewClient(a, Options{}, func(m Message) { notes <- m.Method })
	ctx := context.Background()
	for i := range 100 {
		v, err := c.Call(ctx, "mirror", fmt.Appendf(nil, "[%d]", i))
		if err != nil || v.Index(0).Int() != int64(i) {
			t.Fatalf("call %d: %v, %v", i, v, err)
		}
	}
	_, err := c.Call(ctx, "fail", []byte("[]"))
	var remote *RemoteError
	if !errors.As(err, &remote) || err.Error() != "fail: e: d" {
		t.Errorf("failed call: %v", err)
	}
	if err := srv.Send(AppendNotify(nil, "note", []byte("[]"))); err != nil {
		t.Error(err)
	}
	if got := <-notes; got != "note" {
		t.Errorf("notification %q", got)
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	if _, err := c.Call(short, "silence", []byte("[]")); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("call without an answer: %v", err)
	}
	cancel()
	// A peer that goes away fails the calls that wait.
	failed := make(chan error, 1)
	if err := c.Go("silence", []byte("[]"), func(_ wire.Value, err error) { failed <- err }); err != nil {
		t.Fatal(err)
	}
	srv.Close()
	if err := <-failed; err == nil {
		t.Error("a call of a peer that left succeeded")
	}
	<-c.Done()
	if _, err := c.Call(ctx, "mirror", []byte("[]")); err == nil {
		t.Error("called after the end")
	}
	c.Close()
}

func TestClientAnswersEcho(t *testing.T) {
	testenv.NoLeaks(t)
	a, b := net.Pipe()
	c := NewClient(a, Options{}, nil)
	defer c.Close()
	peer := NewConn(b, Options{})
	defer peer.Close()
	if err := peer.Send(AppendRequest(nil, "echo", []byte("[7]"), []byte(`"echo"`))); err != nil {
		t.Fatal(err)
	}
	m, err := peer.Read()
	if err != nil || m.Kind != Reply || m.ID.Str() != "echo" || m.Result.Index(0).Int() != 7 {
		t.Errorf("%+v, %v", m, err)
	}
}

func TestBacklog(t *testing.T) {
	testenv.NoLeaks(t)
	a, b := net.Pipe()
	defer b.Close()
	c := NewConn(a, Options{MaxQueue: 1000})
	big := []byte(strings.Repeat("x", 400))
	if err := errors.Join(c.Send(big), c.Send(big)); err != nil {
		t.Fatal(err)
	}
	if c.Backlog() != 800 {
		t.Errorf("backlog %d", c.Backlog())
	}
	if err := c.Send(big); !errors.Is(err, ErrBacklog) {
		t.Errorf("Send: %v", err)
	}
	if _, err := c.Read(); !errors.Is(err, ErrBacklog) {
		t.Errorf("Read: %v", err)
	}
	c.Close()
}

func TestCloseSoon(t *testing.T) {
	testenv.NoLeaks(t)
	a, b := net.Pipe()
	c := NewConn(a, Options{})
	if err := c.Send([]byte("last ")); err != nil {
		t.Fatal(err)
	}
	if err := c.Send([]byte("words")); err != nil {
		t.Fatal(err)
	}
	c.CloseSoon(10 * time.Second)
	if err := c.Send([]byte("more")); !errors.Is(err, ErrClosed) {
		t.Errorf("Send: %v", err)
	}
	got, err := io.ReadAll(b)
	if err != nil || string(got) != "last words" {
		t.Errorf("%q, %v", got, err)
	}
	<-c.Done()
	// A peer that does not read is not waited for long.
	a, b = net.Pipe()
	defer b.Close()
	c = NewConn(a, Options{})
	if err := c.Send([]byte("last words")); err != nil {
		t.Fatal(err)
	}
	c.CloseSoon(time.Millisecond)
	<-c.Done()
}

func TestDrained(t *testing.T) {
	testenv.NoLeaks(t)
	a, b := net.Pipe()
	drained := make(chan struct{}, 10)
	c := NewConn(a, Options{Drained: func() { drained <- struct{}{} }})
	if c.WatchDrain() {
		t.Error("nothing is queued, and yet to be told of")
	}
	if err := c.Send([]byte("abc")); err != nil {
		t.Fatal(err)
	}
	if !c.WatchDrain() {
		t.Error("what is queued is not to be told of")
	}
	buf := make([]byte, 3)
	if _, err := io.ReadFull(b, buf); err != nil {
		t.Fatal(err)
	}
	<-drained
	if c.Backlog() != 0 {
		t.Errorf("backlog %d", c.Backlog())
	}
	b.Close()
	c.Close()
	<-drained // the end is told without being asked for
	if c.WatchDrain() {
		t.Error("to be told of after the end")
	}
}

// TestDrainedDirectly asks while what is queued is about to be sent without the writer.
func TestDrainedDirectly(t *testing.T) {
	testenv.NoLeaks(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	drained := make(chan struct{}, 10)
	c := NewConn(a, Options{Drained: func() { drained <- struct{}{} }})
	defer c.Close()
	if first, err := c.Queue([]byte("abc")); !first || err != nil {
		t.Fatal(first, err)
	}
	if !c.WatchDrain() {
		t.Error("what is queued is not to be told of")
	}
	c.Flush()
	<-drained
}

// entered tells of each Write as it begins.
type entered struct {
	net.Conn
	writes chan struct{}
}

func (e entered) Write(b []byte) (int, error) {
	e.writes <- struct{}{}
	return e.Conn.Write(b)
}

// TestPatience takes a long message slowly: as long as some of it is taken the peer is alive,
// and waited for.
func TestPatience(t *testing.T) {
	testenv.NoLeaks(t)
	const parts = 6
	a, b := net.Pipe()
	writes := make(chan struct{}, parts+1)
	c := NewConn(entered{a, writes}, Options{})
	defer c.Close()
	if err := c.Send(make([]byte, parts*writeMost)); err != nil {
		t.Fatal(err)
	}
	c.Hurry(time.Minute)
	before := c.Activity()
	for i := range parts {
		<-writes
		time.Sleep(2 * time.Millisecond) // what is taken at once says nothing
		if _, err := io.ReadFull(b, make([]byte, writeMost)); err != nil {
			t.Fatal(err)
		}
		testenv.Eventually(t, 90*time.Second, func() error {
			if now := c.Activity(); !now.After(before) {
				return fmt.Errorf("part %d is no sign of life", i)
			}
			return nil
		})
		before = c.Activity()
	}
	// One that takes nothing is not.
	if err := c.Send([]byte("more")); err != nil {
		t.Fatal(err)
	}
	c.Hurry(time.Millisecond)
	<-c.Done()
}

// TestHolds tells of a long message as it arrives.
func TestHolds(t *testing.T) {
	testenv.NoLeaks(t)
	a, b := net.Pipe()
	held := make(chan int, 100)
	c := NewConn(a, Options{Holds: func(text, _ int) { held <- text }})
	defer c.Close()
	go func() {
		for {
			if _, err := c.Read(); err != nil {
				return
			}
		}
	}()
	write := func(text string) {
		t.Helper()
		if _, err := b.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(`{"id":1,"method":"echo","params":["short"]}`)
	write(`{"id":1,"method":"echo","params":["` + strings.Repeat("x", 1<<20))
	last := 0
	for last < 1<<20 {
		n := <-held
		if n < last {
			t.Fatalf("%d bytes are held after %d", n, last)
		}
		last = n
	}
	write(`"]}`)
	for last > 0 {
		last = <-held
	}
	write(`{"id":1,"method":"echo","params":["` + strings.Repeat("x", 1<<20))
	for last < 1<<20 {
		last = <-held
	}
	b.Close()
	for last > 0 {
		last = <-held
	}
}
