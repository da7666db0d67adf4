// SPDX-License-Identifier: Apache-2.0
// IP addresses of stations.
#pragma once

#include "mac.h"

// The IP addresses that the agent was told of last, of each family one. Those that were not heard
// of for the longest time give way to others: the agent is then told once more.
struct snooped_address {
	struct address ip;
	__u64 at;  // when, CLOCK_MONOTONIC
	__u64 due; // when all that was told has had its time, CLOCK_MONOTONIC
};

enum family {
	FAMILY_IPV4 = 4,
	FAMILY_IPV6 = 6,
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1 << 16);
	__type(key, struct mac_key); // kind: enum family
	__type(value, struct snooped_address);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} snooped SEC(".maps");

// Which station has an IP address, as rows say. Routers hand packets to it, and those that ask for it
// are answered where the MAC is known to be elsewhere.
struct ip_key {
	__u32 bd;
	struct address ip;
};

enum neighbor_kind {
	NEIGHBOR_HOST = 0,
	NEIGHBOR_ROUTER = 1, // the address is that of the switch's router; it has no MAC here
};

struct neighbor {
	__u8 mac[ETH_ALEN];
	__u16 kind; // enum neighbor_kind
	__u64 used; // when a router last handed a packet to it, CLOCK_MONOTONIC, to within a second; by the programs
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 12);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct ip_key);
	__type(value, struct neighbor);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} neighbors SEC(".maps");

enum answer {
	ANSWER_ARP,
	ANSWER_ND,
	ANSWERS,
};

// How many questions were answered.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, ANSWERS);
	__type(key, __u32); // enum answer
	__type(value, __u64);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} answered SEC(".maps");
