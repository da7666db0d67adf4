// Package client keeps a session with a server of a database. It is what a replica
// ([github.com/vtep/vtep/internal/ovsdb/idl]), a relay and the backup of another server
// have in common.
//
//	Run, one goroutine              jsonrpc's reader, of each session
//	────────────────────────────    ────────────────────────────────────────────────────
//	dial the targets in turn   ──>  get_schema _Server ──> monitor_cond _Server
//	back off, probe                        │ refused             │        └─ not fit: held
//	close those held           <──         │                     v fit
//	                                       └──────────> get_schema ──> monitor_cond_since
//	                                                    Handler: Schema, Contents, Changes
//
// Of several targets, as the members of a cluster, one is used: the first that serves the
// database and is fit to, which its database _Server tells. A member that has lost the others
// of its cluster is not, nor is one that is behind what was seen already, nor, as long as that
// is not asked for, one that is not the leader; nor, where something is to be written, one that is the
// backup of another (writable.go).
//
// The connection to a server that is not fit is held until one is found. It tells what changes:
// that the server has become fit, or that its cluster has a leader again and the others are worth
// a try. So while a cluster has no majority those of its members that live are not asked again
// and again, and its return is seen at once. Targets that cannot be reached are tried ever more
// rarely, each on its own.
package client
