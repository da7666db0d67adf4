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

struct chunk {
	struct target targets[CHUNK_TARGETS];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 13);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct chunk_key);
	__type(value, struct chunk);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} chunks SEC(".maps");
