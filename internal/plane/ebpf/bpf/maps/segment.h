// SPDX-License-Identifier: Apache-2.0
// Ethernet segments that ports share with other VTEPs.
#pragma once

#include "address.h"

struct segment_key {
	__u32 port;
	struct address ip; // where tunnels of the other VTEP begin
};

// The VTEPs that have given to the segment of a port what they flood. Keyed by the address and not by the peer: who is
// let in with any source has no number.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct segment_key);
	__type(value, __u32); // 1
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} segments SEC(".maps");
