package session

import (
	"context"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// Server says where the database is.
type Server struct {
	Targets string // one, or several separated by commas
	RunDir  string // where relative names of sockets are
	TLS     stream.TLSFiles
}

// Connect connects to the first target that answers.
func (t Server) Connect() (*Session, error) {
	s := &Session{target: t.Targets, events: make(chan event, 64), Have: newReplica()}
	var conn net.Conn
	var err error
	for _, target := range splitTargets(t.Targets) {
		if conn, err = t.dial(target); err == nil {
			break
		}
	}
	if err != nil {
		return nil, &ConnectionError{t.Targets, err}
	}
	s.client = jsonrpc.NewClient(conn, jsonrpc.Options{}, func(m jsonrpc.Message) {
		if m.Method == "update" {
			s.events <- event{result: m.Params.Index(1)}
		}
	})
	return s, nil
}

// splitTargets splits a list of servers at the commas that another one follows: names of
// sockets may have commas.
func splitTargets(list string) []string {
	var targets []string
	for {
		list = strings.TrimLeft(list, " \t")
		end := nextTarget(list)
		if end < 0 {
			return append(targets, list)
		}
		targets = append(targets, list[:end])
		list = list[end+1:]
	}
}

// nextTarget finds the comma before the next server, or -1.
func nextTarget(list string) int {
	for i := range len(list) {
		if list[i] != ',' {
			continue
		}
		method, _, ok := strings.Cut(strings.TrimLeft(list[i+1:], " \t"), ":")
		if ok && slices.Contains([]string{"tcp", "ssl", "unix", "ptcp", "pssl", "punix", "cid"}, method) {
			return i
		}
	}
	return -1
}

// dial connects to a server, or waits for one to connect.
func (t Server) dial(target string) (net.Conn, error) {
	parsed, err := stream.ParseTarget(target)
	if err != nil {
		if !stream.IsActive(target) && !stream.IsPassive(target) {
			return nil, syscall.EAFNOSUPPORT
		}
		return nil, err
	}
	if parsed.Scheme == "pfd" {
		return nil, syscall.EAFNOSUPPORT // it is for servers
	}
	o := stream.Options{DSCP: stream.DefaultDSCP, RunDir: t.RunDir}
	if parsed.Secure() {
		if o.TLS, err = stream.LoadTLS(t.TLS); err != nil {
			return nil, err
		}
	}
	if !parsed.Passive() {
		return o.Dial(context.Background(), target)
	}
	l, err := o.Listen(target)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.Accept()
}
