package storage

import (
	"bytes"
	"crypto/sha1"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// appendSynced appends the records [from, to), and syncs each.
func appendSynced(t testing.TB, l *Log, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := l.Append([]byte(record(i))); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	fi, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return fi.Size()
}

// TestRoom syncs record by record: the file grows at once for many, is one that everybody can read at any time, and ends
// with its last record when it is closed.
func TestRoom(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 1, Options{})
	appendSynced(t, l, 1, roomHabit)
	if got := fileSize(t, path); got != l.Size() {
		t.Fatalf("the file has %d bytes, %d of them records, after few syncs", got, l.Size())
	}
	const n = 800
	var sizes []int64
	for i := roomHabit; i < n; i++ {
		appendSynced(t, l, i, i+1)
		if size := fileSize(t, path); len(sizes) == 0 || sizes[len(sizes)-1] != size {
			sizes = append(sizes, size)
			r, records, rec := mustReplay(t, path, Options{ReadOnly: true})
			r.Close()
			if rec != nil || !slices.Equal(records, wantRecords(i+1)) {
				t.Fatalf("read while it is written: got %d records, recovery %v", len(records), rec)
			}
		}
	}
	if len(sizes) > 10 || sizes[0] < roomSize {
		t.Errorf("the file had the sizes %d", sizes)
	}

	// What is there when the process dies.
	left := filepath.Join(t.TempDir(), "db")
	whole, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(left, whole, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(left, nil, nil); err != nil {
		t.Error(err)
	}
	l.Close()
	if got := fileSize(t, path); got != l.Size() {
		t.Errorf("closed, the file has %d bytes, %d of them records", got, l.Size())
	}
	before := l.Size()
	l, records, rec := mustReplay(t, left, Options{})
	if rec != nil || !slices.Equal(records, wantRecords(n)) || l.Size() != before {
		t.Errorf("got %d records, %d bytes, recovery %v", len(records), l.Size(), rec)
	}
	appendSynced(t, l, n, n+1)
	if got := fileSize(t, left); got != int64(len(whole)) {
		t.Errorf("the file has %d bytes, had %d with room", got, len(whole))
	}
	l.Close()
	l, records, rec = mustReplay(t, left, Options{})
	l.Close()
	if rec != nil || !slices.Equal(records, wantRecords(n+1)) {
		t.Errorf("got %d records, recovery %v", len(records), rec)
	}
}

// TestRoomSum compares the sum of room, which is made of parts, with that of the whole.
func TestRoomSum(t *testing.T) {
	for n := leastRoom; n <= roomSize; n += 1 + n%97 {
		room := appendWholeRoom(nil, n)
		data := room[roomHeader:]
		h, ok := parseHeader(string(room[:roomHeader]))
		if !ok || len(room) != n || !isRoom(data) || h.length != int64(len(data)) || h.sum != sha1.Sum(data) {
			t.Fatalf("room of %d bytes has %d and begins %q", n, len(room), room[:roomHeader+1])
		}
	}
}

// TestRoomOthers has the tools of Open vSwitch read a file with room, and write behind it.
func TestRoomOthers(t *testing.T) {
	env := testenv.OVS(t)
	tool := testenv.Program(t, "ovsdb-tool")
	rows := func(path string) int {
		return strings.Count(env.Output(t, tool, "query", path, `["d",{"op":"select","table":"t","where":[],"columns":["c"]}]`), `"c":`)
	}
	path := filepath.Join(env.DBDir, "db")
	l := mustCreate(t, path, 0, Options{})
	l.habit = roomHabit
	appendSynced(t, l, 0, 20)
	if fileSize(t, path) == l.Size() {
		t.Fatal("there is no room")
	}
	if n := rows(path); n != 20 {
		t.Errorf("ovsdb-tool finds %d rows, want 20", n)
	}
	left := filepath.Join(env.DBDir, "left")
	whole, err := os.ReadFile(path)
	if err == nil {
		err = os.WriteFile(left, whole, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	env.Output(t, tool, "transact", left, `["d",{"op":"insert","table":"t","row":{"c":"theirs"}}]`)
	env.Output(t, tool, "show-log", left)
	if n := rows(left); n != 21 {
		t.Errorf("ovsdb-tool finds %d rows, want 21", n)
	}
	l, records, rec := mustReplay(t, left, Options{})
	defer l.Close()
	if rec != nil || len(records) != 23 || strings.Trim(records[21], " ") != "{"+strings.Repeat(" ", len(records[21])-2)+"}" ||
		!strings.Contains(records[22], "theirs") {
		t.Errorf("%d records, recovery %v", len(records), rec)
	}
	appendSynced(t, l, 20, 30)
	if n := rows(left); n != 31 {
		t.Errorf("ovsdb-tool finds %d rows, want 31", n)
	}
}

// TestRoomBatches appends as much at once as fits into the room or does not, and cuts it off again, with and without syncs.
func TestRoomBatches(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	fs := newMemFS()
	l := mustCreate(t, "db", 0, Options{FS: fs})
	want := []string{schemaRecord}
	rooms := 0
	for range 1000 {
		l.habit += r.IntN(2) * roomHabit
		var batch [][]byte
		var texts []string
		for range 1 + r.IntN(3) {
			size := []int{1, 100, 700, 5000, roomSize - 1000 + r.IntN(2000)}[min(r.IntN(7), 4)]
			if r.IntN(4) == 0 && l.room > 600 { // to leave very little
				size = l.room - 300 + r.IntN(600)
			}
			text := `{"_comment":"` + strings.Repeat("x", size) + `"}`
			batch, texts = append(batch, []byte(text)), append(texts, text)
		}
		failing := r.IntN(10) == 0
		if failing {
			fs.fail = func(e string) error {
				if strings.HasPrefix(e, "write") {
					return errShortWrite
				}
				return nil
			}
		}
		err := l.Append(batch...)
		if fs.fail = nil; failing != (err != nil) {
			t.Fatal(err)
		}
		if !failing {
			want = append(want, texts...)
		}
		if r.IntN(2) == 0 {
			if err := l.Sync(); err != nil {
				t.Fatal(err)
			}
		}
		if got := int64(len(fs.Names["db"].Data)); got != l.Size()+int64(l.room) || l.room != 0 && l.room < leastRoom {
			t.Fatalf("the file has %d bytes, %d of records and %d of room", got, l.Size(), l.room)
		}
		if l.room > 0 {
			rooms++
		}
		if len(want) > 50 { // a larger file takes longer and shows no more
			got := read(t, fs)
			if !slices.Equal(got, want) {
				t.Fatalf("%d records, want %d", len(got), len(want))
			}
			if err := l.Compact(some()...); err != nil {
				t.Fatal(err)
			}
			want = want[:1]
		}
	}
	if rooms < 50 {
		t.Errorf("there was room %d times", rooms)
	}
}

// read reads the records of a log that is open.
func read(t testing.TB, fs *memFS) []string {
	t.Helper()
	l, records, rec := mustReplay(t, "db", Options{FS: fs, ReadOnly: true})
	l.Close()
	if rec != nil {
		t.Fatal(rec)
	}
	return records
}

// TestRoomFullDisk has space for a record, and none for room.
func TestRoomFullDisk(t *testing.T) {
	fs := newMemFS()
	l := mustCreate(t, "db", 0, Options{FS: fs})
	l.habit = roomHabit - 8
	appendSynced(t, l, 0, 7)
	full := 0
	fs.fail = func(e string) error {
		if strings.HasPrefix(e, "write") && full == 0 {
			full++
			return syscall.ENOSPC
		}
		return nil
	}
	full = 1
	appendSynced(t, l, 7, 8)
	full = 0
	appendSynced(t, l, 8, 9)
	if full != 1 || l.room != 0 || !slices.Equal(read(t, fs), wantRecords(9)) {
		t.Errorf("there was no space %d times, room is %d, records are %q", full, l.room, read(t, fs))
	}
}

// TestRoomTorn writes into room as a loss of power may leave it.
func TestRoomTorn(t *testing.T) {
	for _, c := range []struct {
		name string
		// what the file becomes: old is as before the record was written, new with it, at the place of the record, whose length
		// with its header is n
		torn     func(old, new []byte, at, n int) []byte
		keep     int
		recovery bool
	}{
		{"nothing", func(old, new []byte, at, n int) []byte { return old }, 10, false},
		{"all", func(old, new []byte, at, n int) []byte { return new }, 11, false},
		{"no header of room", func(old, new []byte, at, n int) []byte { return slices.Concat(new[:at+n], old[at+n:]) }, 11, false},
		{"half", func(old, new []byte, at, n int) []byte { return slices.Concat(new[:at+n/2+30], old[at+n/2+30:]) }, 10, true},
		{"second half", func(old, new []byte, at, n int) []byte { return slices.Concat(old[:at+n/2+30], new[at+n/2+30:]) }, 10, true},
		{"half a header", func(old, new []byte, at, n int) []byte { return slices.Concat(new[:at+20], old[at+20:]) }, 10, true},
		{"header of room only", func(old, new []byte, at, n int) []byte { return slices.Concat(old[:at+n], new[at+n:]) }, 10, true},
	} {
		for _, full := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s full=%v", c.name, full), func(t *testing.T) {
				fs := newMemFS()
				l := mustCreate(t, "db", 0, Options{FS: fs})
				l.habit = roomHabit
				appendSynced(t, l, 0, 10)
				old, at := slices.Clone(fs.Names["db"].Data), int(l.Size())
				appendSynced(t, l, 10, 11)
				new := slices.Clone(fs.Names["db"].Data)
				if len(old) != len(new) {
					t.Fatal("there is no room")
				}
				fs = newMemFS()
				fs.Create("db")
				fs.Names["db"].Data = c.torn(old, new, at, int(l.Size())-at)
				damaged := bytes.Clone(fs.Names["db"].Data)
				r, records, rec := mustReplay(t, "db", Options{FS: fs, ReadOnly: true})
				r.Close()
				if !slices.Equal(records, wantRecords(c.keep)) || (rec != nil) != c.recovery || !bytes.Equal(fs.Names["db"].Data, damaged) {
					t.Errorf("read-only: %d records, want %d; %v", len(records), c.keep, rec)
				}
				if full {
					fs.fail = func(edge string) error {
						if strings.Contains(edge, ".corrupt.") {
							return syscall.ENOSPC
						}
						return nil
					}
				}
				l, records, rec = mustReplay(t, "db", Options{FS: fs})
				if !slices.Equal(records, wantRecords(c.keep)) || (rec != nil) != c.recovery {
					t.Errorf("%d records, want %d; %v", len(records), c.keep, rec)
				}
				appendSynced(t, l, c.keep, 20)
				l.Close()
				if got := read(t, fs); !slices.Equal(got, wantRecords(20)) {
					t.Errorf("afterwards: %q", got)
				}
			})
		}
	}
}

// TestRoomReadMeanwhile reads a file to which so much is written after the beginning of its room has been read that the
// rest does not fit that any more.
func TestRoomReadMeanwhile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 1, Options{})
	if err := l.Append(fmt.Appendf(nil, `{"T": %q}`, strings.Repeat("x", roomSize/2))); err != nil { // or the room ends where what is read at once does
		t.Fatal(err)
	}
	n := 2
	for ; l.Size() < scanBuffer-roomSize/4 || l.room < roomSize/2; n++ {
		appendSynced(t, l, n, n+1)
	}
	if end := l.Size() + int64(l.room); l.Size() >= scanBuffer || end <= scanBuffer {
		t.Fatalf("the room is from %d to %d", l.Size(), end)
	}
	r, err := Open(path, Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	read := 0
	rec, err := r.Replay(func([]byte) error {
		if read++; read == n+1 {
			for ; l.Size() < scanBuffer+roomSize/8; n++ {
				appendSynced(t, l, n, n+1)
			}
		}
		return nil
	})
	if err != nil || rec != nil || read != n+1 {
		t.Errorf("got %d records of %d, recovery %v, %v", read, n+1, rec, err)
	}
}

// TestRoomOvertaken wants what another program has written behind the room left where it is.
func TestRoomOvertaken(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 1, Options{})
	l.habit = roomHabit
	appendSynced(t, l, 1, 50)
	if l.room == 0 {
		t.Fatal("there is no room")
	}
	theirs := AppendRecord(nil, []byte(record(50)))
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write(theirs); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := l.Close(); err == nil {
		t.Error("no error tells of it")
	}
	if b, err := os.ReadFile(path); err != nil || !bytes.HasSuffix(b, theirs) {
		t.Errorf("it is gone, %v", err)
	}
}
