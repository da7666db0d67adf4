// SPDX-License-Identifier: Apache-2.0
// Ethernet segments: which members don't get what is flooded, since another VTEP gives it to the segment of their port
// (RFC 7432, 8.5; local bias of RFC 8365, 8.3.1). Others than those of segments pay nothing: it is a feature of the member
// that is looked at.
#pragma once

#include "frame.h"

// A feature of frames, not of switches: it came by a tunnel, and is flooded.
#define FRAME_OF_TUNNEL (1 << 7)

// 0, or why a member with FEATURE_SEGMENT gets no copy of a frame with these features. Not inlined, for the stack that
// the rest of flooding needs.
__noinline int withheld(struct __sk_buff *skb, __u32 slot, __u32 features)
{
	struct member *m = bpf_map_lookup_elem(&members, &slot);
	struct segment_key key = {};

	if (!m)
		return DROP_NO_DESTINATION;
	if (m->features & FEATURE_STANDBY)
		return DROP_NOT_DESIGNATED;
	if (!(features & FRAME_OF_TUNNEL))
		return 0;
	if (m->flags & MEMBER_NOT_DESIGNATED)
		return DROP_NOT_DESIGNATED;
	key.port = m->port;
	key.ip.word[0] = skb->cb[1];
	key.ip.word[1] = skb->cb[2];
	key.ip.word[2] = skb->cb[3];
	key.ip.word[3] = skb->cb[4];
	return bpf_map_lookup_elem(&segments, &key) ? DROP_LOCAL_BIAS : 0;
}
