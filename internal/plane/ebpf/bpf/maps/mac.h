// SPDX-License-Identifier: Apache-2.0
// MAC addresses: where they are, as rows say and as was learned.
#pragma once

#include "address.h"

struct mac_key {
	__u32 bd;
	__u8 mac[ETH_ALEN];
	__u16 kind; // 0; floods: enum flood_kind; snooped: enum family
};

struct remote {
	__u32 peer;
	__u32 vni;
};

// As peer of a remote: the MAC is at the binding whose slot is in the place of the VNI.
enum attached_peer {
	ATTACHED_PEER = 0xfffffffe,
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct remote);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} remotes SEC(".maps");

struct local {
	__u32 slot;
	__u32 gen;
	__u32 port; // whose quota counts it; changes by atomic operations only
	__u32 zero;
	__u64 seen; // CLOCK_MONOTONIC, to within a second
};

// As port: somebody is about to delete the entry, and to give its places back.
enum leaving {
	LEAVING = 0xffffffff,
};

enum forget {
	FORGET_MAX = 256, // MACs that vtep_forget takes at a time
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, struct local);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} locals SEC(".maps");

// Learned MACs of whose next frame the agent wants to be told.
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1 << 16);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mac_key);
	__type(value, __u32);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} watched SEC(".maps");

// How many MACs a port (index 0: all ports) has learned and may learn.
struct quota {
	__u32 limit;   // 0: none
	__u32 count;
	__u32 refused; // sightings not learned because of the limit
	__u32 lost;    // index 0: events that did not fit into the ring; a port's: sightings not learned for want of room in all
	__u64 told;    // of a port: until when it has told of all that it may; index 0: what was refused at ports whose numbers others have now
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); // port
	__type(value, struct quota);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} quotas SEC(".maps");

// Why there is a sighting.
enum why {
	WHY_LEARNED, // it is in locals, or has no place there because of a limit
	WHY_NO_ROOM, // locals is full: it is to be put into a larger one
};

// A MAC is new on, or moved to, a binding. Or, if bd is 0: the peer `slot` is in use again.
struct sighting {
	__u32 bd;
	__u8 mac[ETH_ALEN];
	__u16 why; // enum why
	__u32 slot;
	__u32 gen;
};

enum events_size {
	EVENTS_SIZE = 1 << 20,
};

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, EVENTS_SIZE);
	__uint(pinning, LIBBPF_PIN_BY_NAME);
} events SEC(".maps");
