package idl

import (
	"context"
	"net"

	"github.com/vtep/vtep/internal/ovsdb/client"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// DialTarget returns a Dial function for a target such as tcp:192.0.2.1:6640. A passive target,
// such as ptcp:6640, waits for the server to connect.
func DialTarget(target string, tls *stream.TLS) func(context.Context) (net.Conn, error) {
	return func(ctx context.Context) (net.Conn, error) {
		return client.Dial(ctx, target, stream.Options{TLS: tls, DSCP: stream.DefaultDSCP})
	}
}

// ParseTargets parses a list of targets with commas between them, as the members of a cluster,
// for Options.Targets and Options.Cluster.
func ParseTargets(list string, tls *stream.TLS) (targets []client.Target, cluster string, err error) {
	return client.ParseTargets(list, func() stream.Options { return stream.Options{TLS: tls, DSCP: stream.DefaultDSCP} })
}
