package server

import (
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/storage"
	"github.com/vtep/vtep/internal/ovsdb/wire"
	"github.com/vtep/vtep/internal/testenv"
)

// faultyFS is the operating system's file system, with hooks where a disk can fail.
type faultyFS struct {
	storage.FS
	mu          sync.Mutex
	write, sync func() error // nil: no fault
}

func (f *faultyFS) set(write, sync func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.write, f.sync = write, sync
}

func (f *faultyFS) hooks() (write, sync func() error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.write, f.sync
}

func (f *faultyFS) Open(name string, write bool) (storage.File, error) {
	file, err := f.FS.Open(name, write)
	if err != nil {
		return nil, err
	}
	return faultyFile{file, f}, nil
}

type faultyFile struct {
	storage.File
	fs *faultyFS
}

func (f faultyFile) WriteAt(b []byte, off int64) (int, error) {
	if write, _ := f.fs.hooks(); write != nil {
		if err := write(); err != nil {
			n, _ := f.File.WriteAt(b[:len(b)/2], off) // half of it gets there
			return n, err
		}
	}
	return f.File.WriteAt(b, off)
}

func (f faultyFile) Sync() error {
	if _, sync := f.fs.hooks(); sync != nil {
		if err := sync(); err != nil {
			return err
		}
	}
	return f.File.Sync()
}

// TestDurableThenVisible holds the disk up: nobody is answered or told of anything, whoever
// asks, until the sync is done.
func TestDurableThenVisible(t *testing.T) {
	fs := &faultyFS{FS: storage.OS}
	r := newRig(t, Options{FS: fs})
	w, watcher, reader, late := r.dial(), r.dial(), r.dial(), r.dial()
	watcher.must("monitor", `["things","m",{"Thing":{"columns":["name"]}}]`)
	syncing, release := make(chan struct{}), make(chan struct{})
	var released atomic.Bool
	fs.set(nil, sync.OnceValue(func() error {
		close(syncing)
		<-release
		return nil
	}))
	type event struct {
		who  string
		text string
		soon bool // before the disk was done
	}
	events := make(chan event, 10)
	start := func(c *client, who, method, params string) {
		if err := c.Go(method, []byte(params), func(v wire.Value, err error) {
			events <- event{who, v.String(), !released.Load()}
		}); err != nil {
			t.Fatal(err)
		}
	}
	start(w, "writer", "transact", `["things",`+insertOp(1)+`]`)
	<-syncing
	start(reader, "reader", "transact", `["things",{"op":"select","table":"Thing","where":[],"columns":["name"]}]`)
	start(late, "late monitor", "monitor", `["things","m",{"Thing":{"columns":["name"]}}]`)
	time.Sleep(20 * time.Millisecond) // for what must not happen
	watcher.mu.Lock()
	if len(watcher.notes) > 0 {
		t.Error("an update before the sync")
	}
	watcher.mu.Unlock()
	released.Store(true)
	close(release)
	for range 3 {
		e := <-events
		if e.soon {
			t.Errorf("%s was answered before the sync: %s", e.who, e.text)
		}
		if e.who != "writer" && !strings.Contains(e.text, "thing 1") {
			t.Errorf("%s: %s", e.who, e.text)
		}
	}
	watcher.next()
}

// TestWriteError has the disk fill up for a while: the transactions of that time never
// happened, those before and after did.
func TestWriteError(t *testing.T) {
	fs, told := &faultyFS{FS: storage.OS}, make(chan string, 10)
	r := newRig(t, Options{FS: fs, Unwritable: unwritable(told)})
	w, watcher := r.dial(), r.dial()
	watcher.must("monitor", `["things","m",{"Thing":{"columns":["name"]}}]`)
	w.insert("before", 1)
	watcher.next()
	fs.set(func() error { return syscall.ENOSPC }, nil)
	for i := range 3 {
		v := w.must("transact", `["things",`+insertOp(i)+`,{"op":"select","table":"Thing","where":[],"columns":["name"]}]`)
		last := v.Index(v.Len() - 1)
		if last.Get("error").Str() != "I/O error" || !strings.Contains(last.Get("io-error").Str(), "no space left") {
			t.Errorf("answer %s", v)
		}
		if n := w.count("Thing"); n != 1 {
			t.Errorf("%d rows while the disk is full", n)
		}
	}
	fs.set(nil, nil)
	w.insert("after", 2)
	if n := watcher.next(); !strings.Contains(n.params, "after") {
		t.Errorf("update %v", n)
	}
	reopened(t, r, "after", "before")
	log := r.log.String()
	if strings.Count(log, "rolled back") != 1 || strings.Count(log, "can be written again") != 2 {
		t.Error("the log must tell once of the failure, and once of its end")
	}
	if first, second := <-told, <-told; !strings.Contains(first, "no space left") || !strings.HasSuffix(first, " false") || second != "things <nil> false" || len(told) > 0 {
		t.Errorf("told %q, %q and %d more", first, second, len(told))
	}
}

// unwritable is an Options.Unwritable that puts what it is told into told.
func unwritable(told chan string) func(string, error, bool) {
	return func(database string, err error, broken bool) { told <- fmt.Sprint(database, " ", err, " ", broken) }
}

// TestSyncError has a sync fail: nobody knows any more what is on the disk, so the database
// is read-only until a new file has been written.
func TestSyncError(t *testing.T) {
	fs := &faultyFS{FS: storage.OS}
	r := newRig(t, Options{FS: fs})
	w := r.dial()
	w.insert("before", 1)
	fs.set(nil, func() error { return syscall.EIO })
	insert := `["things",` + insertOp(1) + `]`
	if v := w.must("transact", insert); !strings.Contains(v.String(), "I/O error") {
		t.Errorf("answer %s", v)
	}
	fs.set(nil, nil)
	if v := w.must("transact", insert); !strings.Contains(v.String(), "I/O error") {
		t.Errorf("a broken log took %s", v)
	}
	if err := r.StorageError("things"); err == nil {
		t.Error("no storage error")
	}
	if n := w.count("Thing"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if err := r.Compact("things"); err != nil {
		t.Fatal(err)
	}
	if err := r.StorageError("things"); err != nil {
		t.Error(err)
	}
	w.insert("after", 2)
	reopened(t, r, "after", "before")
}

// TestRollBackOfBatch has a batch of many transactions fail as a whole.
func TestRollBackOfBatch(t *testing.T) {
	fs := &faultyFS{FS: storage.OS}
	r := newRig(t, Options{FS: fs})
	c, others := r.dial(), r.dial() // the reader of c may be who waits for the disk
	id := c.insert("x", 0)
	blocked, release := make(chan struct{}), make(chan struct{})
	calls := 0
	fs.set(nil, func() error {
		if calls++; calls == 1 { // the first batch is small; the second is what piled up
			close(blocked)
			<-release
			return nil
		}
		return nil
	})
	var left sync.WaitGroup
	var failed, fine atomic.Int32
	start := func(c *client) {
		left.Add(1)
		if err := c.Go("transact", []byte(`["things",{"op":"mutate","table":"Thing","where":[["_uuid","==",["uuid","`+id+`"]]],"mutations":[["n","+=",1]]}]`),
			func(v wire.Value, err error) {
				defer left.Done()
				if err != nil || strings.Contains(v.String(), "I/O error") {
					failed.Add(1)
				} else {
					fine.Add(1)
				}
			}); err != nil {
			t.Fatal(err)
		}
	}
	start(c)
	<-blocked
	for range 100 {
		start(others)
	}
	testenv.Eventually(t, patience, func() error { // all are queued
		d := r.find("things")
		d.queue.mu.Lock()
		defer d.queue.mu.Unlock()
		n := 0
		for _, l := range d.queue.lanes {
			n += len(l.jobs)
		}
		if n < 100 {
			return fmt.Errorf("%d queued", n)
		}
		return nil
	})
	fs.set(func() error { return syscall.ENOSPC }, nil)
	close(release)
	left.Wait()
	fs.set(nil, nil)
	if fine.Load() != 1 || failed.Load() != 100 {
		t.Errorf("%d answered well, %d with an error", fine.Load(), failed.Load())
	}
	v := c.transact(`{"op":"select","table":"Thing","where":[],"columns":["n"]}`)
	sameJSON(t, "rows", v.String(), `[{"rows":[{"n":1}]}]`)
	reopened(t, r, "x")
}

// reopened checks which Things are in the file, by their names.
func reopened(t *testing.T, r *rig, names ...string) {
	t.Helper()
	path := r.Path("things")
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	c := r.dial()
	for _, name := range names {
		v := c.transact(fmt.Sprintf(`{"op":"select","table":"Thing","where":[["name","==",%q]],"columns":["name"]}`, name))
		if v.Index(0).Get("rows").Len() != 1 {
			t.Errorf("%q is lost", name)
		}
	}
	if n := c.count("Thing"); n != len(names) {
		t.Errorf("%d rows in the file, want %d", n, len(names))
	}
}

// TestKill kills the server under a pipelined load, again and again: what it has answered is
// there when it comes back.
func TestKill(t *testing.T) {
	path := createFile(t, testSchema)
	acked := map[string]bool{}
	next := 0
	for round := range 5 {
		p := startOurs(t, path, "always")
		c := p.dial(t)
		check := c.must("transact", `["things",{"op":"select","table":"Thing","where":[],"columns":["name"]}]`)
		found := map[string]bool{}
		for row := range check.Index(0).Get("rows").Elems() {
			found[strings.Clone(row.Get("name").Str())] = true
		}
		for name := range acked {
			if !found[name] {
				t.Fatalf("round %d: %s was answered and is lost", round, name)
			}
		}
		if len(found) > next {
			t.Fatalf("round %d: %d rows, only %d were sent", round, len(found), next)
		}
		var mu sync.Mutex
		var pending sync.WaitGroup
		enough := make(chan struct{})
		answered := 0
		stop := atomic.Bool{}
		go func() {
			<-enough
			p.kill()
		}()
		for !stop.Load() {
			name := fmt.Sprintf("thing %d", next)
			params := `["things",` + insertOp(next) + `]`
			pending.Add(1)
			err := c.Go("transact", []byte(params), func(v wire.Value, err error) {
				defer pending.Done()
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					stop.Store(true)
					return
				}
				acked[name] = true
				if answered++; answered == 300 {
					close(enough)
				}
			})
			if err != nil {
				pending.Done()
				break
			}
			next++
		}
		pending.Wait()
		<-p.exited
	}
	if len(acked) < 5*300 {
		t.Errorf("only %d answers", len(acked))
	}
	// And others can read the file.
	tool := testenv.Program(t, "ovsdb-tool")
	out, err := exec.Command(tool, "query", path, `["things",{"op":"select","table":"Thing","where":[],"columns":["name"]}]`).CombinedOutput()
	if err != nil {
		t.Fatalf("ovsdb-tool: %v\n%s", err, out)
	}
	if n := strings.Count(string(out), `"name"`); n < len(acked) {
		t.Errorf("ovsdb-tool finds %d rows of %d", n, len(acked))
	}
}

// TestDamagedFile opens a file with garbage at its end.
func TestDamagedFile(t *testing.T) {
	r := newRig(t, Options{})
	r.dial().insert("a", 1)
	path := r.Path("things")
	if err := r.RemoveDatabase("things"); err != nil {
		t.Fatal(err)
	}
	appendFile(t, path, "garbage")
	if _, err := r.AddDatabase(path); err != nil {
		t.Fatal(err)
	}
	if n := r.dial().count("Thing"); n != 1 {
		t.Errorf("%d rows", n)
	}
	kept, err := filepath.Glob(path + ".corrupt.*")
	if err != nil || len(kept) != 1 || readFile(t, kept[0]) != "garbage" {
		t.Errorf("kept %v, %v", kept, err)
	}
	if !strings.Contains(r.log.String(), "level=ERROR") {
		t.Error("nothing in the log")
	}
	// A second server may not have the file.
	other := newEmptyRig(t, Options{})
	if _, err := other.AddDatabase(path); !errors.Is(err, storage.ErrLocked) {
		t.Errorf("a second server: %v", err)
	}
	if _, err := r.AddDatabase(path); !errors.Is(err, ErrAlready) {
		t.Errorf("a second time: %v", err)
	}
}

// TestReplyThenClose has a client close its sending side at once: it still gets its answers.
func TestReplyThenClose(t *testing.T) {
	r := newRig(t, Options{})
	if err := r.AddRemote("ptcp:0:127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	out := pipeThrough(t, "127.0.0.1:"+r.port(), `{"id":1,"method":"transact","params":["things",`+insertOp(1)+`]}{"id":2,"method":"echo","params":[]}`)
	if !strings.Contains(out, `"uuid"`) || !strings.Contains(out, `"id":2`) {
		t.Errorf("got %s", out)
	}
}
