package storage

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// sizedSchema is that of the records of sizedRecord.
const sizedSchema = `{"name":"d","tables":{"t":{"columns":{"n":{"type":"integer"},"c":{"type":"string"}}}},"version":"1.0.0"}`

// sized is sizedRecord, made when it is needed.
func sized(n, size int) Record {
	return func(yield func([]byte) bool) { yield(sizedRecord(n, size)) }
}

// sizedRecord gives a record of exactly size bytes, or a little more if that is too few to
// hold a row. It inserts row n, whatever else it holds.
func sizedRecord(n, size int) []byte {
	b := fmt.Appendf(nil, `{"t":{"00000000-0000-4000-8000-%012d":{"n":%d,"c":"`, n, n)
	const end = `"}}}`
	text := strconv.Itoa(n*7919) + "-"
	b = slices.Grow(b, size)
	for left := size - len(b) - len(end); left > 0; left = size - len(b) - len(end) {
		b = append(b, text[:min(left, len(text))]...)
	}
	return append(b, end...)
}

// headerLength is that of the header of a record with size bytes of data.
func headerLength(size int) int {
	return len(lead) + len(magic) + 2 + len(strconv.Itoa(size+1)) + 40 + 1
}

// thresholds are the sizes at which this package, or one that it serves, does something else.
func thresholds(effort int) []int {
	sizes := []int{0, maxHeader, 4 << 10, smallTail, largeRecord, 1 << 20, maxKeptBuffer}
	if effort > 1 {
		sizes = append(sizes, minCompactSize, 16<<20, 64<<20)
	}
	return sizes
}

// around lists the sizes of data beside each threshold, be it one of the data, of the data
// line or of the whole record.
func around(thresholds []int) []int {
	var sizes []int
	for _, at := range thresholds {
		for _, extra := range []int{0, 1, 1 + headerLength(at)} {
			for d := -1; d <= 1; d++ {
				sizes = append(sizes, max(at-extra+d, 0))
			}
		}
	}
	slices.Sort(sizes)
	return slices.Compact(sizes)
}

// replayRows returns the rows that the log at path inserts, in order.
func replayRows(path string, opts Options) (l *Log, rows []int, rec *Recovery, err error) {
	if l, err = Open(path, opts); err != nil {
		return nil, nil, nil, err
	}
	rec, err = l.Replay(func(b []byte) error {
		if !bytes.HasPrefix(b, []byte(`{"t":{"`)) {
			return nil // the schema, or the empty record
		}
		_, after, _ := bytes.Cut(b, []byte(`{"n":`))
		number, _, _ := bytes.Cut(after, []byte{','})
		n, err := strconv.Atoi(string(number))
		if err == nil && !bytes.Equal(b, sizedRecord(n, len(b))) {
			err = fmt.Errorf("record %d is not what was written", n)
		}
		rows = append(rows, n)
		return err
	})
	return l, rows, rec, err
}

// toolRows counts the rows that ovsdb-tool finds in the log at path.
func toolRows(t *testing.T, env *testenv.Env, path string) int {
	t.Helper()
	out := env.Output(t, testenv.Program(t, "ovsdb-tool"), "query", path, `["d",{"op":"select","table":"t","where":[],"columns":["n"]}]`)
	return strings.Count(out, `"n":`)
}

// wantRows checks that rows are 0 to n-1 in order.
func wantRows(t *testing.T, rows []int, n int) {
	t.Helper()
	for i, row := range rows {
		if i != row {
			t.Fatalf("record %d follows %d", row, i-1)
		}
	}
	if len(rows) != n {
		t.Fatalf("%d records, want %d", len(rows), n)
	}
}

// TestRecordSizes appends records of every size at which something changes, alone and
// between small ones, and while a compaction is under way. Then it does so at the end of the
// file that came of it. The C ovsdb-tool reads the same rows.
func TestRecordSizes(t *testing.T) {
	env := testenv.OVS(t)
	path := filepath.Join(t.TempDir(), "db")
	l, err := Create(path, []byte(sizedSchema), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int // of the records so far
	add := func(batch ...int) {
		t.Helper()
		var records [][]byte
		for _, size := range batch {
			records = append(records, sizedRecord(len(sizes), size))
			sizes = append(sizes, size)
		}
		before := l.Size()
		if err := l.Append(records...); err != nil {
			t.Fatal(err)
		}
		want := before
		for _, r := range records {
			want += int64(headerLength(len(r)) + len(r) + 1)
		}
		if fi, err := os.Stat(path); err != nil || l.Size() != want || fi.Size() != want {
			t.Fatalf("after records of %v bytes the log says it has %d bytes, its file %d; want %d (%v)", batch, l.Size(), fi.Size(), want, err)
		}
	}
	reopen := func() {
		t.Helper()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var rows []int
		var rec *Recovery
		if l, rows, rec, err = replayRows(path, Options{}); err != nil || rec != nil {
			t.Fatal(rec, err)
		}
		wantRows(t, rows, len(sizes))
	}
	compact := func(meanwhile func()) {
		t.Helper()
		c, err := l.StartCompact()
		if err != nil {
			t.Fatal(err)
		}
		all := slices.Clone(sizes)
		written := make(chan error, 1)
		go func() {
			records := []Record{Whole([]byte(sizedSchema))}
			for n, size := range all {
				records = append(records, sized(n, size))
			}
			written <- c.Write(records...)
		}()
		meanwhile()
		if err := errors.Join(<-written, c.Finish()); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.Append([]byte("{}")); err != nil { // the shortest record there is
		t.Fatal(err)
	}
	tried := around(thresholds(testenv.Effort(t)))
	for _, size := range tried {
		add(size)
		add(1)
	}
	reopen()
	add(tried[:len(tried)/2]...)
	compact(func() {
		add(maxKeptBuffer + 1)
		add(0)
		add(smallTail - 300)
	})
	add(1)
	reopen()
	compact(func() {})
	add(1, maxKeptBuffer, 1)
	add(1)
	reopen()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := toolRows(t, env, path); n != len(sizes) {
		t.Errorf("ovsdb-tool finds %d rows, want %d", n, len(sizes))
	}
}

// childVariable makes the test program append to a log until it is killed: "SEED
// EFFORT PATH".
const childVariable = "VTEP_TEST_STORAGE_CHILD"

func TestMain(m *testing.M) {
	if args := os.Getenv(childVariable); args != "" {
		if err := appendForEver(args); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// appendForEver appends records of random sizes, compacts now and then meanwhile, and says
// how many records there are after each Append.
func appendForEver(args string) error {
	var seed uint64
	var limit int
	var path string
	if _, err := fmt.Sscan(args, &seed, &limit, &path); err != nil {
		return err
	}
	l, rows, _, err := replayRows(path, Options{})
	if err != nil {
		return err
	}
	r := rand.New(rand.NewPCG(seed, 2))
	sizes := around(thresholds(limit))
	n := len(rows)
	fmt.Println(n)
	var compaction *Compaction
	written := make(chan error, 1)
	for {
		switch {
		case compaction == nil && r.IntN(40) == 0:
			if compaction, err = l.StartCompact(); err != nil {
				return err
			}
			before := n
			go func() {
				records := []Record{Whole([]byte(sizedSchema))}
				for i := range before {
					records = append(records, sized(i, 1))
				}
				written <- compaction.Write(records...)
			}()
		case compaction != nil:
			select {
			case err := <-written:
				if err := errors.Join(err, compaction.Finish()); err != nil {
					return err
				}
				compaction = nil
			default:
			}
		}
		var batch [][]byte
		for range 1 + r.IntN(3) {
			size := r.IntN(200)
			if r.IntN(4) == 0 {
				size = sizes[r.IntN(len(sizes))]
			}
			batch = append(batch, sizedRecord(n, size))
			n++
		}
		if err := l.Append(batch...); err != nil {
			return err
		}
		fmt.Println(n)
	}
}

// TestKilledBetweenSizes kills a process that appends records of all sizes, again and again:
// every record that was acknowledged is there, in order.
func TestKilledBetweenSizes(t *testing.T) {
	env := testenv.OVS(t)
	effort := testenv.Effort(t)
	path := filepath.Join(t.TempDir(), "db")
	l, err := Create(path, []byte(sizedSchema), Options{})
	if err != nil {
		t.Fatal(err)
	}
	l.Close()
	r := rand.New(rand.NewPCG(3, 4))
	acked := 0
	for round := range 6 * effort {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %s", childVariable, round, min(effort, 2), path))
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for range 2 + r.IntN(80) {
			if !lines.Scan() {
				break
			}
			if acked, err = strconv.Atoi(lines.Text()); err != nil {
				t.Fatal(err)
			}
		}
		_ = cmd.Process.Kill()
		for lines.Scan() { // what it got done meanwhile
			if acked, err = strconv.Atoi(lines.Text()); err != nil {
				break // a torn line
			}
		}
		_ = cmd.Wait()
		if stderr.Len() > 0 {
			t.Fatalf("round %d: %s", round, stderr.String())
		}
		l, rows, _, err := replayRows(path, Options{})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		l.Close()
		if len(rows) < acked {
			t.Fatalf("round %d: %d records, %d were acknowledged", round, len(rows), acked)
		}
		wantRows(t, rows, len(rows))
		acked = len(rows)
	}
	if n := toolRows(t, env, path); n != acked {
		t.Errorf("ovsdb-tool finds %d rows, want %d", n, acked)
	}
}

// TestLost has the file of a log deleted, and another one put in its place, until a compaction gives it its name again.
func TestLost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db")
	l := mustCreate(t, path, 2, Options{})
	defer l.Close()
	for name, lose := range map[string]func() error{
		"deleted":  func() error { return os.Remove(path) },
		"replaced": func() error { return errors.Join(os.Remove(path), os.WriteFile(path, []byte("another"), 0o600)) },
	} {
		if l.Lost() {
			t.Errorf("%s: lost before", name)
		}
		if err := lose(); err != nil {
			t.Fatal(err)
		}
		if !l.Lost() {
			t.Errorf("%s: not lost", name)
		}
		if err := l.Compact(some(0, 1)...); err != nil {
			t.Fatal(err)
		}
		if l.Lost() {
			t.Errorf("%s: lost after a compaction", name)
		}
	}
}

// TestEndMoved has something else write to the file, or cut it: nothing is appended at a
// wrong place, and a compaction makes the log whole again.
func TestEndMoved(t *testing.T) {
	for name, move := range map[string]int64{"longer": +5, "shorter": -5} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "db")
			l := mustCreate(t, path, 2, Options{})
			defer l.Close()
			if err := os.Truncate(path, l.Size()+move); err != nil {
				t.Fatal(err)
			}
			before, _ := os.ReadFile(path)
			err := l.Append([]byte(record(2)))
			if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("ends at %d, not at %d", l.Size()+move, l.Size())) {
				t.Errorf("append: %v", err)
			}
			if err := l.Append([]byte(record(2))); !errors.Is(err, ErrBroken) {
				t.Errorf("append again: %v", err)
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(after, before) {
				t.Error("the file was changed")
			}
			if err := l.Compact(some(0, 1)...); err != nil {
				t.Fatal(err)
			}
			if err := l.Append([]byte(record(2))); err != nil {
				t.Fatal(err)
			}
			l.Close()
			l, records, rec := mustReplay(t, path, Options{})
			l.Close()
			if rec != nil || !slices.Equal(records, wantRecords(3)) {
				t.Errorf("got %q, %v", records, rec)
			}
		})
	}
}

// TestTooLong refuses a record that could not be read back.
func TestTooLong(t *testing.T) {
	if err := checkLength(MaxRecord + 1); !errors.Is(err, ErrTooLong) {
		t.Errorf("got %v", err)
	}
	if err := checkLength(MaxRecord); err != nil {
		t.Error(err)
	}
}
