package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vtep/vtep/internal/getopt"
)

// The test binary is also the daemon that the tests start, since a daemon runs its own
// executable again. TestMain selects by this variable, whose value is the daemon's name.
const actVariable = "VTEP_TEST_DAEMON"

func TestMain(m *testing.M) {
	if name := os.Getenv(actVariable); name != "" {
		os.Exit(actDaemon(name, os.Args[1:]))
	}
	os.Exit(m.Run())
}

// actDaemon is a daemon as small as one can be: it makes a file called "listening", so that a
// test can see the order of things.
func actDaemon(name string, args []string) int {
	d := New(name, name+" 1.2.3", OVSDirs())
	var fail, early bool
	var listening string
	options := append(d.Options(), getopt.Flag("fail", "", &fail), getopt.Flag("early", "", &early), getopt.String("listening", "FILE", "", &listening))
	rest, err := getopt.Parse(args, options)
	if err != nil {
		return d.Fatal(err)
	}
	if status, over := d.Start(); over {
		return status
	}
	defer d.Close()
	log := d.Logger("agent")
	if early {
		log.Warn("before it is ready")
	}
	if fail {
		return d.Fatal(errors.New("asked to fail"))
	}
	if listening != "" {
		if err := os.WriteFile(In(d.Dirs.Run, listening), nil, 0o600); err != nil {
			return d.Fatal(err)
		}
	}
	d.Register("uid", "", 0, 0, func([]string) (string, error) { return fmt.Sprint(os.Getuid(), " ", os.Getgid()), nil })
	d.Register("args", "", 0, 0, func([]string) (string, error) { return strings.Join(rest, " "), nil })
	d.Register("echo", "TEXT...", 1, 3, func(args []string) (string, error) { return strings.Join(args, " "), nil })
	d.Register("boom", "", 0, 0, func([]string) (string, error) { panic("boom") })
	d.Register("cwd", "", 0, 0, func([]string) (string, error) { return os.Getwd() })
	d.Register("stdout", "", 0, 0, func([]string) (string, error) { return os.Readlink("/proc/self/fd/1") })
	d.Register("remember", "TEXT", 0, 1, func(args []string) (string, error) {
		if d.State() == nil {
			return "", errors.New("no state file")
		}
		if len(args) == 1 {
			_, err := d.State().WriteAt([]byte(args[0]), 0)
			return "", err
		}
		b := make([]byte, 100)
		n, _ := d.State().ReadAt(b, 0) // io.EOF: all of it
		return string(b[:n]), nil
	})
	// Whoever has started us may give commands as soon as we are ready, and looks for what is logged first.
	log.Info("ready", "pid", os.Getpid(), "env", os.Getenv(stageVariable))
	if err := d.Ready(); err != nil {
		return d.Fatal(err)
	}
	<-d.Context().Done()
	if d.Cleanup() {
		if err := os.WriteFile(filepath.Join(d.Dirs.Run, "cleaned"), nil, 0o600); err != nil {
			return d.Fatal(err)
		}
	}
	fmt.Fprintln(os.Stderr, "bye")
	return 0
}
