package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

// lastWrite is how long a stream may still write when it is to end.
const lastWrite = time.Second

// open gives what follows the answer to a request; nil: nothing does, and it is answered like others.
func (c *connection) open(req *request) (Stream, *reply) {
	cmds := c.server.commands
	cmds.mu.Lock()
	cmd := cmds.byName[*req.Method]
	cmds.mu.Unlock()
	if cmd == nil || cmd.stream == nil || c.reader && !cmd.reads {
		return nil, nil
	}
	args := make([]string, len(req.Params))
	for i, p := range req.Params {
		if err := json.Unmarshal(p, &args[i]); err != nil {
			return nil, nil
		}
	}
	if len(args) < cmd.min || len(args) > cmd.max {
		return nil, nil
	}
	stream, err := cmd.stream(args)
	if err != nil {
		return nil, &reply{ID: req.ID, Error: line(err.Error())}
	}
	return stream, &reply{ID: req.ID, Result: ""}
}

// follow has the stream write, until it is at an end.
func (s *server) follow(conn net.Conn, method string, stream Stream) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.done.Add(1)
	go func() {
		defer s.done.Done()
		defer cancel()
		// Ends when the client closes its side, or close() sets the deadline, or serve closes the connection.
		_, _ = io.Copy(io.Discard, conn)
		_ = conn.SetWriteDeadline(time.Now().Add(lastWrite))
	}()
	if err := stream(ctx, conn); err != nil && !errors.Is(err, net.ErrClosed) {
		s.log.Info("stream of the control socket ended", "method", method, "err", err)
	}
}

// refuse lets go of a stream that nobody takes.
func refuse(stream Stream) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = stream(ctx, io.Discard)
}

// OpenStream sends a command whose answer a stream follows to the control socket at path. CloseWrite tells the daemon
// that no more is wanted: what is on its way still comes.
func OpenStream(ctx context.Context, path, command string, args ...string) (*net.UnixConn, error) {
	name, err := shortName(path)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, err)
	}
	defer name.close()
	var dialer net.Dialer
	dialled, err := dialer.DialContext(ctx, "unix", name.name)
	if err != nil {
		return nil, fmt.Errorf("control socket %s: %w", path, cause(err))
	}
	conn := dialled.(*net.UnixConn)
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	if args == nil {
		args = []string{}
	}
	err = json.NewEncoder(conn).Encode(map[string]any{"id": 0, "method": command, "params": args})
	if err == nil {
		err = readAnswer(conn)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// readAnswer reads the answer byte by byte, for what follows it is not ours.
func readAnswer(conn net.Conn) error {
	var text []byte
	for one := make([]byte, 1); ; {
		if _, err := conn.Read(one); err != nil {
			return fmt.Errorf("control socket: no answer: %w", err)
		}
		text = append(text, one[0])
		if one[0] != '}' || !json.Valid(text) {
			continue
		}
		var answer struct{ Error *string }
		if err := json.Unmarshal(text, &answer); err != nil {
			return fmt.Errorf("control socket: %w", err)
		}
		if answer.Error != nil {
			return refusal(*answer.Error)
		}
		return nil
	}
}
