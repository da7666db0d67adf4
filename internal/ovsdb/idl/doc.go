// Package idl keeps a replica of an OVSDB database: a client connects, stays
// connected, and follows what the server says changes.
//
//	Run, one goroutine            jsonrpc's reader                  anyone
//	─────────────────────────     ─────────────────────────────     ─────────────────────
//	client.Client            ──>  get_schema, monitor_cond_since
//	                              reply, update3 ──> draft ──> Snapshot ──> Updates, Take
//	                              locked, stolen                    ──>     HasLock
//	                              transact reply                    ──>     Transact
//
// A [Snapshot] is immutable: an update makes a new one, which shares with the old
// one all that did not change. Each is the database as it was between two
// transactions. [Client.Take] gives the newest and, as a [Delta], what is different
// from the one taken before. The delta is computed from these two and not from a
// log of events, so nothing can be lost or told twice, and whoever takes late finds
// the changes in between merged.
//
// When the connection breaks, the last snapshot remains and the client connects
// again. It then asks for what it missed; if the server does not remember, it reads
// everything again. Either way the delta tells the difference, deletions included,
// with Reset set: columns that the server does not store may have been lost, and so
// may have transactions.
//
// A server in the same process is a server like any other: there are a session, a monitor and
// messages in their order. Only what rows have become is not written as text and read again, but
// handed over: the snapshot has the database's own rows, of which there so is one copy.
//
// A server that sends what cannot be understood or applied loses the connection.
package idl
