package client

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/vtep/vtep/internal/ovsdb"
	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
	"github.com/vtep/vtep/internal/ovsdb/reconnect"
	"github.com/vtep/vtep/internal/ovsdb/wire"
)

// Target is a server that may have the database.
type Target struct {
	Name string // in the log
	// Dial makes a connection. Its context ends when the attempt has taken too long.
	Dial func(context.Context) (net.Conn, error)
	// Passive tells that Dial waits for the server to connect, however long that takes.
	Passive bool
}

// Options configure a Client. Database, Targets and Handler must be set.
type Options struct {
	Database string
	Targets  []Target // tried in random order
	Handler  Handler
	// Cluster is the UUID of the cluster that the database must be of; empty: any, or none.
	Cluster string
	// LeaderOnly refuses the members of a cluster that are not its leader, and relays.
	LeaderOnly bool
	// Writes is a table that is going to be written: a server that refuses that, as a backup does, is
	// not fit. Empty: it does not matter.
	Writes string
	// Values says that the Handler takes Update.Rows, which a server in the same process gives.
	Values bool
	// Self is the UUID of a server that must not be followed, since we are it; empty: none.
	Self string
	// Once makes Run return the error when all targets have failed or the session has ended,
	// rather than try again.
	Once bool
	// Status is called when there is a session in step (nil), and when all targets have failed
	// since (why). It must not call the Client. Nil: nobody wants to know.
	Status func(error)
	Logger *slog.Logger // nil: nothing is logged

	// MaxBackoff is the longest wait between attempts to connect; 0: 8 s.
	MaxBackoff time.Duration
	// ProbeInterval is after how long without a sign of life a server is probed, and after how
	// long without an answer it is given up; 0: 5 s, below 0: never. SetProbeInterval changes it.
	ProbeInterval time.Duration
	// MaxMessage is how many bytes a message from the server may have; 0: as many as can be
	// parsed. The first answer holds the whole database, however large that is, and to give up
	// on it and ask again would never end.
	MaxMessage int
}

// Handler takes what the server says of the database. Its methods are called by the reader of
// one session at a time, in order; an error ends that session. Of the next session the first
// call is that of Schema.
type Handler interface {
	// Schema takes the schema of the database. It returns the <monitor-requests> for what is
	// wanted of it, and the last transaction that is known; "": none.
	Schema(s *Session, schema wire.Value) (requests []byte, since string, err error)
	// Contents takes the answer: what there is, or what came since. The session is in step then.
	Contents(s *Session, u Update) error
	// Changes takes what a transaction has changed.
	Changes(s *Session, u Update) error
	// Notified takes another notification.
	Notified(s *Session, m jsonrpc.Message) error
	// Lost tells that there is no session any more, or none yet, and why. It is called by Run,
	// and must not call the Client.
	// inconsistent: the server has said what cannot be right, so that the next one had better
	// be asked for everything.
	Lost(why error, inconsistent bool)
}

// Update is what changed in the database.
type Update struct {
	Version Version
	Since   bool       // of Contents: Tables is what came after the transaction that Schema named
	LastID  string     // of the last transaction; "" if the server keeps no history
	Tables  wire.Value // <table-updates>, or of versions above 1 <table-updates2>
	// Rows, if not nil, is there instead of Tables. It may have tables and columns that were not
	// asked for.
	Rows ovsdb.Changes
}

// Version is how a server tells about changes: the number in "update", "update2" and "update3".
type Version int

// Method is the request that makes the server use a version.
func (v Version) Method() string {
	return [...]string{1: "monitor", 2: "monitor_cond", 3: "monitor_cond_since"}[v]
}

func (o *Options) status(err error) {
	if o.Status != nil {
		o.Status(err)
	}
}

func (o *Options) maxMessage() int {
	if o.MaxMessage == 0 {
		return wire.MaxText
	}
	return o.MaxMessage
}

// syncPatience is the probe interval while a session is not in step yet: a server that composes
// a large database answers nothing else meanwhile. To give it up and ask again would never end.
const syncPatience = time.Minute

func probeInterval(d time.Duration) time.Duration {
	switch {
	case d == 0:
		return reconnect.DefaultProbeInterval
	case d < 0:
		return 0
	}
	return d
}
