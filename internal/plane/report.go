package plane

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/problem"
)

// Report is what is really installed after an Apply, valid even with an error. It lists all
// failures standing now, not only those of this call, by the kind of what has failed, since each
// kind has a fault column of its own. What a plane may come to fail at (a router) gets a
// field here, keyed as its table of the State is, and its fault in package vtep.
type Report struct {
	Ports    map[string]error            // ports that could not be attached, and why
	Bindings map[intent.BindingKey]error // bindings that are not in force, and why
	// Disturbed are ports that work, but whose programs somebody has detached, replaced or
	// overtaken a short while ago, or does still.
	Disturbed map[string]error

	// Down are ports whose devices have no link.
	Down map[string]struct{}

	Tunnels error                // why no tunnel works at all (tunnel IP not local, ...)
	Peers   map[netip.Addr]error // peers that can't be reached by a tunnel, and why
	Full    map[Table]error      // tables that have not all that they should, for want of room

	// ACLs are those that are not in force in the version of the State, and why. Where a version of
	// before is in force that stays.
	ACLs map[intent.ACLID]error

	// BFD is what sessions say of peers. One that has just begun may be missing.
	BFD map[netip.Addr]PeerState
	// Sessions are peers with which there is no session although there is to be one, or one that can't
	// send to them, and why.
	Sessions map[netip.Addr]error

	// Problems are those beside the errors above: what works, but hardly as it was meant. The
	// errors are told as problems, too; one that is a *problem.Error brings its kind and remedy.
	Problems []problem.Problem
}

// Table is a kind of table of a dataplane that may be full.
type Table uint8

const (
	LearnedMACs Table = iota + 1 // of MACs behind ports
	RemoteMACs                   // of MACs behind tunnels
	Peers                        // of other VTEPs
	Tunnels                      // of the tunnels whose frames are accepted
	FloodSets                    // of the tunnels that get copies
	Routers
	Interfaces // of routers
	Routes
	Neighbours // stations by IP address
)

// PeerState is what a session of BFD says of a peer, in the words of a Tunnel's bfd_status; "":
// nothing. The zero PeerState: no session runs.
type PeerState struct {
	Forwarding                    bool
	State, Diagnostic             string
	RemoteState, RemoteDiagnostic string
}

// Equal says whether r and o say the same, in the same words. Of peers that can't be reached
// only which they are counts.
func (r *Report) Equal(o *Report) bool {
	return SameErrors(r.Ports, o.Ports) && SameErrors(r.Bindings, o.Bindings) &&
		SameErrors(r.Disturbed, o.Disturbed) && maps.Equal(r.Down, o.Down) && sameText(r.Tunnels, o.Tunnels) &&
		maps.EqualFunc(r.Peers, o.Peers, func(error, error) bool { return true }) &&
		SameErrors(r.Full, o.Full) && SameErrors(r.ACLs, o.ACLs) && maps.Equal(r.BFD, o.BFD) &&
		SameErrors(r.Sessions, o.Sessions) && slices.Equal(r.Problems, o.Problems)
}

// SameErrors says whether a and b have the same keys, and errors in the same words.
func SameErrors[K comparable](a, b map[K]error) bool { return maps.EqualFunc(a, b, sameText) }

func sameText(a, b error) bool { return fmt.Sprint(a) == fmt.Sprint(b) }
