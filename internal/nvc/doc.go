// Package nvc is a small network virtualization controller: a client of the hardware_vtep
// databases of any number of VTEPs that makes a full mesh of what they report.
//
//	database A ──> idl ──> database (rows by key) ──┐             ┌──> plan ──> transaction on A
//	database B ──> idl ──> database ────────────────┼──> mesh ────┼──> plan ──> transaction on B
//	database C ──> idl ──> database ────────────────┘  (networks) └──> plan ──> transaction on C
//
// Logical switches of the same name are one network. In each of its databases the network gets
// one tunnel key; a row of Ucast_Macs_Remote for each row of Ucast_Macs_Local of the others; and
// sets of Mcast_Macs_Remote of what the others have in Mcast_Macs_Local.
//
// It works by level, not by edge: a change of a row, of whichever table, marks what it is about
// (a switch, a MAC, a group) in every database of the network, and what is marked is looked at
// there: what should be, by the mesh, against what is. So there is one rule for what a VTEP
// reports, for what is missing after a failure, and for what another has deleted. When nothing
// is marked nothing happens; there is no timer but after a transaction that failed.
//
// A row belongs to the controller if its locator is one of a member of the network: what the
// databases report, the peers of Options.Peers, and those that the switch's
// other_config:nvc_members remembers from before. Other rows are those of other writers.
// One goroutine, that of Run, has all state; databases are followed by one each.
package nvc
