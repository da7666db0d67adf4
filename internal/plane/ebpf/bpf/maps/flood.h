// SPDX-License-Identifier: Apache-2.0
// Flood sets.
#pragma once

#include "mac.h"

enum flood_kind {
	FLOOD_TUNNELS = 0, // by (bd, group MAC or zero): tunnels that get a copy
	FLOOD_MEMBERS = 1, // by (bd, zero): slots that get a copy
};

// A list is immutable once a floods entry names it: a changed list gets a new number, so
// that a frame on its way sees the old one or the new one whole.
struct flood_set {
	__u32 list;
	__u32 count;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 13);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct flood_set);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} floods SEC(".maps");

struct chunk_key {
	__u32 list;
	__u32 seq;
};

// One destination of a copy: a tunnel, or a member. Both zero: none.
struct target {
	__u32 peer; // 0: a member
	__u32 id;   // VNI of the tunnel, or slot of the member
};

enum flood_size {
	CHUNK_TARGETS = 16,
	FLOOD_MAX = 1 << 16, // targets of one list; the agent refuses longer ones
};

// A copy of the frame under way that goes to a tunnel by the program itself.
struct lane {
	__be32 ip;
	__u32 vni; // as in the packet
	__u32 ifindex;
	__u8 hop[ETH_ALEN];
	__u8 own[ETH_ALEN];
};

enum lane_count {
	LANES_MAX = 512, // those to further peers take the long way
};

// All of them, and the headers that they have in common.
struct lanes {
	__u32 busy; // some frame has them
	__u32 n;
	__u64 now;
	__u8 head[64]; // Ethernet, IP, UDP, VXLAN, and the Ethernet header of the frame
	struct lane lane[LANES_MAX];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct lanes);
} lanes SEC(".maps");

struct chunk {
	struct target targets[CHUNK_TARGETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct chunk_key);
	__type(value, struct chunk);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} chunks SEC(".maps");
