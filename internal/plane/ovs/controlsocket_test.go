package ovs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/testenv"
)

// Where ovs-vswitchd was started with --unixctl, its control socket has another name than others have.
func TestControlSocket(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		args []string
		want string
	}{
		{nil, "PID"},
		{[]string{"--pidfile", "--unixctl=own.ctl"}, filepath.Join(dir, "own.ctl")},
		{[]string{"--unixctl", "/elsewhere/own.ctl", "--detach"}, "/elsewhere/own.ctl"},
	} {
		cmd := exec.Command("sh", append([]string{"-c", "read line", "ovs-vswitchd"}, test.args...)...)
		stdin, err := cmd.StdinPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		own := filepath.Join(dir, fmt.Sprintf("ovs-vswitchd.%d.ctl", cmd.Process.Pid))
		want := strings.Replace(test.want, "PID", own, 1)
		if err := os.WriteFile(filepath.Join(dir, "ovs-vswitchd.pid"), fmt.Appendln(nil, cmd.Process.Pid), 0o600); err != nil {
			t.Fatal(err)
		}
		p := &Plane{opts: Options{RunDir: dir}}
		testenv.Eventually(t, longest, func() error { // until it is that program
			if path, err := p.controlSocket(); err != nil || path != want {
				return fmt.Errorf("started with %q: %q and %v, want %q", test.args, path, err, want)
			}
			return nil
		})
		if err := os.WriteFile(own, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if path, err := p.controlSocket(); err != nil || path != own {
			t.Errorf("the usual one is there: %q and %v, want %q", path, err, own)
		}
		stdin.Close()
		_ = cmd.Wait()
	}
}
