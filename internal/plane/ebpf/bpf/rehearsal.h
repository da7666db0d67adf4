// SPDX-License-Identifier: Apache-2.0
// What the agent and the functions that stand for helpers in a rehearsal (rehearse.c) tell each other.
#pragma once

#include <linux/bpf.h>
#include <linux/types.h>

// What is known of the frame under way.
struct rehearsal {
	struct bpf_tunnel_key in; // of the tunnel that it comes by; all zero: it comes at a port
	__u32 in6;		  // 1: that is of IPv6
	__u32 out6;		  // 1: out is
	struct bpf_tunnel_key out; // as the vxlan device was told last
	__u32 tagged, proto, tci; // the tag that it has beside its bytes
};

#define COPY_BYTES 2048

enum copy_kind {
	COPY_CLONE,	// a copy, with its bytes
	COPY_REDIRECT,	// the frame itself: what the run gives are its bytes
	COPY_NEIGHBOR,	// likewise, to a neighbour that the kernel finds
};

struct rehearsed_copy {
	__u32 kind; // enum copy_kind
	__u32 ifindex;
	__u32 length;
	__u32 tagged, proto, tci;
	__u32 out6;
	struct bpf_tunnel_key out;
	__u8 bytes[COPY_BYTES]; // the first of them
};
