package server

import (
	"errors"

	"github.com/vtep/vtep/internal/ovsdb/jsonrpc"
)

// Limits bound what peers can make the server hold. Zero values are defaults.
type Limits struct {
	Message  int // bytes of one message received; default 256 MiB
	Sessions int // default 10,000
	Monitors int // of one session; default 1,000
	Locks    int // of one session; default 1,000
	Waiting  int // transactions of one session that wait for a condition; default 10,000
	// Queue is how many bytes may wait for a slow peer before its updates are merged instead;
	// default 1 MiB.
	Queue int
	// Pending is how many rows the merged updates of one monitor may have before its session
	// is closed; default 2,000,000.
	Pending int
}

func (l *Limits) fill() {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Message, jsonrpc.DefaultMaxMessage)
	def(&l.Sessions, 10_000)
	def(&l.Monitors, 1_000)
	def(&l.Locks, 1_000)
	def(&l.Waiting, 10_000)
	def(&l.Queue, 1<<20)
	def(&l.Pending, 2_000_000)
}

// What one session may have in the queue of a database.
const (
	pipeline      = 512      // requests
	pipelineBytes = 64 << 20 // bytes of them, or one request of any size
	bigReply      = 1 << 20  // bytes of an answer after which requests come one at a time
)

// Reasons for which the server ends a session.
var (
	errTooSlow  = errors.New("the peer does not read its updates")
	errShutdown = errors.New("the server is shutting down")
	errRemoved  = errors.New("the remote was removed")
)
