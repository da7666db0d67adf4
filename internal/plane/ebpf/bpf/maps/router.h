// SPDX-License-Identifier: Apache-2.0
// Routers.
#pragma once

#include "mac.h"

// As peer of a remote: the MAC is one that the router of the switch is reached by. In the place of the VNI
// is the router if that is its own one, which it sends by, too; else 0.
enum router_peer {
	ROUTER_PEER = 0xffffffff,
};

// Only for the agent, to know its numbers again.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct switch_id); // UUID of the logical router
	__type(value, __u32);          // router
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routers SEC(".maps");

// The router of a logical switch.
struct gateway {
	__u32 router;
	__u8 mac[ETH_ALEN];
	__u16 zero;
	struct address ip, ip6; // from which it tells senders of trouble; zero: none of the family
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32); // bd
	__type(value, struct gateway);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} gateways SEC(".maps");

// Ways by prefix: the longest counts. The length is that of the prefix, and 32 for the router.
struct route_key4 {
	__u32 length;
	__u32 router;
	__be32 ip;
};

struct route_key6 {
	__u32 length;
	__u32 router;
	struct address ip;
};

enum way_kind {
	WAY_CONNECTED, // to the destination itself
	WAY_VIA,       // to the next hop `via`
	WAY_SELF,      // the address is the router's own
	WAY_EDGE,      // the address stands for all in a network
};

struct way {
	__u32 kind; // enum way_kind
	__u32 bd;
	struct address via;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 12);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route_key4);
	__type(value, struct way);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routes4 SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1 << 12);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct route_key6);
	__type(value, struct way);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} routes6 SEC(".maps");

// Where a router sends the packets to a destination, as the maps said when the last one was sent there: the
// longest prefix, the neighbor and the tunnel that its MAC is behind are looked for once a second, and not for
// each packet. The agent counts the generation on after whatever it changes in the maps that this comes from.
struct hop {
	__u64 generation; // in which it was found; 0: the element is nobody's
	__u64 used;       // of the neighbor; after a second all is found anew, and noted there
	__u32 router;
	struct address dst;  // of the packets
	struct address ip;   // the next hop
	struct mac_key next; // its station
	__u32 peer, vni;     // that the station is behind; 0: none
	__u32 zero;
};

enum router_size {
	HOPS = 1024, // a power of 2
};

// A destination has one place, and takes it from any other that has the same one.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, HOPS);
	__type(key, __u32); // place_of (hop.h)
	__type(value, struct hop);
} hops SEC(".maps");

// From 1. Not pinned, as hops is not: both go with the programs.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, __u64);
} generation SEC(".maps");

// The ACLs of the interfaces that routers have, by their prefixes in a switch: the longest counts. That of
// all addresses of a family is for those that are in none.
struct interface_key {
	__u32 length; // of the prefix as IPv6 has it, and 32 for the bd
	__u32 bd;
	struct address ip;
};

struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, 1024);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct interface_key);
	__type(value, __u32); // number of the ACL; 0: none
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} interfaces SEC(".maps");

// Requests for an echo of which the first fragment was answered: the others are, too. Not pinned: who has
// not been asked for for the longest time gives way.
struct echo_key {
	struct address src, dst;
	__u32 bd;
	__be32 id; // of the fragments
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct echo_key);
	__type(value, __u64); // since when; CLOCK_MONOTONIC
} echoes SEC(".maps");
