package daemon

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// What a process that was killed has left goes; what somebody listens on, whose process lives, or is not
// ours stays.
func TestRemoveStale(t *testing.T) {
	dir := t.TempDir()
	gone := exec.Command("true")
	if err := gone.Run(); err != nil {
		t.Fatal(err)
	}
	dead := gone.Process.Pid
	socket := func(name string, close bool) string {
		path := filepath.Join(dir, name)
		l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		l.SetUnlinkOnClose(false)
		if close {
			l.Close()
		} else {
			t.Cleanup(func() { l.Close() })
		}
		return path
	}
	stays := map[string]bool{
		socket(fmt.Sprintf("vtep.%d.ctl", dead), true):         false,
		socket(fmt.Sprintf("vtep.%d.ctl", os.Getpid()), true):  true,
		socket(fmt.Sprintf("vtep.0%d.ctl", dead), true):        true,
		socket(fmt.Sprintf("ovsdb-server.%d.ctl", dead), true): true,
		socket("vtep.ctl", true):                               true,
		socket(fmt.Sprintf("other.%d.ctl", dead), false):       true,
	}
	d := New("vtep", "test", Dirs{Run: dir})
	d.removeStale()
	d = New("other", "test", Dirs{Run: dir})
	d.removeStale()
	for path, want := range stays {
		if _, err := os.Lstat(path); (err == nil) != want {
			t.Errorf("%s: is there: %v, want %v", path, err == nil, want)
		}
	}
}
