package daemon

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// server is the control socket: JSON-RPC 1.0 over a stream, one request after another on
// each connection. One goroutine accepts, one serves each connection.
type server struct {
	path     string
	listener net.Listener
	commands *commands
	log      *slog.Logger
	reader   func(uid uint32) bool // nil: nobody is restricted

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
	done   sync.WaitGroup
}

// request and reply are the two messages of the protocol. Exactly one of the reply's Result
// and Error is not null.
type request struct {
	ID     json.RawMessage   `json:"id"`
	Method *string           `json:"method"`
	Params []json.RawMessage `json:"params"`
}

type reply struct {
	ID     json.RawMessage `json:"id"`
	Result any             `json:"result"`
	Error  any             `json:"error"`
}

// listen opens the control socket at path.
func listen(path string, c *commands, log *slog.Logger, share func(path string) error, reader func(uid uint32) bool) (*server, error) {
	listener, err := listenUnix(path, share)
	if errors.Is(err, os.ErrPermission) {
		return nil, fmt.Errorf("%s: could not initialize control socket (%w): run as root, or name another with --unixctl", path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: could not initialize control socket (%w)", path, err)
	}
	s := &server{path: path, listener: listener, commands: c, log: log, reader: reader, conns: map[net.Conn]struct{}{}}
	s.done.Add(1)
	go s.accept()
	return s, nil
}

// listenUnix binds a stream socket at path. A socket that nobody listens on any more is
// replaced.
func listenUnix(path string, share func(path string) error) (net.Listener, error) {
	name, err := shortName(path)
	if err != nil {
		return nil, err
	}
	defer name.close()
	if conn, err := net.Dial("unix", name.name); err == nil {
		conn.Close()
		return nil, unix.EADDRINUSE
	}
	if info, err := os.Lstat(path); err == nil && info.Mode()&os.ModeSocket != 0 {
		if err := os.Remove(path); err != nil {
			return nil, cause(err)
		}
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: name.name, Net: "unix"})
	if err != nil {
		return nil, cause(err)
	}
	l.SetUnlinkOnClose(false) // close removes the path, which may not be the name bound
	err = os.Chmod(path, 0o770)
	if err == nil && share != nil {
		err = share(path)
	}
	if err != nil {
		l.Close()
		return nil, cause(err)
	}
	return l, nil
}

// accept serves until the listener is closed.
func (s *server) accept() {
	defer s.done.Done()
	for {
		conn, err := s.listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			s.log.Warn("accept failed", "err", err)
			time.Sleep(100 * time.Millisecond) // out of descriptors, most likely
			continue
		}
		s.mu.Lock()
		if s.closed {
			s.mu.Unlock()
			conn.Close()
			return
		}
		s.conns[conn] = struct{}{}
		s.done.Add(1)
		s.mu.Unlock()
		go s.serve(conn)
	}
}

func (s *server) serve(conn net.Conn) {
	defer s.done.Done()
	defer func() {
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
		conn.Close()
	}()
	c := connection{server: s, reader: s.reader != nil && s.reader(userOf(conn))}
	// The limit is on what one client may make us hold; no command is near it.
	in := &io.LimitedReader{R: conn}
	dec := json.NewDecoder(in)
	for {
		in.N = 1 << 20
		var req request
		if err := dec.Decode(&req); err != nil {
			if !errors.Is(err, io.EOF) && !errors.Is(err, os.ErrDeadlineExceeded) { // that is close()
				s.log.Info("control connection closed", "err", err)
			}
			return
		}
		if req.Method == nil || req.ID == nil {
			s.log.Warn("received a message that is no request")
			return
		}
		s.log.Debug("received request", "method", *req.Method, "id", string(req.ID))
		stream, rep := c.open(&req)
		after := func() {}
		if rep == nil {
			rep, after = c.answer(&req)
		}
		line, err := json.Marshal(rep)
		if err != nil {
			s.log.Error("answer", "method", *req.Method, "err", err)
			return
		}
		if _, err := conn.Write(line); err != nil {
			s.log.Info("control connection closed", "err", err)
			after()
			if stream != nil {
				refuse(stream)
			}
			return
		}
		if stream != nil {
			s.follow(conn, *req.Method, stream)
			return
		}
		s.log.Debug("replied", "id", string(req.ID), "failed", rep.Error != nil)
		after()
	}
}

// close ends the server. An answer that is on its way still goes, within reason.
func (s *server) close() {
	s.listener.Close()
	os.Remove(s.path)
	s.mu.Lock()
	s.closed = true
	for conn := range s.conns {
		_ = conn.SetReadDeadline(time.Now()) // fails only on a closed one
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.done.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(time.Second): // a command that hangs or a client that doesn't read
	}
}

// userOf is the user at the other end of a connection. Of one that is not known it is nobody's.
func userOf(conn net.Conn) uint32 {
	const nobody = 1<<32 - 2
	if cred, err := peerOf(conn); err == nil {
		return cred.Uid
	}
	return nobody
}

// peerOf is who is at the other end of a connection.
func peerOf(conn net.Conn) (*unix.Ucred, error) {
	raw, err := conn.(*net.UnixConn).SyscallConn()
	if err != nil {
		return nil, err
	}
	var cred *unix.Ucred
	failed := raw.Control(func(fd uintptr) { cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED) })
	if err := cmp.Or(failed, err); err != nil {
		return nil, fmt.Errorf("ask who is at the other end: %w", err)
	}
	return cred, nil
}
