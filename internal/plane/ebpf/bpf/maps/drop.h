// SPDX-License-Identifier: Apache-2.0
// Why frames were dropped, and where.
#pragma once

#include "address.h"

// Why a frame was dropped. The names are in stats.go.
enum drop {
	DROP_MALFORMED,      // shorter than its headers
	DROP_UNBOUND,        // no binding for its port and VLAN
	DROP_RESERVED,       // to 01:80:c2:00:00:0x
	DROP_HAIRPIN,        // its destination is where it came from
	DROP_NO_DESTINATION, // nobody else is in the logical switch
	DROP_TOO_BIG,        // larger than the way out allows
	DROP_TAGGED_OVERLAY, // has a tag and would enter a tunnel
	DROP_TAGGED_INSIDE,  // came from a tunnel and has a tag
	DROP_SPLIT_HORIZON,  // came from a tunnel and would leave by a tunnel
	DROP_UNKNOWN_TUNNEL, // no logical switch for its source and VNI
	DROP_NOT_OURS,       // encapsulated, but not to the tunnel IP
	DROP_NO_TUNNEL,      // would leave by a tunnel, but there is no tunnel IP
	DROP_FAILED,         // a kernel helper failed (memory)
	DROP_DOUBLE_TAGGED,  // has a second tag and would leave untagged by a port that has VLANs
	DROP_BFD,            // of BFD between VTEPs, which is not for hosts, and of no session
	DROP_BAD_SOURCE,     // from a group address or from 00:00:00:00:00:00
	DROP_BFD_TTL,           // of BFD, and came over a router
	DROP_BFD_MALFORMED,     // of BFD, and not as it has to be
	DROP_BFD_AUTH,          // of BFD, with authentication
	DROP_BFD_DISCRIMINATOR, // of BFD, and of no session with its sender
	DROP_BFD_RATE,          // of BFD, and more than are taken
	DROP_FLOOD_LIMITED,     // has no known destination, and its switch does not flood it
	DROP_ACL_INGRESS,    // an entry of an ACL denies it where it came in, or to a router
	DROP_ACL_EGRESS,     // an entry of an ACL denies it where it would leave, or leave a router
	DROP_ACL_UNREADABLE, // it lacks or hides what an entry of an ACL asks for
	DROP_BAD_ARP,        // of ARP in a switch with a router, and not as RFC 826 has it for IPv4
	DROP_BAD_ND,         // of Neighbor Discovery for a router, and not valid
	DROP_BAD_IP,         // to a router, with a header that is not right
	DROP_SOURCE_ROUTE,   // to a router, with a source route
	DROP_UNROUTABLE,     // to a router that may not forward it, or can't
	DROP_NO_ROUTE,       // to a router that knows no way
	DROP_NO_NEIGHBOR,    // to a router that knows nobody with the address
	DROP_TTL_EXCEEDED,   // has passed too many routers
	DROP_UNSERVED,       // to a router itself, and nothing that it answers
	DROP_SPOOFED_ROUTER, // from a port, in the name of a router
	DROP_NOT_DESIGNATED, // another VTEP forwards for the segment of the port that it would leave by, or came in at
	DROP_LOCAL_BIAS,     // flooded by a VTEP that has given it to the segment of the port itself
	DROP_REASONS,
};

// Where a dropped frame had come in. A frame carries it in its control block (frame.h).
struct port_place {
	__u32 reason; // enum drop
	__u32 ifindex;
	__u32 vid;
};

struct tunnel_place {
	__u32 reason; // enum drop
	__u32 vni;
	struct address ip; // of the peer, or of somebody
};

// Instead of a VLAN.
enum no_vlan {
	VLAN_UNKNOWN = 4096, // the frame was dropped before its VLAN was known
	VLAN_OTHER = 4097,   // its tag is not one of 802.1Q
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, DROP_REASONS);
	__type(key, __u32);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} drops SEC(".maps");

// The same by place, for the places that were there last: whoever sends frames with made-up
// VLANs, sources or VNIs pushes out only what is of the same sort.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct port_place);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} port_drops SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct tunnel_place);
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} tunnel_drops SEC(".maps");
