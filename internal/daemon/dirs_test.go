package daemon

import (
	"net"
	"path/filepath"
	"testing"

	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// The directory of sockets that the environment names relative to that of whoever starts a daemon is the same one after --detach, also for targets.
func TestRelativeRunDir(t *testing.T) {
	dir := t.TempDir()
	if err := Make(filepath.Join(dir, "run")); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("unix", filepath.Join(dir, "run", "db.sock"))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	t.Chdir(dir)
	t.Setenv("OVS_RUNDIR", "run")
	d := VTEPDirs()
	if err := d.anchor(); err != nil {
		t.Fatal(err)
	}
	t.Chdir("/")
	conn, err := stream.Options{}.Dial(t.Context(), "unix:db.sock")
	if err != nil {
		t.Fatal(err)
	}
	_ = conn.Close()
	if d.Run != filepath.Join(dir, "run") {
		t.Errorf("it is %s", d.Run)
	}
}
