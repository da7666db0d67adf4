// SPDX-License-Identifier: Apache-2.0
// The priority that a frame leaves with: the DSCP of a tunnel packet, the PCP of a binding's tag.
// Each is the same for all frames, or that of the packet in the frame, or that of what was around
// the frame when it came. A PCP is the upper bits of a DSCP (RFC 2474, 4.2.2).
#pragma once

#include "size.h"

// The upper 6 bits of the TOS or traffic class of the packet in the frame, also behind two tags:
// the outermost is not among the bytes.
static __always_inline __u32 inner_priority(struct __sk_buff *skb)
{
	__be16 proto = skb->protocol;
	__u32 at = ETH_HLEN;
	__u8 b[2];

	if (is_tag(proto)) {
		if (load16(skb, at + 2, &proto))
			return 0;
		at += 4;
	}
	if (!is_ip(proto) || bpf_skb_load_bytes(skb, at, b, sizeof(b)))
		return 0;
	return (proto == bpf_htons(ETH_P_IP) ? b[1] : b[0] << 4 | b[1] >> 4) & 0xfc;
}

static __always_inline __u32 priority(__u32 setting, __u32 inner, __u32 outer)
{
	switch (setting >> 6 & 3) {
	case PRIORITY_INNER:
		return inner;
	case PRIORITY_OUTER:
		return outer;
	}
	return setting << 2 & 0xfc;
}

// The TOS that a frame gets in a tunnel, without congestion bits, and from bit 16 on the TCI
// that it gets in a tag, without VLAN. outer is what was around it; it and inner are TOS, of which the upper 6 bits count.
static __always_inline __u32 both_priorities(__u32 flags, __u32 inner, __u32 outer)
{
	if (!(flags & PRIORITY_MASK)) // as most have it
		return 0;
	inner &= 0xfc;
	outer &= 0xfc;
	return priority(flags >> PRIORITY_TUNNEL_SHIFT, inner, outer) |
	       (priority(flags >> PRIORITY_TAG_SHIFT, inner, outer) & 0xe0) << (8 + 16);
}

// Those of the frame under way.
__noinline __u32 priorities(struct __sk_buff *skb, __u32 outer)
{
	struct settings *cfg = get_config();
	__u32 flags;

	if (!cfg || !(cfg->flags & PRIORITY_MASK))
		return 0;
	flags = cfg->flags;
	return both_priorities(flags, inner_priority(skb), outer);
}

static __always_inline __u8 tunnel_priority(struct size *s)
{
	return s->leaves & 0xfc;
}

static __always_inline __u16 tag_priority(struct size *s)
{
	return s->leaves >> 16;
}
