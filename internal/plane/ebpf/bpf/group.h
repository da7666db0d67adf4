// SPDX-License-Identifier: Apache-2.0
// Groups of IP multicast, in switches that snoop (RFC 4541): who of the bindings gets a frame. The
// agent makes a list for each group, by what hosts and routers say of them (IGMP, MLD, PIM), and one
// for the groups that have none.
//
// The lists hold only while the agent is known to hear what is said: what it may have missed must not
// keep a frame from anybody.
#pragma once

#include <linux/ipv6.h>

#include "learn.h"

// ---- what is said of groups ------------------------------------------------------------

enum saying {
	SAYS_NOTHING,
	SAYS_HOST,   // that it is in a group, or leaves it: only routers want to hear that
	SAYS_ROUTER, // that it is there, or asks hosts
};

enum igmp_type {
	IGMP_QUERY = 0x11,
	IGMP_REPORT_1 = 0x12,
	IGMP_REPORT_2 = 0x16,
	IGMP_LEAVE = 0x17,
	IGMP_REPORT_3 = 0x22,
};

enum mld_type {
	MLD_QUERY = 130,
	MLD_REPORT_1 = 131,
	MLD_DONE = 132,
	MLD_REPORT_2 = 143,
};

static __always_inline int says_igmp(struct __sk_buff *skb)
{
	struct iphdr ip;
	__u8 type;

	if (bpf_skb_load_bytes(skb, ETH_HLEN, &ip, sizeof(ip)))
		return SAYS_NOTHING;
	if (ip.protocol == IPPROTO_PIM)
		return SAYS_ROUTER;
	if (ip.protocol != IPPROTO_IGMP || ip.version != 4 || ip.ihl < 5 || ip.frag_off & FRAGMENT_OFFSET ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + ip.ihl * 4, &type, 1))
		return SAYS_NOTHING;
	switch (type) {
	case IGMP_QUERY:
		return SAYS_ROUTER;
	case IGMP_REPORT_1:
	case IGMP_REPORT_2:
	case IGMP_REPORT_3:
	case IGMP_LEAVE:
		return SAYS_HOST;
	}
	return SAYS_NOTHING;
}

// MLD is always behind a hop-by-hop header, which has the Router Alert option.
static __always_inline int says_mld(struct __sk_buff *skb)
{
	__u8 proto, options[2], type;

	if (bpf_skb_load_bytes(skb, ETH_HLEN + offsetof(struct ipv6hdr, nexthdr), &proto, 1))
		return SAYS_NOTHING;
	if (proto == IPPROTO_PIM)
		return SAYS_ROUTER;
	if (proto != IPPROTO_HOPOPTS ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr), options, sizeof(options)) ||
	    options[0] != IPPROTO_ICMPV6 ||
	    bpf_skb_load_bytes(skb, ETH_HLEN + sizeof(struct ipv6hdr) + 8 + options[1] * 8, &type, 1))
		return SAYS_NOTHING;
	switch (type) {
	case MLD_QUERY:
		return SAYS_ROUTER;
	case MLD_REPORT_1:
	case MLD_REPORT_2:
	case MLD_DONE:
		return SAYS_HOST;
	}
	return SAYS_NOTHING;
}

// What a frame says that is to a group.
__noinline int says_of_groups(struct __sk_buff *skb)
{
	if (skb->protocol == bpf_htons(ETH_P_IP))
		return says_igmp(skb);
	if (skb->protocol == bpf_htons(ETH_P_IPV6))
		return says_mld(skb);
	return SAYS_NOTHING;
}

// ---- who gets a frame ------------------------------------------------------------------

// In the features of a frame's size: it is what a host says of groups.
#define FRAME_REPORT (1 << 13)

static __always_inline int is_ipv4_group(const __u8 *mac)
{
	return mac[0] == 0x01 && mac[1] == 0x00 && mac[2] == 0x5e && !(mac[3] & 0x80);
}

static __always_inline int is_ipv6_group(const __u8 *mac)
{
	return mac[0] == 0x33 && mac[1] == 0x33;
}

// Makes of the frame's address that of the list for it; the last is that of those without one. 0: all
// get it. As intent.MemberKey.
static __always_inline int group_lists(const __u8 *dst, __u32 report, __u8 *mac, __u8 *otherwise)
{
	int four = is_ipv4_group(dst);

	if (!four && !is_ipv6_group(dst))
		return 0;
	__builtin_memset(otherwise, 0, ETH_ALEN);
	otherwise[0] = four ? 0x01 : 0x33;
	otherwise[1] = four ? 0x00 : 0x33;
	otherwise[2] = four ? 0x5e : 0x00;
	if (report) { // to where IGMPv3 and MLDv2 send theirs
		otherwise[5] = 0x16;
		__builtin_memcpy(mac, otherwise, ETH_ALEN);
		return 1;
	}
	if (four ? !(dst[3] | dst[4]) : dst[2] == 0xff || (!(dst[2] | dst[3] | dst[4]) && dst[5] == 1))
		return 0;
	__builtin_memcpy(mac, dst, ETH_ALEN);
	return 1;
}

// How long the agent may take to read what it is shown.
#define UNREAD_MAX SECOND

#define MISSING_MAX (MISSING_SECONDS * SECOND)

// Whether the agent knows all that was said in the switch.
static __always_inline int groups_known(__u32 bd)
{
	struct group_key all = {.bd = bd};
	__u64 now = bpf_ktime_get_coarse_ns();
	struct group_rate *r;
	__u32 zero = 0;
	__u64 *since;

	since = bpf_map_lookup_elem(&unread, &zero);
	if (!since || (bpf_ringbuf_query(&punts, BPF_RB_AVAIL_DATA) && now - *since > UNREAD_MAX))
		return 0;
	r = bpf_map_lookup_elem(&group_rates, &all);
	return !r || now - r->lost > MISSING_MAX;
}

// Copies the list of a key. 1: there is one. An entry that is replaced may hold another's while it is read, for its memory
// is used again at once: so it is looked up until it says the same twice, and no two entries have the same list.
__noinline int find_flood_set(struct mac_key *of, struct flood_set *out)
{
	struct flood_set *set;
	struct mac_key key;
	__u32 list;
	int i;

	if (!of || !out)
		return 0;
	key = *of; // Linux 6.1 takes no argument's memory for a key
	for (i = 0; i < 4; i++) {
		set = bpf_map_lookup_elem(&floods, &key);
		if (!set)
			break;
		list = *(volatile __u32 *)&set->list;
		if (i && list == out->list)
			return 1;
		out->list = list;
		out->count = *(volatile __u32 *)&set->count;
	}
	if (i == 4)
		return 1;
	out->list = out->count = 0;
	return 0;
}

// The list of the bindings that get a frame which is for more than one. 1: it is not that of all, but of
// those who want it.
__noinline int audience(struct mac_key *dst, __u32 features, struct flood_set *list)
{
	struct mac_key key = {.kind = FLOOD_MEMBERS};
	__u8 otherwise[ETH_ALEN];

	if (!dst || !list)
		return 0;
	key.bd = dst->bd;
	if (features & FEATURE_GROUPS && group_lists(dst->mac, features & FRAME_REPORT, key.mac, otherwise) &&
	    groups_known(dst->bd)) {
		if (find_flood_set(&key, list))
			return 1;
		__builtin_memcpy(key.mac, otherwise, ETH_ALEN);
		if (find_flood_set(&key, list))
			return 1;
	}
	__builtin_memset(key.mac, 0, ETH_ALEN);
	find_flood_set(&key, list);
	return 0;
}
