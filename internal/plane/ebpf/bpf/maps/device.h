// SPDX-License-Identifier: Apache-2.0
// Logical switches and devices: only for the agent, to know its numbers again.
#pragma once

#include "address.h"

struct switch_id {
	__u8 uuid[16];
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct switch_id);
	__type(value, __u32); // bd
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} switches SEC(".maps");

enum device_flags {
	DEVICE_PROMISC = 1 << 0, // the agent made it promiscuous
	// Bits 1 to 7: how often it has lost its link (bounce.go). From bit 8 on: what the agent has changed of its settings (seal.go).
};

struct device {
	__u32 port;
	__u32 flags; // enum device_flags
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // ifindex
	__type(value, struct device);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} devices SEC(".maps");
