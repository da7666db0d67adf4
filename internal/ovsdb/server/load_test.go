package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// TestThousandMonitors has a thousand sessions watch, of which a hundred do not read. The
// others are told as it happens, perhaps of several transactions at once when the machine is
// busy; what waits for the hundred is bounded, and when they read at last they end with what
// is there.
func TestThousandMonitors(t *testing.T) {
	const sessions, idle, transactions, queue = 1000, 100, 40, 20_000
	r := newRig(t, Options{Limits: Limits{Queue: queue}})
	w := r.dial()
	id := w.insert("a", 0)
	const request = `{"id":0,"method":"monitor_cond","params":["things","m",{"Thing":{"columns":["n","note"]}}]}`
	var told sync.WaitGroup
	told.Add(sessions - idle)
	last := fmt.Sprintf(`"n":%d,`, transactions)
	var wrong atomic.Int32
	conns := make([]net.Conn, sessions)
	for i := range conns {
		nc, err := r.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		defer nc.Close()
		conns[i] = nc
		if _, err := nc.Write([]byte(request)); err != nil {
			t.Fatal(err)
		}
		if i >= idle {
			go func() {
				defer told.Done()
				if n := readUntil(nc, last); n < 1 {
					wrong.Add(1)
				}
			}()
		}
	}
	testenv.Eventually(t, patience, func() error {
		if n := r.Usage().Monitors; n != sessions {
			return fmt.Errorf("%d monitors", n)
		}
		return nil
	})
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	note := strings.Repeat("x", 2000)
	for i := range transactions {
		w.transact(fmt.Sprintf(`{"op":"update","table":"Thing","where":[["_uuid","==",["uuid",%q]]],"row":{"n":%d,"note":"%s%d"}}`, id, i+1, note, i))
	}
	told.Wait()
	if n := wrong.Load(); n > 0 {
		t.Errorf("%d sessions that read were not told of the last transaction", n)
	}
	if u := r.Usage(); u.Sessions < sessions || u.Backlog > idle*(queue+3000) {
		t.Errorf("%d sessions, %d bytes wait", u.Sessions, u.Backlog)
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	// Without a bound it would be idle*transactions*2000 bytes: 8 MB.
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("the heap has grown by %d bytes", grown)
	}
	for _, nc := range conns[:idle] {
		if n := readUntil(nc, last); n >= transactions {
			t.Errorf("%d updates for a session that did not read", n)
		}
	}
}

// readUntil counts the updates up to the one that has the text; -1: it never came.
func readUntil(nc net.Conn, text string) int {
	reader := wire.NewReader(nc, 1<<20)
	n := 0
	for {
		message, err := reader.Next()
		if err != nil {
			return -1
		}
		if strings.Contains(string(message), `"update2"`) {
			n++
			if strings.Contains(string(message), text) {
				return n
			}
		}
	}
}

// slowFS is a file system on which the new file of a compaction takes as long as the test
// wants.
type slowFS struct {
	storage.FS
	armed          atomic.Bool // the next one
	begun, release chan struct{}
}

func (f *slowFS) Create(name string) (storage.File, error) {
	if strings.HasSuffix(name, ".tmp") && f.armed.CompareAndSwap(true, false) {
		close(f.begun)
		<-f.release
	}
	return f.FS.Create(name)
}

// TestCompactUnderLoad compacts while requests come without end: they are answered while the
// new file is being written, and it takes its place though the server is never idle.
func TestCompactUnderLoad(t *testing.T) {
	fs := &slowFS{FS: storage.OS, begun: make(chan struct{}), release: make(chan struct{})}
	r := newRig(t, Options{FS: fs, Durability: DurableClient})
	c := r.dial()
	c.must("transact", string(bulk(0, 20_000))) // of which the snapshot is taken in steps
	done := make(chan error, 1)
	fs.armed.Store(true)
	go func() { done <- r.Compact("things") }()
	<-fs.begun
	for i := range 200 {
		c.insert(fmt.Sprint("meanwhile ", i), i)
	}
	// More than one client, so that the queue does not run empty.
	ctx, stop := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	for range 3 {
		c := r.dial()
		window := make(chan struct{}, 100)
		busy.Add(1)
		go func() {
			defer busy.Done()
			for ctx.Err() == nil {
				window <- struct{}{}
				err := c.Go("transact", []byte(`["things",{"op":"mutate","table":"Thing","where":[["name","==","thing 7"]],"mutations":[["n","+=",1]]}]`),
					func(wire.Value, error) { <-window })
				if err != nil {
					t.Error(err)
					return
				}
			}
			for range cap(window) { // all are answered
				window <- struct{}{}
			}
		}()
	}
	close(fs.release)
	if err := <-done; err != nil {
		t.Error(err)
	}
	stop()
	busy.Wait()
	n := c.count("Thing")
	want := c.transact(`{"op":"select","table":"Thing","where":[["name","==","thing 7"]],"columns":["n"]}`).String()
	path := r.Path("things")
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	c = r.dial()
	got := c.transact(`{"op":"select","table":"Thing","where":[["name","==","thing 7"]],"columns":["n"]}`).String()
	if now := c.count("Thing"); now != n || n != 20_200 || got != want {
		t.Errorf("%d rows, %d in the file; %s, in the file %s", n, now, want, got)
	}
}

// TestWaitEndsUnderLoad has a transaction time out while the server is never idle.
func TestWaitEndsUnderLoad(t *testing.T) {
	r := newRig(t, Options{Durability: DurableOff})
	flood, err := r.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer flood.Close()
	var stopped atomic.Bool
	go func() { _, _ = io.Copy(io.Discard, flood) }()
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		line := []byte(strings.Repeat(`{"id":1,"method":"transact","params":["things",{"op":"comment","comment":"c"}]}`, 100))
		for !stopped.Load() {
			if _, err := flood.Write(line); err != nil {
				return
			}
		}
	}()
	v := r.dial().must("transact", `["things",{"op":"wait","table":"Thing","where":[],"columns":["n"],"until":"==","rows":[{"n":1}],"timeout":50}]`)
	if v.Index(0).Get("error").Str() != "timed out" {
		t.Errorf("got %s", v)
	}
	stopped.Store(true)
	<-ended
}
