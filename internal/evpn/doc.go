// Package evpn joins the logical switches of a hardware_vtep database with a fabric that speaks BGP
// EVPN (RFC 7432, RFC 8365, RFC 9136): what the VTEPs of the database report becomes routes, and the routes of
// others become rows of remote MACs. It is one more client of the database; VTEPs know nothing of it.
//
//	database ──> idl ──> Bridge ──> speaker ──> relay ──> BGP neighbours
//	database <── plan <── Bridge <───────────── relay <── BGP neighbours
//
// It works by level: a change of a row or of a route marks a MAC, or the members of a switch, and
// what is marked is compared, what should be with what is. One goroutine, that of Bridge.Run, has
// all state. The library that speaks BGP has the sessions, and announces: routes of others go by it, from the relay to
// the bridge. Of all paths for a MAC the bridge chooses itself, since the library knows no sequence numbers of moves.
//
// A router has, in a switch of its own for that, the VTEPs of the fabric as next hops, and what is behind them as static
// routes: see router.go.
//
// A port of ours may be a link of an Ethernet segment, with other VTEPs: attachment.go has what its row says, attach.go what is
// announced of it and what the VTEP is held to, election.go who forwards what is flooded.
//
// A row belongs to the bridge if its locator is a VTEP that the fabric announces in this switch, or
// that other_config:evpn_vteps of the switch remembers from before. Rows of other writers are left
// alone, and come first.
package evpn
