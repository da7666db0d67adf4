// Package db is the transaction engine of OVSDB: the tables of one database in
// memory, and the operations of RFC 7047 section 5 on them.
//
// [Database.Transact] runs the operations of a request, and commits:
//
//	execute    each operation in order, applied to the tables in place
//	           (insert.go, write.go, select.go, wait.go, query.go)
//	commit     in the order of the steps in commit.go: drop rows that did not
//	           change, count strong references, refuse deletions of referenced
//	           rows, collect garbage, check maxRows, clean weak references,
//	           check unique indexes, give new versions;
//	           the drafts of rows are sealed: they do not change from then on
//	publish    the change-set, for the log, monitors, history
//
// If anything fails, the tables are put back as they were.
//
// A change-set that is committed but not yet durable can be taken back with
// [Database.Undo], in reverse order of the commits. So the server executes a
// batch of transactions, writes them with one sync, then answers them all.
//
// Rows are immutable once committed and may be handed to other goroutines. All
// else belongs to the one goroutine that owns the Database. Nothing here does
// I/O, reads a clock, or starts a goroutine that outlives the call.
//
// A [Loader] makes a database of the records of a file: what is large and new it
// reads as rows at once (prepare.go), the rest as transactions (replay.go).
// [Database.StartSnapshot] takes the content of a large database step by step.
//
// Texts of errors are those of ovsdb-server: clients compare them.
package db
