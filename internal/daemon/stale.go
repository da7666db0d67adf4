package daemon

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// removeStale removes the control sockets that processes of this name have left that were killed. Such is one
// only if there is no process with its id, and nobody listens: a directory may be shared with another namespace of
// processes, and one that has just begun does not listen yet.
func (d *Daemon) removeStale() {
	if d.options.unixctl != "" {
		return
	}
	paths, _ := filepath.Glob(In(d.Dirs.Run, d.Name+".*.ctl")) // the pattern is good, but for a strange name
	for _, path := range paths {
		var pid int
		name := filepath.Base(path)
		if _, err := fmt.Sscanf(name[len(d.Name):], ".%d.ctl", &pid); err != nil || name != fmt.Sprintf("%s.%d.ctl", d.Name, pid) {
			continue
		}
		if pid <= 0 || !errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			continue
		}
		nc, err := net.DialTimeout("unix", path, time.Second)
		if err == nil {
			nc.Close()
		} else if errors.Is(err, syscall.ECONNREFUSED) {
			_ = os.Remove(path)
		}
	}
}
