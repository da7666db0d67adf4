// Package vtepctl is the command line tool of a hardware_vtep database: a drop-in for
// vtep-ctl of Open vSwitch, with commands and conveniences of its own.
//
// A run goes through these steps:
//
//	getopt, globals    options before the first command
//	command            the words are split into calls of commands, checked against the table of
//	                   commands, which is also what help, complete and the manual page (man) are
//	                   made from
//	                   the families of commands are packages: overview, physical, logical, mac,
//	                   manager, apply, database; what they are told is read by argument
//	session            each command says which tables and columns it reads: connect, and monitor
//	                   exactly these
//	txn                the commands run in order on a working copy, each sees what those
//	                   before it did; what they changed becomes one "transact": first "wait"
//	                   operations for everything a decision was based on, then the changes
//	run, print         a lost race runs the commands again on the new state of the database;
//	                   otherwise the output, held back so far, is printed
//
// Why not package idl: that client keeps a copy of the database up to date for as long as a
// process lives, with reconnection, locks and conditions. Here a process lives for some
// milliseconds and needs a few columns once. It sends its first request without waiting for
// anything, keeps no state over a lost connection (which is an error to report, not to
// repair), and needs a writable copy with verification, which a replica does not have.
//
// Texts of errors and output are those of vtep-ctl, because scripts and test suites compare
// them. What goes beyond it shows where it was asked for, on a terminal, or in a line behind an
// error that says what to do about it.
//
// One goroutine does it all; that of the connection hands it what arrives.
package vtepctl

//go:generate go run ./man ../../docs/man/vtep-ctl.8
