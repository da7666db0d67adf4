// SPDX-License-Identifier: Apache-2.0
// First stage of frames from a device of the underlay, where the host's own traffic comes
// in, too: known unicast out of known tunnels is delivered at once, everything else passes.
#pragma once

#include "direct.h"
#include "overlay.h"

static __always_inline int from_underlay(struct __sk_buff *skb)
{
	struct settings *cfg = get_config();
	struct mac_key dst = {};
	struct tunnel_key from;
	struct member *m = NULL;
	struct ethhdr *eth, inner;
	struct size size;
	struct local *l;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	__u32 slot;

	if (!cfg || !cfg->tunnel_ip || !(cfg->flags & CONFIG_DIRECT_DECAP))
		return TC_ACT_UNSPEC;
	eth = plain_vxlan(skb, cfg, &from);
	if (!eth || is_group(eth->h_dest) || is_nobody(eth->h_source))
		return TC_ACT_UNSPEC;
	if (eth->h_proto == bpf_htons(ETH_P_IPV6))
		flags |= ADJ_ROOM_DECAP_L3_IPV6;
	else if (eth->h_proto != bpf_htons(ETH_P_IP))
		return TC_ACT_UNSPEC;
	inner = *eth;
	__builtin_memcpy(dst.mac, inner.h_dest, ETH_ALEN);
	dst.bd = admitted(cfg, from.ip, from.vni);
	if (!dst.bd || bpf_map_lookup_elem(&remotes, &dst))
		return TC_ACT_UNSPEC;
	l = find_local(&dst, &m);
	if (!l || is_elsewhere(skb))
		return TC_ACT_UNSPEC;
	slot = l->slot;
	size.packets = 1;
	size.tagged = size.inner = 0;
	size.bytes = size.largest = skb->len - sizeof(struct encapsulation);
	if (fits_member(m, &size) != FITS)
		return TC_ACT_UNSPEC;

	if (bpf_skb_adjust_room(skb, -(int)sizeof(struct encapsulation), BPF_ADJ_ROOM_MAC, flags))
		return TC_ACT_UNSPEC;
	// Not before: frames that pass are the host's, and so is their control block.
	came_by(skb, BY_TUNNEL, from.ip, from.vni);
	// A checksum that a NIC gave the frame does not cover the Ethernet header.
	if (bpf_skb_store_bytes(skb, 0, &inner, sizeof(inner), 0))
		return drop(skb, DROP_FAILED);
	return redirect_member(skb, m, slot, &size);
}
