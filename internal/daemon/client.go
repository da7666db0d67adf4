package daemon

import (
	"context"
	"encoding/json"
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
	var text string
	err := converse(ctx, path, &text, append([]string{command}, args...))
	return text, err
}

// CallData does so and returns the answer as JSON: an object whose "reply" is data where the command has
// some, or else a string, as its "reply-format" says ("json" or "plain").
func CallData(ctx context.Context, path, command string, args ...string) (json.RawMessage, error) {
	var data json.RawMessage
	err := converse(ctx, path, &data, []string{"set-options", "--format", "json"}, append([]string{command}, args...))
	return data, err
}

// RefusedError is the answer of a daemon that does not do what a command asks for.
type RefusedError struct{ answer string }

func (e *RefusedError) Error() string { return e.answer }

func refusal(answer string) error { return &RefusedError{strings.TrimSuffix(answer, "\n")} }

// ListenerPID is the process that listens at the control socket at path; 0: it is in another container, from where
// it can't be seen.
func ListenerPID(path string) (int, error) {
	name, err := shortName(path)
	if err != nil {
		return 0, fmt.Errorf("control socket %s: %w", path, err)
	}
	defer name.close()
	conn, err := net.Dial("unix", name.name)
	if err != nil {
		return 0, fmt.Errorf("control socket %s: %w", path, cause(err))
	}
	defer conn.Close()
	cred, err := peerOf(conn)
	if err != nil {
		return 0, fmt.Errorf("control socket %s: %w", path, err)
	}
	return int(cred.Pid), nil
}

// converse sends commands, each with its arguments, over one connection, and puts the last answer
// into result.
func converse(ctx context.Context, path string, result any, commands ...[]string) error {
	name, err := shortName(path)
	if err != nil {
		return fmt.Errorf("control socket %s: %w", path, err)
	}
	defer name.close()
	var dialer net.Dialer
	conn, err := dialer.DialContext(ctx, "unix", name.name)
	if err != nil {
		return fmt.Errorf("control socket %s: %w", path, cause(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	in := json.NewDecoder(conn)
	for i, command := range commands {
		if err := json.NewEncoder(conn).Encode(map[string]any{"id": 0, "method": command[0], "params": command[1:]}); err != nil {
			return fmt.Errorf("control socket %s: %w", path, err)
		}
		var answer struct {
			Result json.RawMessage
			Error  *string
		}
		if err := in.Decode(&answer); err != nil {
			return fmt.Errorf("control socket %s: no answer to %q: %w", path, command[0], err)
		}
		if answer.Error != nil {
			return refusal(*answer.Error)
		}
		if i < len(commands)-1 {
			continue
		}
		if err := json.Unmarshal(answer.Result, result); err != nil {
			return fmt.Errorf("control socket %s: answer to %q: %w", path, command[0], err)
		}
	}
	return nil
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
