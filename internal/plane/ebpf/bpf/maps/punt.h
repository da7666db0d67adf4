// SPDX-License-Identifier: Apache-2.0
// What the agent gets to see.
#pragma once

#include "address.h"

// Why a frame is shown to the agent. The names are in punt.go.
enum punt_reason {
	PUNT_ADDRESS,     // no frame: a MAC says that it has the IP address `ip`
	PUNT_MEMBERSHIP,  // of IGMP, MLD or PIM
	PUNT_NO_NEIGHBOR, // a router knows nobody who has the address `ip` in the bd `vni`, its next hop
	PUNT_ANSWER,      // an answer by ARP or Neighbor Discovery to the router
	PUNT_SHARED = 4,  // and the reason: what is kept for switches of which little is shown
	PUNT_REASONS = 8, // room for them
};

enum punt_size {
	PUNT_SMALL = 256,  // bytes of a frame that are kept at most, if it is no larger
	PUNT_LARGE = 2048, // of a larger one
};

// Before the frame. What came by a tunnel has slot 0.
struct punt_head {
	__u32 reason;
	__u32 bd;
	__u32 slot, gen;
	__u32 vni; // or as the reason says
	__u32 length;      // of the frame; 0: there is none
	struct address ip; // of the peer, if it came by a tunnel; else as the reason says
	__u8 mac[ETH_ALEN];
	__u16 zero;
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 19);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} punts SEC(".maps");

// How many frames were shown, by reason, and refused because there were too many.
struct punt_count {
	__u64 due; // when all that were shown have had their time, CLOCK_MONOTONIC
	__u64 told, refused;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, PUNT_REASONS);
	__type(key, __u32); // enum punt_reason
	__type(value, struct punt_count);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} punted SEC(".maps");

// What is shown of a switch by the reason. Not pinned: who has been shown nothing for the longest time gives way.
struct punt_share {
	__u32 bd;
	__u32 reason;
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct punt_share);
	__type(value, __u64); // when all that was shown has had its time, CLOCK_MONOTONIC
} punt_shares SEC(".maps");

// Since when there is something in punts that the agent has not read, if there is: CLOCK_MONOTONIC, to
// within a tick. Not pinned: programs that are loaded anew take it to be long ago.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} unread SEC(".maps");

// How much a binding says of groups; and, with slot 0, whether what is said in a switch was lost.
struct group_key {
	__u32 bd;
	__u32 slot;
};

enum group_slot {
	ANY_TUNNEL = 0xffffffff, // as slot: all tunnels of the switch
};

// How long a member may be missing that the agent was not told of: as long as members live.
enum missing {
	MISSING_SECONDS = 260,
};

struct group_rate {
	__u64 due;  // when all that was shown has had its time; CLOCK_MONOTONIC, as lost
	__u64 lost; // when something was last lost; 0: never
};

// Not pinned: a new process begins without members. Who was not heard of for the longest time gives
// way to others.
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 16384);
	__type(key, struct group_key);
	__type(value, struct group_rate);
} group_rates SEC(".maps");
