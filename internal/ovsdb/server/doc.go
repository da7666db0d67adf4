// Package server serves OVSDB databases: RFC 7047 and the extensions of ovsdb-server(7).
//
// # The way of a request
//
//	session reader     parses the message and queues it to the database it names
//	database loop      takes what is queued, up to a limit, as one batch:
//	    execute        each transaction in turn, each seeing those before it
//	    append, sync   all that changed, with one write and at most one fdatasync
//	    publish        the changes, in order, to the monitors that show them
//	    answer         the requests, in order
//	session writer     sends what is queued for the peer
//
// Durable, then visible, then answered: nobody sees or is told what a power failure could
// take back. When the write or the sync fails the batch is rolled back, its requests are
// answered with an I/O error, and the database is read-only from then on.
//
// # Who owns what
//
// The loop of a database, one goroutine, owns its tables, its log, its monitors and its
// waiting transactions; everything that touches them is a job in its queue. While the loop is
// idle the reader of a session executes its transaction in place of the loop (database.help),
// unless more requests are behind it. A session has two goroutines, its reader and its writer.
// Server.mu guards the sets of databases, sessions and remotes; lockTable has a mutex of its own.
// Lock order: database.turn, then Server.mu, then session.mu; lockTable.mu is taken alone.
//
// # Order
//
// The requests of a session are executed in order and answered in order, except a
// transaction that waits for its condition. Requests to one database are pipelined; a
// request to another one waits until those before it have been answered.
//
// # Slow peers
//
// No peer delays another. The sessions have their turns in the queue of a database, one
// request each. Once a session has more than Limits.Queue bytes to send it is held back (see
// arrears): none of its requests is executed, its reader reads few more of them, and its
// monitors stop rendering updates and merge the changes instead, row by row. All this goes on
// when what was queued has been sent. When even the merged changes take more than
// Limits.Pending bytes the session is closed.
//
// A client in this process can be handed the rows themselves instead of their text (values.go). Its
// session and its updates are else those of any other.
//
// What sessions hold of requests that are long is bounded for all together, by Limits.Intake:
// a single message may have any length up to Limits.Message.
package server
