// Package planetest is one conformance suite for every plane: the same States, the same
// frames, the same answers.
//
//	func TestConformance(t *testing.T) {
//		planetest.Run(t, func(t *testing.T) planetest.Harness { return newHarness(t) })
//	}
//
// A case gets a dataplane of its own with the devices of Ports, the tunnel IP TunnelIP and the
// peers of Peers on the underlay. It applies States, sends frames in, and says which frames
// must come out, byte for byte; nothing else may. At its end the plane's Audit must be clean.
// The last case walks at random between States and compares with package memory.
package planetest

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vtep/vtep/internal/intent"
	"github.com/vtep/vtep/internal/plane"
)

// Ports are the devices that exist when a case begins. The host at the other end of each sees
// frames with their tags.
var Ports = []string{"p0", "p1", "p2"}

// TunnelIP is the address of the VTEP on the underlay.
var TunnelIP = netip.MustParseAddr("192.0.2.1")

// Peers are the other VTEPs: they are reachable, and every frame that they get is collected.
var Peers = []netip.Addr{
	netip.MustParseAddr("192.0.2.2"),
	netip.MustParseAddr("192.0.2.3"),
	netip.MustParseAddr("192.0.2.4"),
}

// Out is one frame that came out of the dataplane.
type Out struct {
	Port   string        // where the host of this port got it; "": a peer did
	Tunnel intent.Tunnel // the peer, and the VNI of the frame that it got
	TOS    uint8         // of the outer IP header in a tunnel: DSCP and ECN
	Frame  []byte        // with the tags that the host saw; in a tunnel, the inner frame
}

// Limits are what a dataplane can't do as the others do. Its documentation says so.
type Limits struct {
	CountsTags   bool // counts a frame where it leaves with the tag that it came with
	LearnsLate   bool // forwards the frame from which it learns as if it had not
	OneTag       bool // does not see what is behind a second tag
	OneKindOfTag bool // takes service tags for customer tags
	LeavesECT1   bool // does not tell the packet of ECT(1) outside, only of "experienced"
	SeesHeaders  bool // goes past more extension headers of IPv6 than others do, but knows of no fragment but the first what it is of
	RoughHeaders bool // routes packets without a look at the version, at checksums, and at the options of IPv4
	RoughDrops   bool // counts drops by place only where a binding is known, and by port where none is
}

// Limited is a Harness of a dataplane that has Limits.
type Limited interface{ Limits() Limits }

// Harness is a dataplane and what is around it. Its methods fail the test when they can't do
// what they should. Frames that are none of the suite's may be among those received: they are
// passed over.
type Harness interface {
	// Open makes a plane. The suite closes it, and may then open another on the same
	// dataplane; it destroys the last one.
	Open(t testing.TB) plane.Plane

	// FromPort makes the host at a port send a frame. It may return before it is forwarded.
	FromPort(t testing.TB, port string, frame []byte)

	// FromTunnel makes a peer send a frame to TunnelIP, with the VNI, the TOS of the outer IP
	// header and the inner frame given.
	FromTunnel(t testing.TB, from intent.Tunnel, tos uint8, inner []byte)

	// Receive returns the frames that came out since the last call. It waits until there
	// are at least n of the suite's (those for which Mine is true), or a generous deadline
	// has passed, and then long enough that an unwanted one would be there, too. It checks
	// the outer headers of what peers got: addresses, UDP port 4789, the I flag.
	Receive(t testing.TB, n int) []Out

	// AddDevice and RemoveDevice make and unmake the device of a port.
	AddDevice(t testing.TB, port string)
	RemoveDevice(t testing.TB, port string)
}

// Run runs the suite. open makes a harness for one case; its cleanups, by t.Cleanup, run after
// the case has destroyed its plane.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	run(t, open, func(Payload) bool { return true })
}

// RunFamily runs each case with one kind of payload only, which is that one where the case has it.
func RunFamily(t *testing.T, family Payload, open func(t *testing.T) Harness) {
	run(t, open, func(k Payload) bool { return k == family })
}

// RunNamed runs some of the cases only, with one kind of payload; a name that none has fails.
func RunNamed(t *testing.T, family Payload, names []string, open func(t *testing.T) Harness) {
	all := slices.Concat(cases, multihomingCases)
	for _, name := range names {
		i := slices.IndexFunc(all, func(c testCase) bool { return c.name == name })
		if i < 0 {
			t.Errorf("no case %q", name)
			continue
		}
		t.Run(name, func(t *testing.T) { all[i].run(newLab(t, open(t), family)) })
	}
}

func run(t *testing.T, open func(t *testing.T) Harness, wanted func(Payload) bool) {
	each := func(c testCase, of []Payload, can func(plane.Features) bool) {
		if i := slices.IndexFunc(of, wanted); i >= 0 {
			of = slices.DeleteFunc(slices.Clone(of), func(k Payload) bool { return !wanted(k) })
		} else {
			of = of[:1]
		}
		for _, k := range of {
			t.Run(c.name+"/"+k.String(), func(t *testing.T) {
				if l := newLab(t, open(t), k); can(l.plane.Features()) {
					c.run(l)
				}
			})
		}
	}
	for _, c := range cases {
		each(c, c.payloads(), func(plane.Features) bool { return true })
	}
	for _, c := range multihomingCases {
		each(c, c.payloads(), func(f plane.Features) bool { return f.Segments })
	}
	for _, c := range routerCases {
		each(c, families, func(f plane.Features) bool { return f.Routers })
	}
	each(testCase{name: "ACLs of routers", run: routerACLs}, families, func(f plane.Features) bool { return f.RouterACLs })
	for _, c := range aclCases {
		of := families
		if c.once {
			of = of[:1]
		}
		each(c, of, func(f plane.Features) bool { return f.ACLs })
	}
}

type testCase struct {
	name string
	run  func(*lab)
	once bool // one kind of payload will do
}

func (c testCase) payloads() []Payload {
	if c.once {
		return []Payload{IPv4}
	}
	return []Payload{IPv4, IPv6, Other}
}

// cases are the suite.
var cases = []testCase{
	{"untagged", untagged, false},
	{"tagged", tagged, false},
	{"unbound VLAN", unboundVLAN, false},
	{"priority tag", priorityTag, true},
	{"hairpin", hairpin, false},
	{"inner tag", innerTag, false},
	{"tagged twice", taggedTwice, true},
	{"service tags", serviceTags, false},
	{"inner tags in tunnels", innerTagsInTunnels, false},
	{"customer tags in tunnels", customerTagsInTunnels, false},
	{"priorities", priorities, false},
	{"congestion", congestion, false},
	{"packets of BFD", packetsOfBFD, true},
	{"not to where it came from", reflected, true},
	{"no binding", noBinding, true},
	{"reserved addresses", reserved, true},
	{"reserved addresses by option", reservedByOption, true},
	{"flooding of neighbors only", floodingOfNeighbors, true},
	{"no flooding", noFlooding, true},
	{"no flooding but to members", noFloodingButToMembers, true},

	{"learning", learning, false},
	{"learning ignores", learningIgnores, true},
	{"move", move, true},
	{"forget", forget, true},
	{"watch", watch, true},
	{"host addresses", hostAddresses, true},
	{"suppression", suppression, true},
	{"port limit", portLimit, true},

	{"remote unicast", remoteUnicast, false},
	{"own VNI of a peer", ownVNIOfPeer, true},
	{"broadcast to all", broadcast, false},
	{"group set", groupSet, true},
	{"no flood set", noFloodSet, true},
	{"members of groups", groupMembers, false},
	{"what hosts say of groups", groupReports, true},
	{"remote before local", remoteBeforeLocal, true},
	{"tagged frames stay out of the overlay", taggedOverlay, true},

	{"from a tunnel", fromTunnel, false},
	{"no learning from tunnels", noTunnelLearning, true},
	{"split horizon", splitHorizon, false},
	{"unknown tunnels", unknownTunnels, true},
	{"any source", anySource, true},
	{"VNI changes", vniChanges, true},

	{"binding moves", bindingMoves, true},
	{"binding goes", bindingGoes, true},
	{"counters", counters, false},
	{"drops by place", dropPlaces, true},
	{"drop reasons", dropReasons, true},
	{"restart", restart, true},
	{"missing device", missingDevice, true},
	{"random walk", randomWalk, true},
}
