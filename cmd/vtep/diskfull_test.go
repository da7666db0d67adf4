package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// TestDiskFull has the disk under a database fill up: transactions fail with the system's
// reason and leave nothing, what was answered before is in the file, and once there is room
// again the server goes on by itself.
func TestDiskFull(t *testing.T) {
	testenv.Root(t)
	b := newOVSDBBed(t)
	path := b.create("first")
	disk := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	// A disk of 1 MB that nobody else sees, with 200 kB of something else on it.
	cmd := b.env.Command("sh", "-c", `mount -t tmpfs -o size=1m tmpfs "$1" && cp "$2" "$1/db" && head -c 200000 /dev/zero >"$1/other" &&
		exec "$0" --remote=punix:db.sock --log-file -vconsole:off "$1/db"`, b.server, disk, path)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("output: %s", &output)
		}
	})
	b.eventually(func() error {
		c, err := net.Dial("unix", filepath.Join(b.env.RunDir, "db.sock"))
		if err == nil {
			c.Close()
		}
		return err
	})
	transact := func(op string) string {
		t.Helper()
		return b.run("ovsdb-client", "transact", "unix:db.sock", `["first",`+op+`]`)
	}
	insert := func(n int) string {
		return transact(fmt.Sprintf(`{"op":"insert","table":"T","row":{"n":%d,"remotes":"%s"}}`, n, strings.Repeat("x", 50_000)))
	}
	rows := func() int {
		return strings.Count(transact(`{"op":"select","table":"T","where":[],"columns":["n"]}`), `"n"`)
	}
	answered := 0
	for ; answered < 100; answered++ {
		if out := insert(answered); strings.Contains(out, "error") {
			if !strings.Contains(out, `"I/O error"`) || !strings.Contains(out, "no space left") {
				t.Errorf("answer %s", out)
			}
			break
		}
	}
	if answered < 5 || answered == 100 {
		t.Fatalf("%d transactions on a disk for about fifteen", answered)
	}
	if n := rows(); n != answered {
		t.Errorf("%d rows are shown, %d transactions were answered", n, answered)
	}
	inside := fmt.Sprintf("/proc/%d/root%s", cmd.Process.Pid, disk)
	inFile := func() int {
		t.Helper()
		kept := filepath.Join(t.TempDir(), "kept")
		src, err := os.Open(filepath.Join(inside, "db"))
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		dst, err := os.Create(kept)
		if err == nil {
			_, err = io.Copy(dst, src)
			dst.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(b.run("ovsdb-tool", "query", kept, `["first",{"op":"select","table":"T","where":[],"columns":["n"]}]`), `"n"`)
	}
	if n := inFile(); n != answered {
		t.Errorf("%d rows in the file, %d transactions were answered", n, answered)
	}
	if log := readText(t, filepath.Join(b.env.LogDir, "ovsdb-server.log")); !strings.Contains(log, "|ERR|") {
		t.Errorf("nothing in the log:\n%s", log)
	}
	if err := os.Remove(filepath.Join(inside, "other")); err != nil {
		t.Fatal(err)
	}
	if out := insert(answered); strings.Contains(out, "error") {
		t.Errorf("with room again: %s", out)
	}
	if n := inFile(); n != answered+1 || rows() != n {
		t.Errorf("%d rows in the file, %d shown", n, rows())
	}
}
