package idl

import (
	"context"
	"net"
	"strings"
	"sync/atomic"

	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// DialTarget returns a Dial function for a target such as tcp:192.0.2.1:6640, or
// several with commas between them, which are tried in turn. A passive target, such
// as ptcp:6640, waits for the server to connect.
func DialTarget(target string, tls *stream.TLS) func(context.Context) (net.Conn, error) {
	targets := strings.Split(target, ",")
	var attempts atomic.Uint64
	return func(ctx context.Context) (net.Conn, error) {
		next := targets[(attempts.Add(1)-1)%uint64(len(targets))]
		if stream.IsPassive(next) {
			return accept(ctx, next, tls)
		}
		return stream.Dial(ctx, next, tls)
	}
}

// accept listens on target for one connection.
func accept(ctx context.Context, target string, tls *stream.TLS) (net.Conn, error) {
	l, err := stream.Listen(target, tls)
	if err != nil {
		return nil, err
	}
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	defer l.Close()
	nc, err := l.Accept()
	if err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	if err := stream.Handshake(nc); err != nil {
		nc.Close()
		return nil, err
	}
	return nc, nil
}
