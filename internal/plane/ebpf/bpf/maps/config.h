// SPDX-License-Identifier: Apache-2.0
// The settings, and whose forwarding the maps have.
#pragma once

#include "address.h"

enum config_flags {
	CONFIG_ANY_SOURCE = 1 << 0,    // entries of decaps that are for any source count too
	CONFIG_DIRECT_ENCAP = 1 << 1,  // encapsulate in the program where possible
	CONFIG_DIRECT_DECAP = 1 << 2,  // decapsulate in the program where possible
	CONFIG_WATCHED = 1 << 3,       // there may be something in watched
	CONFIG_STRICT = 1 << 4,        // the vxlan device refuses frames with reserved bits set
	CONFIG_NOTE_DATA = 1 << 5,     // some session of BFD wants to know whether data comes
	CONFIG_GBP = 1 << 6,           // the mark of frames has a group policy, from the bit on that CONFIG_GBP_SHIFT says
	CONFIG_FRAGMENT = 1 << 7,      // what is too large for the way to a peer may be fragmented outside
	CONFIG_INTERFACES = 1 << 13,   // there may be something in interfaces
	CONFIG_WHOLE = 1 << 14,        // agent only: nothing is missing in what is learned
	// From bit 16 on: priorities.
};

// What is more than a bit in settings.flags begins at these.
enum config_shift {
	CONFIG_GBP_SHIFT = 8,       // where the group policy is in the mark, in 5 bits (gbp.h)
	PRIORITY_TUNNEL_SHIFT = 16, // DSCP in 6 bits, then enum priority_from in 2 (priority.h)
	PRIORITY_TAG_SHIFT = 24,    // the same, with a PCP as the upper bits of the DSCP
};

#define PRIORITY_MASK 0xffff0000

enum priority_from {
	PRIORITY_FIXED,
	PRIORITY_INNER, // 0 for what is no IP packet
	PRIORITY_OUTER, // 0 where nothing was around it
};

struct settings {
	__u32 tunnel_ip;     // source of IPv4 tunnels, host byte order; 0: none
	__u32 vxlan_ifindex; // the external vxlan device; 0: none
	__u32 flags;         // enum config_flags
	__u32 next_bd;       // agent only: first bd never used
	__u64 netns;         // agent only: inode of the network namespace
	__u64 alive;         // when the agent was last known to be at work, CLOCK_MONOTONIC
	__u32 home;          // id by which only the network namespace of the VTEP knows itself; 0: none
	__u32 zero;          // always 0, of which the verifier knows nothing
	struct address tunnel_ip6; // source of IPv6 tunnels; zero: none
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct settings);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} config SEC(".maps");

// Whose forwarding the maps have: only for the agent, which must not take an empty, another or
// an older database for the one that they were made from.
struct origin {
	__u8 physical[16]; // UUID of the Physical_Switch row; zero: not known
	__u64 position;    // how far the database was written; 0: not known
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct origin);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} origin SEC(".maps");
