// SPDX-License-Identifier: Apache-2.0
// First stage of frames from an attached port: binding, tag, counters, learning, forwarding.
#pragma once

#include "direct.h"
#include "flood.h"
#include "learn.h"

// Which VLAN the frame is in by its outer tag, or -1 for a tag that is not 802.1Q.
// The kernel has moved the outermost tag out of the frame by now (vlan_tci), except in
// frames that a test feeds in.
static __always_inline int outer_vid(struct __sk_buff *skb, struct ethhdr *eth, int *strip)
{
	__be16 tci;

	if (skb->vlan_present) {
		*strip = 1;
		return skb->vlan_proto == bpf_htons(ETH_P_8021Q) ? skb->vlan_tci & 0xfff : -1;
	}
	if (!is_tag(eth->h_proto))
		return 0;
	*strip = 1;
	if (eth->h_proto != bpf_htons(ETH_P_8021Q) ||
	    bpf_skb_load_bytes(skb, ETH_HLEN, &tci, sizeof(tci)))
		return -1;
	return bpf_ntohs(tci) & 0xfff;
}

static __always_inline int from_port(struct __sk_buff *skb)
{
	struct mac_key dst = {}, src = {};
	struct bind_key at = {.ifindex = skb->ingress_ifindex};
	struct ethhdr *eth = ethernet(skb);
	struct traffic *c;
	struct remote *r;
	struct member *m;
	struct size size;
	struct local *l;
	__u32 *found, slot, gen;
	int vid, strip = 0;

	came_by(skb, BY_PORT, at.ifindex, VLAN_UNKNOWN);
	if (!eth)
		return drop(skb, DROP_MALFORMED);
	__builtin_memcpy(dst.mac, eth->h_dest, ETH_ALEN);
	__builtin_memcpy(src.mac, eth->h_source, ETH_ALEN);
	vid = outer_vid(skb, eth, &strip);
	skb->cb[CAME_WHAT] = vid < 0 ? VLAN_OTHER : vid;
	if (vid < 0)
		return drop(skb, DROP_UNBOUND);

	at.vid = vid;
	found = bpf_map_lookup_elem(&bindings, &at);
	if (!found)
		return drop(skb, DROP_UNBOUND);
	slot = *found;
	m = bpf_map_lookup_elem(&members, &slot);
	if (!m || !m->bd)
		return drop(skb, DROP_UNBOUND);
	src.bd = dst.bd = m->bd;
	gen = m->gen;

	// Takes exactly one tag: one below it becomes the outermost and stays.
	if (strip && bpf_skb_vlan_pop(skb))
		return drop(skb, DROP_FAILED);
	measure(skb, &size);
	c = bpf_map_lookup_elem(&counters, &slot);
	if (c) {
		c->in_packets += size.packets;
		c->in_bytes += size.bytes;
	}
	learn(&src, slot, gen);
	if (is_reserved(dst.mac))
		return drop(skb, DROP_RESERVED);

	if (!is_group(dst.mac)) {
		// Remote before local: the database's word counts more than traffic.
		r = bpf_map_lookup_elem(&remotes, &dst);
		if (r) {
			struct target t = {.ip = r->ip, .vni = r->vni, .id = r->peer};

			return to_tunnel(skb, &t, slot, &size);
		}
		l = find_local(&dst, &m);
		if (l) {
			if (l->slot == slot)
				return drop(skb, DROP_HAIRPIN);
			return redirect_member(skb, m, l->slot, &size);
		}
	}
	return flood(skb, &dst, slot, &size);
}
