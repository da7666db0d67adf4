// Package ovsdbclient is ovsdb-client(1): it asks an OVSDB server, changes its databases and
// follows them.
//
// A command line names, in this order and each optional, a server (or several, of which the
// first that serves the database well is taken) and a database; then what the command wants.
package ovsdbclient
