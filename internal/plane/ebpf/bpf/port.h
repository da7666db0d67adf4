// SPDX-License-Identifier: Apache-2.0
// First stage of frames from an attached port: binding, tag, counters, learning, forwarding.
#pragma once

#include "direct.h"
#include "flood.h"
#include "home.h"
#include "learn.h"
#include "stage.h"

// The outer tag of the frame: 0, ETH_P_8021Q or ETH_P_8021AD; vid is the VLAN that it says, pcp
// the priority.
// The kernel has moved the outermost tag out of the frame by now (vlan_tci), except in
// frames that a test feeds in.
static __always_inline __u32 outer_tag(struct __sk_buff *skb, struct ethhdr *eth, __u32 *vid, __u32 *pcp)
{
	__be16 tci, proto = eth->h_proto;

	*vid = *pcp = 0;
	if (skb->vlan_present) {
		*vid = skb->vlan_tci & 0xfff;
		*pcp = skb->vlan_tci >> 13 & 7;
		return bpf_ntohs(skb->vlan_proto);
	}
	if (!is_tag(proto))
		return 0;
	*vid = 0xffff;
	if (!load16(skb, ETH_HLEN, &tci)) {
		*vid = bpf_ntohs(tci) & 0xfff;
		*pcp = bpf_ntohs(tci) >> 13;
	}
	return bpf_ntohs(proto);
}

// The binding that a frame with this outer tag, or 0, is for, or NULL. On a port that has
// service tags others are part of what it carries: strip becomes 0 then.
static __always_inline struct member *find_binding(__u32 ifindex, __u32 tag, __u32 vid, __u32 *slot,
						   int *strip)
{
	struct bind_key at = {.ifindex = ifindex, .vid = vid};
	__u32 *found = bpf_map_lookup_elem(&bindings, &at);
	struct member *m;

	*strip = tag != 0;
	if (found) {
		*slot = *found;
		m = bpf_map_lookup_elem(&members, slot);
		if (m && m->bd && (!tag || (tag == ETH_P_8021AD) == !!(m->flags & MEMBER_SERVICE_TAG)))
			return m;
	}
	if (tag != ETH_P_8021Q)
		return NULL;
	at.vid = 0;
	found = bpf_map_lookup_elem(&bindings, &at);
	if (!found)
		return NULL;
	*strip = 0;
	*slot = *found;
	m = bpf_map_lookup_elem(&members, slot);
	return m && m->bd && m->flags & MEMBER_SERVICE_TAG ? m : NULL;
}

// The last stage of frames from ports: to where the destination is.
static __always_inline int forward(struct __sk_buff *skb, struct mac_key *dst, __u32 slot, struct size *size)
{
	struct member *m = NULL;
	struct remote *r;
	__u32 to;
	int result;

	if (!is_group(dst->mac)) {
		// Remote before local: the database's word counts more than traffic.
		r = bpf_map_lookup_elem(&remotes, dst);
		if (r && r->peer == ROUTER_PEER)
			return to_router(skb, slot, dst->bd, r, size);
		if (r && r->peer != ATTACHED_PEER) {
			struct target t = {.peer = r->peer, .id = r->vni};

			return to_tunnel(skb, &t, slot, size);
		}
		to = find_slot(dst, r, &m);
		if (m) {
			if (to == slot)
				return drop(skb, DROP_HAIRPIN);
			return redirect_member(skb, m, to, size);
		}
	}
	result = flood(skb, dst, slot, size);
	if (result >= FLOOD_TOO_BIG)
		return too_big(skb, slot, result - FLOOD_TOO_BIG - ETH_HLEN, size);
	return result;
}

// The same for a frame that other stages have handed on.
static __always_inline int go_forward(struct __sk_buff *skb)
{
	struct passage *p = get_passage();
	struct mac_key dst = {};
	struct size size;

	if (!p || bpf_skb_load_bytes(skb, 0, dst.mac, ETH_ALEN))
		return drop(skb, DROP_FAILED);
	dst.bd = p->bd;
	size = p->size;
	return forward(skb, &dst, p->slot, &size);
}

static __always_inline int from_port(struct __sk_buff *skb)
{
	struct mac_key dst = {}, src = {};
	struct ethhdr *eth = ethernet(skb);
	__u32 slot, gen, vid, pcp, tag;
	struct member *m;
	struct size size;
	int strip, why;

	if (is_elsewhere(skb))
		return TC_ACT_UNSPEC;
	came_by_port(skb, VLAN_UNKNOWN);
	if (!eth) {
		capture(skb, CAPTURE_IN, 0, 0);
		return drop(skb, DROP_MALFORMED);
	}
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(src.mac, eth->h_source, ETH_ALEN);
	tag = outer_tag(skb, eth, &vid, &pcp);
	m = find_binding(skb->ingress_ifindex, tag, vid, &slot, &strip);
	came_by_port(skb, tag == ETH_P_8021AD && !m ? VLAN_OTHER : m && !strip ? 0 : vid);
	capture(skb, CAPTURE_IN, m ? m->bd : 0, 0);
	if (!m)
		return drop(skb, DROP_UNBOUND);
	src.bd = dst.bd = m->bd;
	gen = m->gen;
	size.features = m->features;
	pcp = strip ? pcp << 5 : 0;
	enter_group(skb, m->flags);

	// Takes exactly one tag: one below it becomes the outermost and stays.
	if (strip && bpf_skb_vlan_pop(skb))
		return drop(skb, DROP_FAILED);
	measure(skb, size.features, &size);
	size.leaves = priorities(skb, pcp);
	if (size.features & FEATURES_GUARDED) {
		why = size.features & FEATURE_STANDBY ? DROP_NOT_DESIGNATED : acl_denies(skb, slot, 0, &size);
		if (why)
			return drop(skb, why);
	}
	count_in(slot, &size);
	if (is_nobody(src.mac))
		return drop(skb, DROP_BAD_SOURCE);
	if (learn(&src, slot, gen) == SPOOFED)
		return drop(skb, DROP_SPOOFED_ROUTER);
	if (stays_on_link(dst.mac, size.features))
		return drop(skb, DROP_RESERVED);
	if (size.features & FEATURES_WITH_STAGES)
		take_stages(skb, slot, gen, &dst, &size); // comes back if there are none for it
	return forward(skb, &dst, slot, &size);
}
