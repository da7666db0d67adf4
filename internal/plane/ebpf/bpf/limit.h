// SPDX-License-Identifier: Apache-2.0
// What a switch does not do with groups and unknown destinations: by its features, frames for the
// other end of a link pass (IEEE 802.1Q, 8.6.3), and others are not flooded.
#pragma once

#include "group.h"

// 1 if the frame is for the other end of a link, and is not to pass.
static __always_inline int stays_on_link(const __u8 *mac, __u32 features)
{
	return is_reserved(mac) && !(features >> (FEATURE_RESERVED_SHIFT + (mac[5] & 0xf)) & 1);
}

#define ICMPV6_FIRST_ND 133 // router solicitation
#define ICMPV6_LAST_ND 137  // redirect

// 1 for ARP and all messages of Neighbor Discovery (RFC 4861), also behind one tag that stays.
static __always_inline int is_of_neighbors(struct __sk_buff *skb)
{
	__u8 proto, type;

	if (skb->protocol == bpf_htons(ETH_P_ARP))
		return 1;
	return skb->protocol == bpf_htons(ETH_P_IPV6) &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, nexthdr), &proto, 1) &&
	       proto == IPPROTO_ICMPV6 &&
	       !bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), &type, 1) &&
	       type >= ICMPV6_FIRST_ND && type <= ICMPV6_LAST_ND;
}

// Whether the frame is to a group of which it is not known for the moment who wants it, although the
// switch snoops: those who have been getting it must not miss it.
__noinline int is_uncertain(struct mac_key *dst)
{
	__u8 mac[ETH_ALEN], otherwise[ETH_ALEN];

	return dst && group_lists(dst->mac, 0, mac, otherwise) && !groups_known(dst->bd);
}

// 1 if the switch does not flood the frame to dst. What has been let pass as reserved, and groups
// that have a set of their own, are not flooded but forwarded. Nor is what the switch itself lives by
// that snoops.
__noinline int is_limited(struct __sk_buff *skb, struct mac_key *dst, struct size *s)
{
	struct mac_key key;

	if (!dst || !s || (s->features & FEATURE_FLOOD_NEIGHBORS && is_of_neighbors(skb)) || is_reserved(dst->mac))
		return 0;
	if (!is_group(dst->mac) || is_broadcast(dst->mac))
		return 1;
	if (s->features & FEATURE_GROUPS && !s->tagged && says_of_groups(skb) != SAYS_NOTHING)
		return 0;
	if (s->features & FEATURE_GROUPS && is_uncertain(dst))
		return 0;
	key = *dst;
	key.kind = FLOOD_TUNNELS;
	return !bpf_map_lookup_elem(&floods, &key);
}
