// SPDX-License-Identifier: Apache-2.0
// Bindings: (port, VLAN) pairs, and what their switches have.
#pragma once

#include "address.h"

struct bind_key {
	__u32 ifindex;
	__u32 vid; // 0: untagged and priority-tagged frames
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__type(key, struct bind_key);
	__type(value, __u32); // slot
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} bindings SEC(".maps");

// A binding as an array element, because looking it up at egress must cost nothing. The bd
// says whether it is in force: whoever sends to a member must find its own bd here, so that
// entries which still name the slot after the binding went elsewhere do no harm.
struct member {
	__u32 ifindex;
	__u32 vid;
	__u32 bd;    // 0: the slot is free
	__u32 gen;   // changes with every new meaning of the slot; locals entries must match
	__u32 port;  // for quotas
	__u32 mtu;   // of the device
	__u32 flags; // enum member_flags
	__u32 features; // enum features, of its logical switch
};

// What a logical switch has beside forwarding. A frame from a port learns it from its member, one
// from a tunnel from its decap: it costs no look-up of its own. Which stage a feature needs is said
// in stage.h; where they come from, in layout/features.go.
enum features {
	FEATURE_INNER_TAGS = 1 << 0, // frames may have a tag in tunnels
	FEATURE_SNOOP = 1 << 1,      // the agent is told of the IP addresses that hosts say they have
	FEATURE_GROUPS = 1 << 2,     // frames to groups go to their members (group.h)
	FEATURE_ROUTE = 1 << 3,      // it has a router
	FEATURE_SUPPRESS = 1 << 4,   // questions for neighbors are answered here
	FEATURE_SEGMENT = 1 << 5,    // of a member alone: not all that is flooded may leave there (segment.h)
	FEATURE_STANDBY = 1 << 6,    // of a member alone, beside FEATURE_SEGMENT: nothing leaves there, or comes in
	FEATURE_ACL = 1 << 12,       // of a member alone: there is an ACL for the slot in policies
	FEATURE_FLOOD_NEIGHBORS = 1 << 14, // only messages of ARP and Neighbor Discovery are flooded
	FEATURE_FLOOD_NONE = 1 << 15,      // nothing is
	// Bits 7 and 13 are of frames: FRAME_OF_TUNNEL (segment.h), FRAME_REPORT (group.h).
	// From bit 16 on: the addresses 01:80:c2:00:00:00 to 0f that are forwarded, a bit for each.
};

enum feature_shift {
	FEATURE_RESERVED_SHIFT = 16,
};

enum member_flags {
	// Frames that have a tag may not leave here: vid is 0, and the port has VLANs, in one of
	// which the tag would put them on the wire.
	MEMBER_NO_TAGS = 1 << 0,
	// The tags of the port's bindings are service tags (802.1ad, 0x88a8).
	MEMBER_SERVICE_TAG = 1 << 1,
	// Another VTEP is the designated forwarder for the segment of the port. With FEATURE_SEGMENT.
	MEMBER_NOT_DESIGNATED = 1 << 2,
	// From bit 16 on: the group policy of frames that come in here and have none.
};

enum member_shift {
	MEMBER_GROUP_SHIFT = 16,
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // slot
	__type(value, struct member);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} members SEC(".maps");

struct traffic {
	__u64 in_packets, in_bytes;   // received from the attached hosts
	__u64 out_packets, out_bytes; // sent to them
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32); // slot
	__type(value, struct traffic);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} counters SEC(".maps");
