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
	// Pending is about how many bytes the merged updates of a session may take before it is
	// closed; default 256 MiB.
	Pending int
	// Kept is how many bytes of its requests a session may keep here: transactions that wait,
	// monitors, names of locks; default 64 MiB.
	Kept int
	// Intake is how many bytes of long requests not answered yet all sessions may have
	// together; beyond it the session that has most is closed. Default 512 MiB.
	Intake int
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
	def(&l.Pending, 256<<20)
	def(&l.Kept, 64<<20)
	def(&l.Intake, 512<<20)
}

// What one session may have in the queue of a database.
const (
	pipeline      = 512     // requests
	pipelineBytes = 4 << 20 // bytes of them, or one request of any size
)

// Reasons for which the server ends a session.
var (
	errTooSlow  = errors.New("the peer does not read its updates")
	errIntake   = errors.New("the requests of all peers together are too large, those of this one the largest")
	errShutdown = errors.New("the server is shutting down")
	errRemoved  = errors.New("the remote was removed")
)
