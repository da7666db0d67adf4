// Package ovsdb is the data model of OVSDB (RFC 7047): atoms, datums, types,
// schemas, conditions and mutations, with their JSON notation and the text
// notation of the ctl tools.
//
// Everything here is a value: nothing does I/O, reads a clock or starts a
// goroutine. Schemas, datums and rows do not change once they are built, so
// they may be shared between goroutines.
//
// Texts of errors are part of the protocol, clients compare them; they are
// those of ovsdb-server. Every error returned here is an *[Error].
package ovsdb
