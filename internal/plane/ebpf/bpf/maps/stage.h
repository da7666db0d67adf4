// SPDX-License-Identifier: Apache-2.0
// What goes from one program to the next.
#pragma once

#include "mac.h"

// The size of a frame, without the tag of a binding and without FCS. With segmentation
// offload one skb stands for several frames.
struct size {
	__u32 packets;
	__u32 bytes;    // of all of them
	__u32 largest;  // bytes of the largest one
	__u32 tagged;   // 1: it has a tag after the one that the binding took
	__u32 features; // enum features, of the switch that it is in
	__u32 leaves;   // with these priorities (priority.h)
};

// What the sender of a packet is told, and by whom.
struct message {
	__u8 type, code;   // of ICMP
	__u8 type6, code6; // of ICMPv6
	__u8 mac[ETH_ALEN];
	__u16 router; // 1: by the router that has these addresses; 0: by the receiver
	__u32 mtu;
	struct address ip, ip6;
};

// What is known of the frame under way. One program leaves it to the next one, in which the
// frame's stack is another.
struct passage {
	__u32 todo; // the stages to come, a bit for each
	__u32 bd;
	__u32 slot; // where it came in; 0: by a tunnel, of which the control block tells (frame.h)
	__u32 gen;  // of the slot
	struct size size;
	__u32 router;        // 0: that of gateways
	__u8 mac[ETH_ALEN];  // of the router
	__u16 zero;
	__u64 jiffies, now; // when that was (coarse_now)
	struct message message;
	__u8 body[192]; // room for what is looked at, or made of it
};

// A frame has it to itself: no program runs on the CPU before the last stage is done.
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct passage);
} passage SEC(".maps");

// The programs that go on with a frame, in their order. Names in Go: programs.go.
enum stage {
	STAGE_NEIGHBOR, // of ARP and Neighbor Discovery
	STAGE_OVERHEAR, // of IGMP, MLD and PIM
	STAGE_ROUTE,    // of frames to the router: forward sends them there
	STAGE_FORWARD,  // the last
	STAGES,
};

// Those that belong to the programs that are loaded together. They would go with the last process
// that has the map open, so that it is pinned (kernel/stages.go).
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, STAGES);
	__type(key, __u32);
	__type(value, __u32);
} stages SEC(".maps");
