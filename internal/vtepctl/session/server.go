package session

import (
	"context"
	"errors"
	"net"
	"slices"
	"strings"
	"syscall"

	"github.com/vtep/vtep/internal/hwvtep"
	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// Server says where the database is.
type Server struct {
	Targets string // one, or several separated by commas
	// AnyMember takes any connected member of a cluster, and relays, not only the leader.
	AnyMember bool
	RunDir    string // where relative names of sockets are
	TLS       stream.TLSFiles
}

// Connect connects to the first target that answers and is fit to serve the database: of several to
// one that can be written, if there is any.
func (t Server) Connect() (*Session, error) {
	var all []error
	targets := stream.SplitTargets(t.Targets)
	cluster := ""
	targets = slices.DeleteFunc(targets, func(name string) bool {
		id, ok := strings.CutPrefix(name, "cid:")
		if ok {
			cluster = id
		}
		return ok
	})
	var readOnly *Session
	for _, target := range targets {
		s, err := t.connect(target)
		if err == nil {
			err = s.check(cluster, !t.AnyMember)
			switch {
			case err != nil:
				s.Close()
			case len(targets) > 1 && s.readOnly():
				if readOnly == nil {
					readOnly = s
				} else {
					s.Close()
				}
			default:
				if readOnly != nil {
					readOnly.Close()
				}
				return s, nil
			}
		}
		all = append(all, err)
	}
	if readOnly != nil {
		return readOnly, nil
	}
	switch len(all) {
	case 0:
		return nil, &ConnectionError{t.Targets, syscall.EAFNOSUPPORT}
	case 1:
		return nil, all[0]
	}
	texts := make([]string, len(all))
	for i, err := range all {
		var failed *ConnectionError
		if texts[i] = err.Error(); errors.As(err, &failed) {
			texts[i] = failed.Target + ": " + Reason(failed.err)
		}
	}
	return nil, &ConnectionError{t.Targets, errors.New(strings.Join(texts, "; "))}
}

func (t Server) connect(target string) (*Session, error) {
	s := &Session{target: target, events: make(chan event, 64), Have: newReplica()}
	conn, err := t.dial(target)
	if err != nil {
		return nil, &ConnectionError{target, err}
	}
	s.client = jsonrpc.NewClient(conn, jsonrpc.Options{}, func(m jsonrpc.Message) {
		if m.Method == "update" {
			s.events <- event{result: m.Params.Index(1)}
		}
	})
	return s, nil
}

// check asks the server whether it is fit to serve the database. One of a time before there was
// something to ask is.
func (s *Session) check(cluster string, leaderOnly bool) error {
	result, err := s.Call("transact", client.AppendQuery(nil, hwvtep.Database))
	var remote *jsonrpc.RemoteError
	if errors.As(err, &remote) {
		return nil
	}
	if err != nil {
		return err
	}
	for row := range result.Index(0).Get("rows").Elems() {
		if cluster != "" && row.Get("cid").Index(1).Str() != cluster {
			return s.failed(client.UnfitError("the database is not of cluster " + cluster))
		}
		if err := client.Judge(row, leaderOnly); err != nil {
			return s.failed(err)
		}
	}
	return nil // whether there is the database shows when it is asked for
}

// readOnly says whether the server refuses what is to be written, as a backup does.
func (s *Session) readOnly() bool {
	result, err := s.Call("transact", client.AppendNoWrite(nil, hwvtep.Database, hwvtep.TablePhysicalSwitch))
	return err == nil && client.NoWriteRefused(result)
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
