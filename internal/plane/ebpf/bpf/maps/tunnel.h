// SPDX-License-Identifier: Apache-2.0
// Tunnels, and the peers at their other ends.
#pragma once

#include "address.h"

// The peer of an address; of addresses that are nobody's there is none.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024); // as peers
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u32); // peer
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} addresses SEC(".maps");

enum source_count {
	SOURCE_BITS = 10,
	SOURCES = 1 << SOURCE_BITS,
};

// The peer that an address had last, by a hash of it: it still has if peers says so. Not pinned. Of two addresses with the
// same place the later one has it.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, SOURCES);
	__type(key, __u32);
	__type(value, __u32); // peer; 0: none
} sources SEC(".maps");

// Where tunnels may end, beside the tunnel IPs of the settings, at which they begin.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 256);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct address);
	__type(value, __u64); // until when, CLOCK_MONOTONIC; 0: for good
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} ends SEC(".maps");

// The tunnels of a VNI that frames come by. As peers that have a VNI mean the same switch by it nearly always, an
// entry is for as many of them as there are bits in it, by their numbers. For whom it is another switch has an entry alone.
enum decap_part {
	DECAP_SHIFT = 8, // of a peer's number, for that of its part
	DECAP_PEERS = 1 << DECAP_SHIFT,
	DECAP_ALONE = 1 << 30, // and a peer, in the place of a part: the entry is for that one alone
};

struct decap_key {
	__u32 vni;
	__u32 part;
};

// The logical switch that the frames of tunnels enter.
struct decap {
	__u32 bd;
	__u32 features;               // enum features, of it
	__u64 peers[DECAP_PEERS / 64]; // for which of the part; bit 0 of part 0: for any source. Alone: none
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 14);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct decap_key);
	__type(value, struct decap);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} decaps SEC(".maps");

// What the agent knows of the way to a peer.
struct peer {
	struct address ip;  // zero: the element is free
	struct address hop; // next hop of the route, where ifindex is not 0
	__u32 ifindex;      // of the route; 0: only the kernel's own lookup can tell the way
	__u32 mtu;          // of the route; 0: not known
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct peer);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} peers SEC(".maps");

// Whether frames go to a peer, for the agent to look its way up again now and then: of what
// routers say of a path's MTU, and of when the kernel forgets it, nothing else tells.
enum path_state {
	PATH_IDLE,    // none did; the next one is an event
	PATH_WATCHED, // none since the agent looked; it will look again by itself
	PATH_USED,    // some did since
};

// And how the copies of flooded frames are to be addressed there that programs make themselves (lane.h), which
// the agent says again every second while frames go there: without it they take the long way.
struct path {
	__u32 state; // enum path_state
	__u32 until; // when that ends, CLOCK_MONOTONIC in units of 1 << PATH_UNTIL_SHIFT ns; 0: it is not known
	__u64 hop;   // MAC of the next hop, in the first bytes
	__u64 own;   // that of the device, likewise
};

enum path_until {
	PATH_UNTIL_SHIFT = 30,
};

// Not pinned: it is of no use to anybody but the process that maps it.
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 16384); // as peers
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); // peer
	__type(value, struct path);
} paths SEC(".maps");

// Frames inside of tunnels from a peer, and to it. Not pinned: they are for rates, and begin anew with the maps.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1024); // as peers
	__type(key, __u32);        // peer
	__type(value, struct traffic);
} tunnel_traffic SEC(".maps");

// When a sender was last told that its packets are too big. Those that were not told for
// the longest time give way to others.
struct sender {
	__u32 slot;
	__be32 ip[4]; // IPv4: the first
};

struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 4096);
	__type(key, struct sender);
	__type(value, __u64); // CLOCK_MONOTONIC, ns
} told SEC(".maps");
