// Command guest is the init of a machine that runs one test binary. It mounts what tests want and
// loads the modules of /modules in the order of their names. Then it runs /test once for each
// line of /runs, a regular expression for the names of tests, without those that match /skip. The
// results and the exit status go to the second serial port. At the end it ends the machine.
package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// status begins the last line of the results; the exit status follows.
const status = "guest: exit status"

func main() {
	out, err := start()
	if err != nil {
		fmt.Println("guest:", err)
	} else {
		fmt.Fprintln(out, status, runAll(out))
		out.Sync()
	}
	unix.Sync()
	if err := unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF); err != nil {
		fmt.Println("guest: power off:", err)
	}
	select {}
}

// start makes the machine ready and opens the port for the results.
func start() (*os.File, error) {
	for _, m := range []struct{ kind, dir string }{
		{"devtmpfs", "/dev"}, {"proc", "/proc"}, {"sysfs", "/sys"}, {"tmpfs", "/tmp"}, {"tmpfs", "/run"}, {"bpf", "/sys/fs/bpf"},
	} {
		if err := os.MkdirAll(m.dir, 0o755); err != nil {
			return nil, err
		}
		if err := unix.Mount(m.kind, m.dir, m.kind, 0, ""); err != nil && err != unix.EBUSY {
			return nil, fmt.Errorf("mount %s: %w", m.dir, err)
		}
	}
	out, err := os.OpenFile("/dev/ttyS1", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	if err := raw(out); err != nil {
		return nil, err
	}
	modules, err := filepath.Glob("/modules/*")
	if err != nil {
		return nil, err
	}
	for _, m := range modules {
		if err := load(m); err != nil {
			return nil, err
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return nil, err
	}
	return out, netlink.LinkSetUp(lo)
}

// raw keeps the line from turning \n into \r\n.
func raw(f *os.File) error {
	t, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	if err != nil {
		return err
	}
	t.Oflag &^= unix.OPOST
	return unix.IoctlSetTermios(int(f.Fd()), unix.TCSETS, t)
}

func load(module string) error {
	f, err := os.Open(module)
	if err != nil {
		return err
	}
	defer f.Close()
	flags := 0
	if strings.HasSuffix(module, ".xz") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	if err := unix.FinitModule(int(f.Fd()), "", flags); err != nil {
		return fmt.Errorf("load %s: %w", module, err)
	}
	return nil
}

// runAll returns the last exit status that is not 0.
func runAll(out *os.File) (code int) {
	runs, err := os.ReadFile("/runs")
	if err != nil {
		fmt.Fprintln(out, "guest:", err)
		return -1
	}
	skip, err := os.ReadFile("/skip")
	if err != nil {
		fmt.Fprintln(out, "guest:", err)
		return -1
	}
	for tests := range strings.Lines(string(runs)) {
		if c := run(out, strings.TrimSpace(tests), string(skip)); c != 0 {
			code = c
		}
	}
	return code
}

func run(out *os.File, tests, skip string) int {
	cmd := exec.Command("/test", "-test.v", "-test.timeout=2h", "-test.run="+tests, "-test.skip="+skip)
	cmd.Dir, cmd.Stdout, cmd.Stderr = "/", out, out
	cmd.Env = []string{"PATH=/", "HOME=/", "TMPDIR=/tmp", "CI=true"}
	err := cmd.Run()
	if cmd.ProcessState == nil {
		fmt.Fprintln(out, "guest:", err)
		return -1
	}
	return cmd.ProcessState.ExitCode()
}
