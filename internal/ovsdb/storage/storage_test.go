package storage

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const schemaRecord = `{"name":"d","tables":{"t":{"columns":{"c":{"type":"string"}}}},"version":"1.0.0"}`

func record(i int) string {
	return fmt.Sprintf(`{"t":{"00000000-0000-4000-8000-%012d":{"c":"%d"}},"_date":1}`, i, i)
}

// mustCreate makes a log with the records 0 to n-1 after the schema.
func mustCreate(t testing.TB, path string, n int, opts Options) *Log {
	t.Helper()
	l, err := Create(path, []byte(schemaRecord), opts)
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := l.Append([]byte(record(i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	return l
}

// mustReplay opens the log and returns its records.
func mustReplay(t testing.TB, path string, opts Options) (*Log, []string, *Recovery) {
	t.Helper()
	l, err := Open(path, opts)
	if err != nil {
		t.Fatal(err)
	}
	var records []string
	rec, err := l.Replay(func(r []byte) error {
		records = append(records, string(r))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l, records, rec
}

func wantRecords(n int) []string {
	records := []string{schemaRecord}
	for i := range n {
		records = append(records, record(i))
	}
	return records
}

func TestRoundTrip(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 3, Options{})
	if err := l.Append([]byte(record(3)), []byte(record(4))); err != nil {
		t.Fatal(err)
	}
	size := l.Size()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	l, records, rec := mustReplay(t, path, Options{})
	defer l.Close()
	if rec != nil || !slices.Equal(records, wantRecords(5)) {
		t.Errorf("got %q, recovery %v", records, rec)
	}
	if l.Size() != size || l.records != 4 {
		t.Errorf("size %d, want %d; %d records", l.Size(), size, l.records)
	}
	if err := Check(path, nil, nil); err != nil {
		t.Error(err)
	}
	if entries, _ := filepath.Glob(path + "*"); len(entries) != 1 {
		t.Errorf("left over: %q", entries)
	}
}

func TestCreateExisting(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	mustCreate(t, path, 1, Options{}).Close()
	if _, err := Create(path, []byte(schemaRecord), Options{}); !errors.Is(err, ErrExists) {
		t.Errorf("got %v, want ErrExists", err)
	}
	l, records, _ := mustReplay(t, path, Options{})
	l.Close()
	if len(records) != 2 {
		t.Errorf("got %q", records)
	}
}

func TestRefused(t *testing.T) {
	for name, c := range map[string]struct {
		content string
		want    error
	}{
		"empty":        {"", ErrNotOVSDB},
		"schema file":  {`{"name":"x"}` + "\n", ErrNotOVSDB},
		"text":         {"OVSDB JSON what\n", ErrNotOVSDB},
		"no line feed": {"OVSDB JSON 5 0123456789012345678901234567890123456789", ErrNotOVSDB},
		"other magic":  {"OVSDB PICTURE 5 0123456789012345678901234567890123456789\n", ErrNotOVSDB},
		"cluster":      {"OVSDB CLUSTER 5 0123456789012345678901234567890123456789\nabcde", ErrClustered},
		"long line":    {strings.Repeat("OVSDB JSON ", 100) + "\n", ErrNotOVSDB},
	} {
		path := filepath.Join(t.TempDir(), "db")
		if err := os.WriteFile(path, []byte(c.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, Options{}); !errors.Is(err, c.want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %v", name, err, c.want)
		}
		if b, _ := os.ReadFile(path); string(b) != c.content {
			t.Errorf("%s: the file was changed", name)
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none"), Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

// TestTornSchema: a file whose first record is damaged is not touched.
func TestTornSchema(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	mustCreate(t, path, 0, Options{}).Close()
	whole, _ := os.ReadFile(path)
	if err := os.WriteFile(path, whole[:len(whole)-9], 0o600); err != nil {
		t.Fatal(err)
	}
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if _, err := l.Replay(func([]byte) error { return nil }); err == nil {
		t.Error("no error")
	}
	if b, _ := os.ReadFile(path); len(b) != len(whole)-9 {
		t.Error("the file was changed")
	}
	if err := l.Append([]byte(record(0))); !errors.Is(err, ErrNotReplayed) {
		t.Errorf("append: %v", err)
	}
}

func TestRecovery(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	opts := Options{Now: func() time.Time { return now }}
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
		keep   int // records
	}{
		{"torn data", func(b []byte) []byte { return b[:len(b)-5] }, 2},
		{"torn header", func(b []byte) []byte { return b[:len(b)-len(record(2))-20] }, 2},
		{"garbage", func(b []byte) []byte { return append(b, "more"...) }, 3},
		{"zeros", func(b []byte) []byte { return append(b, make([]byte, 5000)...) }, 3},
		{"bit error", func(b []byte) []byte { b[len(b)-3] ^= 1; return b }, 2},
		{"bit error in the middle", func(b []byte) []byte { b[len(b)-len(record(2))-70] ^= 1; return b }, 1},
		{"huge length", func(b []byte) []byte {
			return append(b, "OVSDB JSON 9223372036854775807 0123456789012345678901234567890123456789\n{}"...)
		}, 3},
		{"negative length", func(b []byte) []byte {
			return append(b, "OVSDB JSON -2 0123456789012345678901234567890123456789\n{}"...)
		}, 3},
		{"not an object", func(b []byte) []byte { return AppendRecord(b, []byte(`[1]`)) }, 3},
		{"cluster record", func(b []byte) []byte {
			return append(b, strings.Replace(string(AppendRecord(nil, []byte(`{}`))), "JSON", "CLUSTER", 1)...)
		}, 3},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			mustCreate(t, path, 3, opts).Close()
			whole, _ := os.ReadFile(path)
			damaged := c.damage(whole)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := Check(path, nil, nil); err == nil {
				t.Error("Check finds nothing")
			}
			l, records, rec := mustReplay(t, path, opts)
			if !slices.Equal(records, wantRecords(c.keep)) || rec == nil {
				t.Fatalf("got %q, recovery %v", records, rec)
			}
			if want := path + ".corrupt.20260102T030405Z"; rec.SavedAs != want {
				t.Errorf("saved as %s, want %s", rec.SavedAs, want)
			}
			cut, err := os.ReadFile(rec.SavedAs)
			if err != nil || string(cut) != string(damaged[rec.Offset:]) || rec.Cut != int64(len(cut)) {
				t.Errorf("cut %d bytes, kept %q: %v", rec.Cut, cut, err)
			}
			if err := l.Append([]byte(record(c.keep))); err != nil {
				t.Fatal(err)
			}
			l.Close()
			l, records, rec = mustReplay(t, path, opts)
			l.Close()
			if rec != nil || !slices.Equal(records, wantRecords(c.keep+1)) {
				t.Errorf("after another append: got %q, recovery %v", records, rec)
			}
		})
	}
}

// TestFullDisk has no room for what is cut off a damaged file. An incomplete record goes without
// being kept, since nobody was told of it; anything else is not thrown away.
func TestFullDisk(t *testing.T) {
	for _, c := range []struct {
		name   string
		damage func([]byte) []byte
		torn   bool
	}{
		{"torn data", func(b []byte) []byte { return b[:len(b)-7] }, true},
		{"torn header", func(b []byte) []byte { return b[:len(b)-len(record(2))-20] }, true},
		{"bit error", func(b []byte) []byte { b[len(b)-3] ^= 1; return b }, false},
		{"bit error in the middle", func(b []byte) []byte { b[len(b)-len(record(2))-70] ^= 1; return b }, false},
		{"torn length in the middle", func(b []byte) []byte {
			return append(append(b[:len(b):len(b)], "OVSDB JSON 100000000 0123456789012345678901234567890123456789\n{}\n"...), b[len(b)/2:]...)
		}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			fs := newMemFS()
			mustCreate(t, "db", 3, Options{FS: fs}).Close()
			inode := fs.Names["db"]
			whole := slices.Clone(inode.Data)
			damaged := c.damage(slices.Clone(whole))
			inode.Data = damaged
			fs.fail = func(edge string) error {
				if strings.Contains(edge, ".corrupt.") {
					return syscall.ENOSPC
				}
				return nil
			}
			l, err := Open("db", Options{FS: fs})
			if err != nil {
				t.Fatal(err)
			}
			rec, err := l.Replay(func([]byte) error { return nil })
			l.Close()
			if !c.torn {
				if !errors.Is(err, syscall.ENOSPC) || !slices.Equal(fs.Names["db"].Data, damaged) {
					t.Errorf("recovery %v, error %v, %d bytes of %d", rec, err, len(fs.Names["db"].Data), len(damaged))
				}
				return
			}
			if err != nil || rec == nil || rec.SavedAs != "" || !errors.Is(rec.Unsaved, syscall.ENOSPC) || len(fs.Names) != 1 {
				t.Fatalf("recovery %v, error %v, files %v", rec, err, fs.Names)
			}
			l, records, rec := mustReplay(t, "db", Options{FS: fs})
			defer l.Close()
			if rec != nil || !slices.Equal(records, wantRecords(2)) {
				t.Errorf("got %q, recovery %v", records, rec)
			}
			if err := l.Append([]byte(record(2))); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestRefusedRecord: the log ends before a record that the database refuses.
func TestRefusedRecord(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	mustCreate(t, path, 4, Options{}).Close()
	l, err := Open(path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	bad := errors.New("no such row")
	n := 0
	rec, err := l.Replay(func([]byte) error {
		if n++; n == 4 {
			return bad
		}
		return nil
	})
	if err != nil || rec == nil || !errors.Is(rec.Reason, bad) {
		t.Fatalf("recovery %v, error %v", rec, err)
	}
	l.Close()
	l, records, rec := mustReplay(t, path, Options{})
	l.Close()
	if rec != nil || !slices.Equal(records, wantRecords(2)) {
		t.Errorf("got %q, %v", records, rec)
	}
}

func TestReadOnly(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	owner := mustCreate(t, path, 2, Options{})
	defer owner.Close()
	l, records, _ := mustReplay(t, path, Options{ReadOnly: true})
	defer l.Close()
	if !slices.Equal(records, wantRecords(2)) {
		t.Errorf("got %q", records)
	}
	if err := l.Append([]byte(record(2))); !errors.Is(err, ErrReadOnly) {
		t.Errorf("append: %v", err)
	}
	if _, err := l.StartCompact(); !errors.Is(err, ErrReadOnly) {
		t.Errorf("compact: %v", err)
	}
}

func TestSymlink(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "real"), 0o700); err != nil {
		t.Fatal(err)
	}
	link, real := filepath.Join(dir, "link"), filepath.Join(dir, "real", "db")
	if err := os.Symlink("real/db", link); err != nil {
		t.Fatal(err)
	}
	l := mustCreate(t, link, 2, Options{})
	defer l.Close()
	if _, err := Open(real, Options{}); !errors.Is(err, ErrLocked) {
		t.Errorf("the target is not locked: %v", err)
	}
	if err := l.Compact(some()...); err != nil {
		t.Fatal(err)
	}
	if fi, err := os.Lstat(link); err != nil || fi.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is gone: %v %v", fi, err)
	}
	if err := Check(real, nil, nil); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "real", ".db.~lock~")); err != nil {
		t.Error(err)
	}
}

// A daemon leaves the directory in which it was started, and compacts a database that was named from there.
func TestRelativePath(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	mustCreate(t, "db", 2, Options{}).Close()
	l, _, _ := mustReplay(t, "db", Options{})
	defer l.Close()
	t.Chdir("/")
	if l.Lost() {
		t.Error("the file is lost")
	}
	if err := l.Compact(some()...); err != nil {
		t.Error(err)
	}
	if err := Check(filepath.Join(dir, "db"), nil, nil); err != nil {
		t.Error(err)
	}
}

func TestLock(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 1, Options{})
	_, err := Open(path, Options{})
	var locked *LockedError
	if !errors.As(err, &locked) || !locked.Own || locked.PID != os.Getpid() {
		t.Errorf("got %v", err)
	}
	l.Close()
	l, _, _ = mustReplay(t, path, Options{})
	l.Close()
}
