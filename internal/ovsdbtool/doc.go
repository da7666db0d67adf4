// Package ovsdbtool is ovsdb-tool(1) for standalone databases: it makes, reads, changes and
// rewrites database files without a server.
//
// A command reads the whole file and refuses one that is damaged: nothing here cuts off what a
// server would. Commands that change a file hold its lock, so they fail while a server has it.
// What is for clustered (Raft) databases says so.
package ovsdbtool
