// Package storage keeps a database in the OVSDB log file format of ovsdb(5): a
// sequence of JSON records, each under a header that tells its length and
// SHA-1. The first record is the schema, every further one a transaction.
//
// The life of a [Log]:
//
//		Open or Create -> Replay -> Append, Sync, Append, Sync... -> Close
//		                              StartCompact ... Finish
//
//	  - Open takes the lock that ovsdb-server and ovsdb-tool respect, and refuses
//	    what is no standalone OVSDB file.
//	  - Replay hands out the records. Where the file is torn or corrupt it ends:
//	    the rest is kept in PATH.corrupt.TIMESTAMP and cut off, which the
//	    [Recovery] tells. Nothing can be appended before.
//	  - Append writes any number of records with one write. They survive the end
//	    of the process, and after Sync that of the machine. Where each is synced, the
//	    file has room at its end for the next ones.
//	  - A Compaction writes the present state to a new file beside the log while
//	    the log goes on, then takes over what came meanwhile and replaces the file.
//
// When a write fails its records are cut off again and the log goes on. When
// that, or a sync, fails, nobody knows what is on the disk: the log is broken
// and refuses everything but a compaction, whose new file makes it whole.
//
// One goroutine owns a Log; only Write and Close of a Compaction may run in another.
//
// The edges at which an operating system can fail are the methods of [FS] and
// [File]; tests break each of them.
package storage
