package client

import (
	"context"
	"fmt"
	"net"
	"strings"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/stream"
)

// ParseTargets parses a list of targets with commas between them, such as
// tcp:192.0.2.1:6640,tcp:192.0.2.2:6640. An element cid:UUID names the cluster that their
// database must be of; without, cluster is empty. opts is asked at each attempt.
func ParseTargets(list string, opts func() stream.Options) (targets []Target, cluster string, err error) {
	for _, name := range stream.SplitTargets(list) {
		if id, ok := strings.CutPrefix(name, "cid:"); ok {
			if _, ok := ovsdb.ParseUUID(id); !ok {
				return nil, "", fmt.Errorf("%s: %q is not a UUID", name, id)
			}
			cluster = id
			continue
		}
		t, err := stream.ParseTarget(name)
		if err != nil {
			return nil, "", err
		}
		targets = append(targets, Target{Name: name, Passive: t.Passive(), Dial: func(ctx context.Context) (net.Conn, error) {
			return Dial(ctx, name, opts())
		}})
	}
	if targets == nil {
		return nil, "", fmt.Errorf("%q: names no server", list)
	}
	return targets, cluster, nil
}

// Dial connects to a target, or, if that is passive, waits for the server to connect.
func Dial(ctx context.Context, name string, opts stream.Options) (net.Conn, error) {
	if !stream.IsPassive(name) {
		return opts.Dial(ctx, name)
	}
	l, err := opts.Listen(name)
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
