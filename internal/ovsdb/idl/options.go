package idl

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"time"

	"github.com/vtep/vtep/internal/ovsdb/client"
)

// Options configure a Client. Database, and Dial or Targets, must be set.
type Options struct {
	Database string
	// Targets are the servers that may have the database, as the members of a cluster; see
	// ParseTargets. Nil: the one that Dial connects to.
	Targets []client.Target
	// Cluster is the UUID of the cluster that the database must be of; empty: any, or none.
	Cluster string
	// Dial makes a connection. Its context ends when the attempt has taken too long.
	Dial func(context.Context) (net.Conn, error)
	// Passive tells that Dial waits for the server to connect, however long that takes.
	Passive bool
	// Tables are the tables to replicate and their columns; nil for all columns of a
	// table, a nil map for all tables. What the server does not have is left out.
	Tables map[string][]string
	// LeaderOnly refuses the servers of a cluster that are not its leader, and relays.
	LeaderOnly bool
	// Writes is a table that Transact is to write: servers are not used that can't be written, as a
	// backup can't. One that has become so is left if there are several Targets. Empty: they are used.
	Writes string
	// Once makes Run return the error when an attempt to connect fails or the
	// connection ends, rather than connect again.
	Once bool

	// Status is called when the replica has come into step (nil), and when the connection has
	// ended or could not be made to any of the targets (why). Nil: nobody wants to know.
	Status func(error)

	Name   string       // of the server, in the log; empty: that of the database
	Logger *slog.Logger // nil: nothing is logged

	// MaxBackoff is the longest wait between attempts to connect; 0: 8 s.
	MaxBackoff time.Duration
	// ProbeInterval is after how long without a sign of life the server is probed, and
	// after how long without an answer it is given up; 0: 5 s, below 0: never.
	ProbeInterval time.Duration
	// MaxMessage is how many bytes a message from the server may have; 0: as many as can be
	// parsed. The first answer holds the whole database, however large that is, and to give up
	// on it and ask again would never end.
	MaxMessage int
}

// ErrNotConnected is returned for a request while there is no connection with a
// replica in step. The request was not sent.
var ErrNotConnected = errors.New("not connected to the database")

// ErrOutcomeUnknown is returned by Transact when the connection ended, or the caller
// gave up, before the server answered: the transaction may have been executed or not.
var ErrOutcomeUnknown = errors.New("outcome of the transaction is unknown")
