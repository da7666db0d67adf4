// SPDX-License-Identifier: Apache-2.0
// Native XDP: what its programs have beside the tables of the others. None of it is pinned: a process fills it anew
// before it puts its programs in the place of those that are there.
#pragma once

#include "address.h"

enum native_flags {
	NATIVE_ON = 1 << 0, // else all frames are for the programs at TC ingress
};

struct native {
	__u64 alive; // when the agent was last known to be at work, CLOCK_MONOTONIC
	__u32 flags; // enum native_flags
	__u32 zero;
	__u64 since; // programs only: jiffies when they looked at the clock last, and it was not too late
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct native);
} native SEC(".maps");

enum adjacency_flags {
	ADJACENCY_OUT = 1 << 0, // the next hop's MAC is known, and the device takes frames from XDP
	ADJACENCY_IN = 1 << 1,  // the device's own MAC is known
};

// How frames get to the next hop on the way to a peer. It counts for the way that it names only: that of the
// peer may have changed meanwhile.
struct adjacency {
	__u32 ifindex;
	__be32 hop;
	__u8 dst[ETH_ALEN]; // of the next hop
	__u8 src[ETH_ALEN]; // of the device
	__u32 flags;        // enum adjacency_flags
	__u32 outlet;       // of the device
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384); // as peers
	__type(key, __u32);         // peer
	__type(value, struct adjacency);
} adjacencies SEC(".maps");

enum outlet_number {
	OUTLETS_OF_PORTS = 4096, // a port has its number; those of the underlay come behind
	OUTLETS = 4096 + 256,
};

// The devices that take frames from XDP.
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP);
	__uint(max_entries, OUTLETS);
	__type(key, __u32);
	__type(value, __u32); // ifindex
} outlets SEC(".maps");

enum native_count {
	NATIVE_ENCAPSULATED, // from a port into a tunnel
	NATIVE_DECAPSULATED, // from a tunnel to a port
	NATIVE_BRIDGED,      // from a port to a port
	NATIVE_PASSED,       // left to the programs at TC ingress, or to the host
	NATIVE_COUNTS,
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NATIVE_COUNTS);
	__type(key, __u32); // enum native_count
	__type(value, __u64);
} native_counts SEC(".maps");
