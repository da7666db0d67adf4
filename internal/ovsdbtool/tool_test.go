package ovsdbtool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/daemon"
	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/testenv"
)

// result is what a run of the program gave.
type result struct {
	out, err string
	status   int
}

var (
	uuids    = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\([0-9a-f]{8}\)`)
	dates    = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}`)
	logLines = regexp.MustCompile(`(?m)^\d{4}-.*\|(WARN|INFO)\|.*\n`)
)

// plain is r without what differs between two runs.
func (r result) plain() string {
	text := fmt.Sprintf("exit %d\n%s%s", r.status, r.out, logLines.ReplaceAllString(r.err, ""))
	return dates.ReplaceAllString(uuids.ReplaceAllString(text, "<uuid>"), "<date>")
}

// ours runs this package in dir.
func ours(t *testing.T, dir string, args ...string) result {
	t.Helper()
	before, err := os.Getwd()
	if err == nil {
		err = os.Chdir(dir)
	}
	if err != nil {
		t.Fatal(err)
	}
	defer os.Chdir(before)
	var out, errs bytes.Buffer
	status := Run(Options{Program: "ovsdb-tool", Args: args, Version: "test", Stdout: &out, Stderr: &errs,
		Log: daemon.NewLog("ovsdb-tool"), DB: filepath.Join(dir, "conf.db"), Schema: filepath.Join(dir, "vswitch.ovsschema")})
	return result{out.String(), errs.String(), status}
}

// theirs runs the C program in dir.
func theirs(t *testing.T, dir string, args ...string) result {
	t.Helper()
	cmd := exec.Command(testenv.Program(t, "ovsdb-tool"), args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "OVS_DBDIR="+dir, "OVS_PKGDATADIR="+dir)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	// getopt calls the program by its whole path.
	return result{out.String(), strings.ReplaceAll(errs.String(), cmd.Path, "ovsdb-tool"), cmd.ProcessState.ExitCode()}
}

// place makes a directory with schemas.
func place(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	schema := hwvtep.Schema().AppendJSON(nil)
	for name, text := range map[string][]byte{
		"vswitch.ovsschema": schema,
		"newer":             bytes.Replace(schema, []byte(`"version":"1.7.0"`), []byte(`"version":"1.7.1"`), 1),
		"small":             []byte(`{"name":"hardware_vtep","version":"0.1.0","tables":{"Logical_Switch":{"columns":{"name":{"type":"string"}}}}}`),
		"nojson":            []byte("x\n"),
		"noschema":          []byte(`{"name":"x"}`),
		"empty":             nil,
		"unknown":           []byte("OVSDB FOO 2 0123456789012345678901234567890123456789\n{}"),
		"cluster":           []byte("OVSDB CLUSTER 2 3\n"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const (
	insert = `["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"a","description":"x y"}},{"op":"comment","comment":"add a"}]`
	change = `["hardware_vtep",{"op":"update","table":"Logical_Switch","where":[],"row":{"tunnel_key":7,"other_config":["map",[["k","v"]]]}}]`
	remove = `["hardware_vtep",{"op":"delete","table":"Logical_Switch","where":[["name","==","a"]]}]`
	list   = `["hardware_vtep",{"op":"select","table":"Logical_Switch","where":[],"columns":["name","tunnel_key","other_config"]}]`
)

// script is command lines whose output must be that of the C program, run one after the other.
var script = [][]string{
	{}, {"nosuch"}, {"--nosuch"}, {"schema-name", "a", "b"}, {"compare-versions", "1.2.3", "<"},
	{"create", "db", "nosuchfile"}, {"create", "db", "nojson"},
	{"create", "db"}, {"create", "db"}, {"create", "nodir/db"},
	{"db-name", "db"}, {"db-version", "db"}, {"db-cksum", "db"}, {"db-name"}, {"db-name", "nojson"},
	{"schema-name"}, {"schema-version"}, {"schema-cksum"}, {"schema-version", "newer"}, {"schema-cksum", "small"},
	{"db-is-standalone", "db"}, {"db-is-clustered", "db"}, {"db-cid", "db"}, {"db-sid", "db"}, {"db-local-address", "db"},
	{"needs-conversion", "db"}, {"needs-conversion", "db", "newer"}, {"needs-conversion", "db", "nojson"},
	{"compare-versions", "1.2.3", "<", "1.10.0"}, {"compare-versions", "1.2.3", ">=", "1.10.0"},
	{"compare-versions", "1.2.3", "==", "1.2.3"}, {"compare-versions", "1.2", "==", "1.2.3"}, {"compare-versions", "1.2.3", "=", "1.2.3"},
	{"query", "db", "{"}, {"query", "db", "[]"}, {"query", "db", `["other"]`}, {"query", "nosuch", "[]"},
	{"transact", "db", insert}, {"transact", "db", change}, {"query", "db", list},
	{"transact", "db", `["hardware_vtep",{"op":"nosuch"}]`}, {"transact", "db", remove}, {"query", "db", list},
	{"show-log", "db"}, {"-m", "show-log", "db"}, {"show-log", "db", "-mm"},
	{"compact", "db"}, {"-m", "show-log", "db"}, {"query", "db", list},
	{"transact", "db", insert}, {"compact", "db", "copy"}, {"query", "copy", list}, {"db-version", "copy"},
	{"compact", "db", "nojson"}, {"compact", "db", "cluster"}, {"convert", "db", "newer", "nojson"}, {"compact", "db", "nodir/copy"}, {"compact", "db", "."},
	{"compact", "db", "unknown"}, {"db-name", "nojson"}, {"db-name", "unknown"}, {"db-name", "empty"}, {"show-log", "unknown"}, {"show-log", "."}, {"db-name", "."},
	{"compact", "db", "empty"}, {"db-version", "empty"},
	{"convert", "db", "newer", "copy"}, {"db-version", "copy"}, {"db-version", "db"},
	{"convert", "db", "small"}, {"db-version", "db"}, {"db-cksum", "db"},
	{"query", "db", `["hardware_vtep",{"op":"select","table":"Logical_Switch","where":[],"columns":["name"]}]`},
}

// compactions name the program that made them.
var compactions = regexp.MustCompile(`(compacted|converted) by ovsdb-tool [^"]*`)

// TestSameAsC runs a script with this program and with the C one.
func TestSameAsC(t *testing.T) {
	a, b := place(t), place(t)
	for _, args := range script {
		// The C program prints the default files; each has its own directory.
		mine := strings.ReplaceAll(ours(t, a, args...).plain(), a, "DIR")
		other := strings.ReplaceAll(theirs(t, b, args...).plain(), b, "DIR")
		mine, other = compactions.ReplaceAllString(mine, "$1"), compactions.ReplaceAllString(other, "$1")
		if sorted(mine) != sorted(other) {
			t.Errorf("ovsdb-tool %q gives\n%s\nthe C program\n%s", args, mine, other)
		}
	}
}

// sorted leaves out which records C calls differences, which is all of them, and puts the columns that show-log prints, whose order is that of a hash in C, in order.
func sorted(text string) string {
	lines := strings.Split(strings.ReplaceAll(text, " diff:\n", ":\n"), "\n")
	for i := 1; i < len(lines); i++ {
		for j := i; j > 0 && strings.HasPrefix(lines[j], "    ") && strings.HasPrefix(lines[j-1], "    ") && lines[j] < lines[j-1]; j-- {
			lines[j], lines[j-1] = lines[j-1], lines[j]
		}
	}
	return strings.Join(lines, "\n")
}

// TestExchange has each program read and change what the other wrote.
func TestExchange(t *testing.T) {
	dir := place(t)
	runs := []func(*testing.T, string, ...string) result{ours, theirs}
	for i := range 6 {
		if i == 0 {
			if r := ours(t, dir, "create", "db"); r.status != 0 {
				t.Fatal(r)
			}
		}
		txn := fmt.Sprintf(`["hardware_vtep",{"op":"insert","table":"Logical_Switch","row":{"name":"ls%d","tunnel_key":%d}}]`, i, i)
		if r := runs[i%2](t, dir, "transact", "db", txn); r.status != 0 || strings.Contains(r.out, "error") {
			t.Fatalf("insert %d: %+v", i, r)
		}
		if i == 3 {
			if r := ours(t, dir, "compact", "db"); r.status != 0 {
				t.Fatal(r)
			}
		}
	}
	mine, other := ours(t, dir, "query", "db", list), theirs(t, dir, "query", "db", list)
	for i := range 6 {
		if name := fmt.Sprintf(`"ls%d"`, i); !strings.Contains(mine.out, name) || !strings.Contains(other.out, name) {
			t.Errorf("%s is missing in\n%s%s", name, mine.out, other.out)
		}
	}
	if r := ours(t, dir, "check", "db"); r.status != 0 || !strings.Contains(r.out, "6 rows") {
		t.Errorf("check: %+v", r)
	}
}

// TestDamage wants every command to refuse a damaged file, and to leave it as it is.
func TestDamage(t *testing.T) {
	dir := place(t)
	ours(t, dir, "create", "db")
	ours(t, dir, "transact", "db", insert)
	path := filepath.Join(dir, "db")
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintln(f, "garbage")
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"query", "db", list}, {"transact", "db", insert}, {"compact", "db"}, {"compact", "db", "copy"},
		{"convert", "db", "newer"}, {"check", "db"}, {"show-log", "db"}} {
		if r := ours(t, dir, args...); r.status != 1 || !strings.Contains(r.err, "parse error") {
			t.Errorf("%q: %+v", args, r)
		}
	}
	// "check" says how much is lost.
	want := fmt.Sprintf("db: damaged at offset %d, from where on 8 bytes are lost", len(before)-len("garbage\n"))
	if r := ours(t, dir, "check", "db"); !strings.Contains(r.err, want) || strings.Count(r.err, "\n") != 1 {
		t.Errorf("check: %+v, want %q", r, want)
	}
	if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the file was changed (%v)", err)
	}
	if files, _ := filepath.Glob(filepath.Join(dir, "*.corrupt*")); len(files) > 0 {
		t.Errorf("%v were made", files)
	}
}

// TestLinks compacts by way of a symbolic link, which remains one.
func TestLinks(t *testing.T) {
	dir := place(t)
	if err := os.Mkdir(filepath.Join(dir, "d"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("d/db", filepath.Join(dir, "db")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"create", "db"}, {"transact", "db", insert}, {"compact", "db"}, {"transact", "db", change}, {"check", "db"}} {
		if r := ours(t, dir, args...); r.status != 0 {
			t.Fatalf("%q: %+v", args, r)
		}
	}
	if info, err := os.Lstat(filepath.Join(dir, "db")); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became a file (%v)", err)
	}
	if _, err := os.Stat(filepath.Join(dir, "d", "db")); err != nil {
		t.Error(err)
	}
}

// TestClustered is about files of clustered databases, which the C program makes.
func TestClustered(t *testing.T) {
	dir := place(t)
	if r := theirs(t, dir, "create-cluster", "db", "vswitch.ovsschema", "unix:s1.raft"); r.status != 0 {
		t.Fatal(r)
	}
	for _, args := range [][]string{{"compact", "db"}, {"convert", "db", "newer"}, {"needs-conversion", "db", "newer"}, {"query", "db", "[]"},
		{"transact", "db", "[]"}, {"db-version", "db"}, {"db-cksum", "db"}, {"db-is-standalone", "db"}, {"db-is-clustered", "db"}} {
		if mine, other := ours(t, dir, args...).plain(), theirs(t, dir, args...).plain(); mine != other {
			t.Errorf("ovsdb-tool %q gives\n%s\nthe C program\n%s", args, mine, other)
		}
	}
	for _, name := range []string{"create-cluster", "check-cluster"} {
		if r := ours(t, dir, name, "x", "y", "z"); r.status != 1 || !strings.Contains(r.err, "clustered") || strings.Count(r.err, "\n") != 1 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}
