// SPDX-License-Identifier: Apache-2.0
// What the agent and the programs of captures (capturing.h) tell each other.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

#include "maps/address.h"

// What there is to see of a frame, and what is said of it.
enum capture_kind {
	CAPTURE_IN,	    // it has come in, as its control block says; the bd of the switch that it enters, 0: none
	CAPTURE_OUT_PORT,   // it, or a copy, leaves by a port, as it is on the wire; the slot
	CAPTURE_OUT_TUNNEL, // by a tunnel, as it is inside; the peer, and the VNI
	CAPTURE_DROP,	    // it, or a copy, is dropped; the reason
	CAPTURE_HELD,	    // the agent keeps it until it knows the next hop
	// Nothing to see:
	CAPTURE_OWN,   // the agent sends one; the bd of the switch, 0: to be found out
	CAPTURE_ENTER, // a router takes it to another switch; its bd
};

// What is told of a frame.
struct capture_head {
	__u64 at;     // CLOCK_MONOTONIC
	__u64 frame;  // the same for all that is seen of one frame
	__u32 kind;   // enum capture_kind
	__u32 reason; // of CAPTURE_DROP: enum drop
	__u32 bd;     // the switch that it is in; 0: none, or none yet
	__u32 came[5]; // its control block (enum came_by)
	__u32 ifindex; // of CAPTURE_OUT_PORT, with vid; else 0
	__u32 vid;
	__u32 vni;     // of CAPTURE_OUT_TUNNEL, with peer; else 0
	struct address peer;
	__u32 tag;      // beside its bytes: the protocol of the tag, as on the wire, above what it says; 0: none
	__u32 gso_size; // it stands for several frames, with so many bytes of payload
	__u32 length;   // without that tag
	__u32 kept;
	__u8 macs[12]; // destination and source
};

enum capture_has {
	CAPTURE_HAS_PORT = 1 << 0,
	CAPTURE_HAS_VLAN = 1 << 1,
	CAPTURE_HAS_SWITCH = 1 << 2,
	CAPTURE_HAS_VNI = 1 << 3,
	CAPTURE_HAS_PEER = 1 << 4,
	CAPTURE_HAS_MAC = 1 << 5,
};

// What the captures want, all of them together. They may get more: the agent looks once more.
struct capture_filter {
	__u64 reasons; // of drops, a bit for each
	__u32 kinds;   // a bit for each
	__u32 has;     // enum capture_has: which of these count
	__u32 ifindex; // 0xffffffff: there is no such port
	__u32 vid;
	__u32 bd;     // 0xffffffff: there is no such switch
	__u32 vni;
	__u32 vni_bd; // the switch that has it, likewise
	struct address peer;
	__u32 most; // bytes of a frame, less than CAPTURE_BYTES
	__u8 mac[6];
	__u16 zero;
};
