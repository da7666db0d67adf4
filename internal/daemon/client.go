package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Call sends one command to the control socket at path and returns its answer, as
// "ovs-appctl -t PATH COMMAND ARG..." prints it.
func Call(ctx context.Context, path, command string, args ...string) (string, error) {
	name, err := shortName(path)
	if err != nil {
		return "", fmt.Errorf("control socket %s: %w", path, err)
	}
	defer name.close()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", name.name)
	if err != nil {
		return "", fmt.Errorf("control socket %s: %w", path, cause(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if args == nil {
		args = []string{}
	}
	err = json.NewEncoder(conn).Encode(map[string]any{"id": 0, "method": command, "params": args})
	if err != nil {
		return "", fmt.Errorf("control socket %s: %w", path, err)
	}
	var answer struct {
		Result string
		Error  *string
	}
	if err := json.NewDecoder(conn).Decode(&answer); err != nil {
		return "", fmt.Errorf("control socket %s: no answer to %q: %w", path, command, err)
	}
	if answer.Error != nil {
		return "", errors.New(strings.TrimSuffix(*answer.Error, "\n"))
	}
	return answer.Result, nil
}

// socketName is a name of a socket that is short enough for the kernel.
type socketName struct {
	name string
	dir  *os.File // kept open as long as the name is used; nil: not needed
}

// maxSocketName is the longest name that fits in a sockaddr_un with its terminating zero.
const maxSocketName = 107

// shortName gets round the kernel's limit through a descriptor of the directory.
func shortName(path string) (socketName, error) {
	if len(path) <= maxSocketName {
		return socketName{name: path}, nil
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return socketName{}, cause(err)
	}
	return socketName{name: fmt.Sprintf("/proc/self/fd/%d/%s", dir.Fd(), filepath.Base(path)), dir: dir}, nil
}

func (s socketName) close() {
	if s.dir != nil {
		s.dir.Close()
	}
}
